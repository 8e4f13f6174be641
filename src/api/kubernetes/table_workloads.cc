// SPDX-License-Identifier: Apache-2.0
// The columns that workloads share: what their pod template names, and whom they select.
// Seen: kubectl get deploy,rs,ds,sts,controllerrevisions -o wide, 1.20 to 1.35.
#include <cctype>

#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

void append(std::string& out, std::string_view text) {
  out += out.empty() ? "" : ",";
  out += text;
}

/// Where a kind keeps its pod template.
constexpr std::string_view kInSpec = "spec.template";
constexpr std::string_view kInJobTemplate = "spec.jobTemplate.spec.template";
constexpr std::string_view kAtTop = "template";

struct TemplatePlace {
  std::string_view path;
  std::string_view field;
};

Cell of_containers(const Stored& workload, TemplatePlace place) {
  std::string out;
  const auto pod = workload.root().find(place.path)["spec"];
  for (const auto container : pod["containers"].elements()) {
    append(out, container[place.field].string());
  }
  return text_cell(out);
}

template <const std::string_view& kPlace>
Cell containers_cell(const Stored& workload, TimePoint /*now*/) {
  return of_containers(workload, {kPlace, "name"});
}

template <const std::string_view& kPlace>
Cell images_cell(const Stored& workload, TimePoint /*now*/) {
  return of_containers(workload, {kPlace, "image"});
}

/// a=b,c=d
std::string labels_text(View labels) {
  std::string out;
  for (const auto& [key, value] : labels.members()) {
    append(out, fmt::format("{}={}", key, value.string()));
  }
  return out;
}

std::string or_none(const std::string& text) {
  return text.empty() ? "<none>" : text;
}

std::string expression_text(View expression) {
  const auto key = expression["key"].string();
  const auto op = expression["operator"].string();
  if (op == "Exists") {
    return std::string(key);
  }
  if (op == "DoesNotExist") {
    return "!" + std::string(key);
  }
  std::string values;
  for (const auto value : expression["values"].elements()) {
    append(values, value.string());
  }
  return fmt::format("{} {} ({})", key, op == "In" ? "in" : "notin", values);
}

/// A label selector, or the plain map of a Service.
std::string selector_text(View selector) {
  const auto labels = selector["matchLabels"];
  const bool is_structured = labels.exists() || selector["matchExpressions"].exists();
  auto out = labels_text(is_structured ? labels : selector);
  for (const auto expression : selector["matchExpressions"].elements()) {
    append(out, expression_text(expression));
  }
  return or_none(out);
}

Cell selector_cell(const Stored& object, TimePoint /*now*/) {
  return text_cell(selector_text(object.root()["spec"]["selector"]));
}

Cell pod_selector_cell(const Stored& policy, TimePoint /*now*/) {
  return text_cell(selector_text(policy.root()["spec"]["podSelector"]));
}

Cell cron_job_selector_cell(const Stored& object, TimePoint /*now*/) {
  return text_cell(selector_text(object.root().find("spec.jobTemplate.spec.selector")));
}

Cell node_selector_cell(const Stored& object, TimePoint /*now*/) {
  return text_cell(or_none(labels_text(object.root().find("spec.template.spec.nodeSelector"))));
}

Cell template_labels_cell(const Stored& object, TimePoint /*now*/) {
  return text_cell(or_none(labels_text(object.root().find("template.metadata.labels"))));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

/// `deployment.apps/web`
Cell controller_cell(const Stored& object, TimePoint /*now*/) {
  for (const auto owner : object.metadata()["ownerReferences"].elements()) {
    if (owner["controller"].boolean()) {
      const auto version = owner["apiVersion"].string();
      const auto slash = version.find('/');
      const auto group =
          slash == std::string_view::npos ? "" : "." + std::string(version.substr(0, slash));
      return text_cell(lower(owner["kind"].string()) + group + "/" +
                       std::string(owner["name"].string()));
    }
  }
  return text_cell("<none>");
}

constexpr Computed kColumns[] = {
    {"containers", containers_cell<kInSpec>},
    {"images", images_cell<kInSpec>},
    {"cronjob-containers", containers_cell<kInJobTemplate>},
    {"cronjob-images", images_cell<kInJobTemplate>},
    {"cronjob-selector", cron_job_selector_cell},
    {"template-containers", containers_cell<kAtTop>},
    {"template-images", images_cell<kAtTop>},
    {"template-labels", template_labels_cell},
    {"node-selector", node_selector_cell},
    {"pod-selector", pod_selector_cell},
    {"selector", selector_cell},
    {"controller", controller_cell},
};

}  // namespace

std::span<const Computed> workload_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
