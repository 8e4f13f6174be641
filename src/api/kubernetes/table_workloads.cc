// SPDX-License-Identifier: Apache-2.0
// The columns that workloads share: what their pod template names, and whom they select.
// Seen: kubectl get deploy,rs,controllerrevisions -o wide, 1.20 to 1.35.
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

Cell of_containers(const Stored& workload, std::string_view field) {
  std::string out;
  for (const auto container : workload.root().find("spec.template.spec.containers").elements()) {
    append(out, container[field].string());
  }
  return text_cell(out);
}

Cell containers_cell(const Stored& workload, TimePoint /*now*/) {
  return of_containers(workload, "name");
}

Cell images_cell(const Stored& workload, TimePoint /*now*/) {
  return of_containers(workload, "image");
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
Cell selector_cell(const Stored& object, TimePoint /*now*/) {
  const auto selector = object.root()["spec"]["selector"];
  const auto labels = selector["matchLabels"];
  const bool is_structured = labels.exists() || selector["matchExpressions"].exists();
  std::string out;
  for (const auto& [key, value] : (is_structured ? labels : selector).members()) {
    append(out, fmt::format("{}={}", key, value.string()));
  }
  for (const auto expression : selector["matchExpressions"].elements()) {
    append(out, expression_text(expression));
  }
  return text_cell(out.empty() ? "<none>" : out);
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
    {"containers", containers_cell},
    {"images", images_cell},
    {"selector", selector_cell},
    {"controller", controller_cell},
};

}  // namespace

std::span<const Computed> workload_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
