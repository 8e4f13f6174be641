// SPDX-License-Identifier: Apache-2.0
// Deployments, ReplicaSets and their kin, ControllerRevisions.
#include <charconv>

#include <fmt/format.h>

#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

void check_revision(View fresh, View old, FieldErrors& faults) {
  if (old.exists() && !fresh["data"].same_as(old["data"])) {
    faults.push_back(invalid_value("data", fresh["data"].raw(), "field is immutable"));
  }
}

// Source: Kubernetes API reference, well-known annotations: counts the templates of a daemon set.
constexpr std::string_view kTemplateGeneration = "deprecated.daemonset.template.generation";

void set_template_generation(Draft& draft, std::int64_t generation) {
  draft.meta.annotations = with_member(
      draft.meta.annotations, kTemplateGeneration, quoted(fmt::format("{}", generation)));
}

Status on_create_daemon_set(Write& /*write*/, Draft& draft) {
  set_template_generation(draft, 1);
  return ok();
}

Status on_update_daemon_set(Write& /*write*/, View old, Draft& draft) {
  const auto text = old["metadata"]["annotations"][kTemplateGeneration].string();
  std::int64_t generation = 0;
  std::from_chars(text.data(), text.data() + text.size(), generation);
  const bool is_new = !draft.find("spec.template").same_as(old.find("spec.template"));
  set_template_generation(draft, generation + (is_new ? 1 : 0));
  return ok();
}

}  // namespace

Strategy deployments_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  return out;
}

Strategy replica_sets_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.fields = {{"status.replicas", "", "0"}};
  return out;
}

/// Source: Kubernetes documentation, "Garbage Collection": the oldest of these kinds kept its pods
/// when it was deleted, and still does where the caller says nothing.
Strategy replication_controllers_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.orphans_by_default = true;
  out.fields = {{"status.replicas", "", "0"}};
  return out;
}

Strategy daemon_sets_strategy() {
  Strategy out;
  out.has_status = true;
  out.counts_generation = true;
  out.on_create = &on_create_daemon_set;
  out.on_update = &on_update_daemon_set;
  return out;
}

Strategy controller_revisions_strategy() {
  Strategy out;
  out.check = &check_revision;
  return out;
}

}  // namespace tetrarch::registry
