// SPDX-License-Identifier: Apache-2.0
#include "schema/workload_checks.h"

#include <algorithm>
#include <charconv>

#include "object/selector.h"
#include "schema/formats.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

using object::View;

void complain_of_labels(Problems& problems, const Site& spec) {
  const auto labels = spec.fresh.find("template.metadata.labels");
  const auto document = Document::from_canonical("{}");
  problems.invalid(spec.at("template.metadata.labels"),
                   labels ? labels : document->root(),
                   "`selector` does not match template `labels`");
}

void check_selector_matches(Problems& problems, const Site& spec) {
  const auto parsed = object::LabelSelector::from_object(spec.fresh["selector"]);
  if (!parsed.ok()) {
    return;  // its requirements are refused one by one
  }
  if (!parsed->matches(spec.fresh.find("template.metadata.labels"))) {
    complain_of_labels(problems, spec);
  }
}

void check_selector(Problems& problems, const Site& spec, std::string_view owner) {
  const auto selector = spec.fresh["selector"];
  if (!selector) {
    return;
  }
  if (selector["matchLabels"].size() + selector["matchExpressions"].size() == 0) {
    problems.invalid(
        spec.at("selector"), selector, std::string{"empty selector is invalid for "}.append(owner));
    return;
  }
  check_selector_matches(problems, spec);
}

void check_lasting_template(Problems& problems, const Site& spec, std::string_view owner) {
  const views::PodTemplateSpecView pod{spec.fresh["template"]};
  const auto policy = pod.spec().restart_policy();
  if (!policy.empty() && policy != "Always") {
    problems.not_supported(spec.at("template.spec.restartPolicy"), policy, {"Always"});
  }
  if (pod.spec().has_active_deadline_seconds()) {
    problems.forbidden(spec.at("template.spec.activeDeadlineSeconds"),
                       "activeDeadlineSeconds in " + std::string{owner} + " is not Supported");
  }
}

std::int64_t percent_of(View value) {
  const auto text = value.string();
  std::int64_t number = -1;
  if (text.ends_with('%')) {
    std::from_chars(text.data(), text.data() + text.size() - 1, number);
  }
  return number;
}

void check_share(Problems& problems, const std::string& path, View value) {
  if (value.is_string()) {
    problems.invalid_each(path, value.string(), percent_faults(value.string()));
  } else if (value.is_number() && value.integer() < 0) {
    problems.invalid(path, value, "must be greater than or equal to 0");
  }
}

void check_at_most_all(Problems& problems, const std::string& path, View value) {
  if (percent_of(value) > 100) {
    problems.invalid(path, value, "must not be greater than 100%");
  }
}

bool is_zero_share(View value) {
  return value.is_string() ? percent_of(value) == 0 : value.integer() == 0;
}

bool same_but(View fresh, View old, const std::vector<std::string_view>& except) {
  const auto is_excepted = [&](std::string_view key) {
    return std::find(except.begin(), except.end(), key) != except.end();
  };
  for (const auto member : fresh.members()) {
    if (!is_excepted(member.key) && !member.value.same_as(old[member.key])) {
      return false;
    }
  }
  for (const auto member : old.members()) {
    if (!is_excepted(member.key) && !fresh[member.key].exists()) {
      return false;
    }
  }
  return true;
}

}  // namespace tetrarch::schema
