// SPDX-License-Identifier: Apache-2.0
// The text syntax of label selectors, taken apart; the private half of LabelSelector::parse.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::object {

/// One requirement as it was written; not yet checked.
struct LabelTerm {
  std::string key;
  std::string op;  ///< exists ! in notin = == != > <
  std::vector<std::string> values;
};

/// Errors (Code::malformed) in the words of kube-apiserver.
Result<std::vector<LabelTerm>> parse_label_terms(std::string_view text);

}  // namespace tetrarch::object
