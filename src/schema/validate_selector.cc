// SPDX-License-Identifier: Apache-2.0
// Rules of selectors' requirements and of tolerations.
#include <algorithm>

#include "schema/rules.h"
#include "schema/views/core.h"
#include "schema/views/meta.h"

namespace tetrarch::schema {

void check_label_requirement(Problems& problems, const Site& site) {
  const views::LabelSelectorRequirementView requirement{site.fresh};
  const auto op = requirement.operator_();
  if (op == "In" || op == "NotIn") {
    if (requirement.values().empty()) {
      problems.required(site.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!requirement.values().empty()) {
      problems.forbidden(site.at("values"),
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (!op.empty()) {
    problems.invalid(site.at("operator"), op, "not a valid selector operator");
  }
}

void check_node_requirement(Problems& problems, const Site& site) {
  const views::NodeSelectorRequirementView requirement{site.fresh};
  const auto op = requirement.operator_();
  const auto count = requirement.values().size();
  if (op == "In" || op == "NotIn") {
    if (count == 0) {
      problems.required(site.at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (count != 0) {
      problems.forbidden(site.at("values"),
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (op == "Gt" || op == "Lt") {
    if (count != 1) {
      problems.required(site.at("values"),
                        "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  } else if (!op.empty()) {
    problems.invalid(site.at("operator"), op, "not a valid selector operator");
  }
}

void check_toleration(Problems& problems, const Site& site) {
  const views::TolerationView toleration{site.fresh};
  const auto op = toleration.operator_();
  if (toleration.key().empty() && op != "Exists") {
    problems.invalid(site.at("operator"),
                     op,
                     "operator must be Exists when `key` is empty, which means \"match all values "
                     "and all keys\"");
  }
  if (toleration.has_toleration_seconds() && toleration.effect() != "NoExecute") {
    problems.invalid(site.at("effect"),
                     toleration.effect(),
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
  if (op == "Exists" && !toleration.value().empty()) {
    problems.invalid(
        site.at("operator"), toleration.value(), "value must be empty when `operator` is 'Exists'");
  }
}

}  // namespace tetrarch::schema
