// SPDX-License-Identifier: Apache-2.0
// CHECK: a broken invariant of ours ends the process, in release builds too. Never for input.
#pragma once

namespace tetrarch {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace tetrarch

#define CHECK(expression)                                        \
  do {                                                           \
    if (!(expression)) {                                         \
      ::tetrarch::check_failed(#expression, __FILE__, __LINE__); \
    }                                                            \
  } while (false)
