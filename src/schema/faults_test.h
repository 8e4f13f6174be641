// SPDX-License-Identifier: Apache-2.0
// What validation says of an object, for the tests of its rules.
#pragma once

#include <string>
#include <vector>

#include "schema/decode.h"

namespace tetrarch::schema {

/// "field: message" of each fault, in the order of the rules; `old`: before the change.
inline std::vector<std::string> fault_texts(const Kind& kind,
                                            const DocumentPtr& fresh,
                                            const DocumentPtr& old = nullptr) {
  std::vector<std::string> out;
  for (const auto& fault :
       validate(kind, fresh->root(), old == nullptr ? object::View() : old->root())) {
    out.push_back(fault.field + ": " + fault.message);
  }
  return out;
}

}  // namespace tetrarch::schema
