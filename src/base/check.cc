// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tetrarch {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "broken invariant: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace tetrarch
