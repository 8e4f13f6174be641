// SPDX-License-Identifier: Apache-2.0
// Secrets: their rules are in the schema.
#include "registry/strategy.h"

namespace tetrarch::registry {

Strategy secrets_strategy() {
  Strategy out;
  out.fields = {{"type"}};
  return out;
}

}  // namespace tetrarch::registry
