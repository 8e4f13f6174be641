// SPDX-License-Identifier: Apache-2.0
#include "reconcile/job_create.h"

#include <algorithm>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/children.h"
#include "reconcile/edit.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

// Source: Kubernetes documentation, "Jobs", completion mode: how a container learns its index.
constexpr std::string_view kIndexVariable = "JOB_COMPLETION_INDEX";

void add_variable(TreeObject& container) {
  auto& env = Edit::array_in(container, "env");
  const bool has_own = std::any_of(env.begin(), env.end(), [](const object::Tree& each) {
    return each.is_object() && each.get_object().contains("name") &&
           each.at("name").as_string() == kIndexVariable;
  });
  if (!has_own) {
    env.emplace_back(TreeObject{
        {"name", kIndexVariable},
        {"valueFrom",
         TreeObject{{"fieldRef",
                     TreeObject{{"apiVersion", "v1"},
                                {"fieldPath",
                                 fmt::format("metadata.labels['{}']", kCompletionIndex)}}}}}});
  }
}

void add_index(TreeObject& pod, const Stored& job, std::int64_t index) {
  auto& metadata = Edit::object_in(pod, "metadata");
  metadata["generateName"] = fmt::format("{}-{}-", job.key.name, index);
  for (const auto map : {"annotations", "labels"}) {
    Edit::object_in(metadata, map)[kCompletionIndex] = fmt::format("{}", index);
  }
  auto& spec = Edit::object_in(pod, "spec");
  spec["hostname"] = fmt::format("{}-{}", job.key.name, index);
  for (const auto list : {"containers", "initContainers"}) {
    if (!spec.contains(list)) {
      continue;
    }
    for (auto& container : Edit::array_in(spec, list)) {
      if (container.is_object()) {
        add_variable(container.get_object());
      }
    }
  }
}

void add_tracking(TreeObject& metadata) {
  auto& finalizers = Edit::array_in(metadata, "finalizers");
  if (std::find(finalizers.begin(), finalizers.end(), object::Tree(kJobTracking)) ==
      finalizers.end()) {
    finalizers.emplace_back(kJobTracking);
  }
}

}  // namespace

JobCreator::JobCreator(const Question& asked, const Stored& job, const JobPods& pods)
    : asked_(asked), job_(job), spec_(job.root()["spec"]), pods_(pods) {
  const bool has_indexes = is_indexed(spec_);
  for (const auto* pod : pods.all) {
    auto& last = last_slots_.try_emplace(has_indexes ? index_of(*pod) : -1, -1).first->second;
    last = std::max(last, slot_of(*pod));
  }
}

std::string JobCreator::name_for(std::int64_t index) {
  const auto prefix = index < 0 ? job_.key.name : fmt::format("{}-{}", job_.key.name, index);
  auto& slot = last_slots_.try_emplace(index, -1).first->second;
  std::string name;
  do {
    ++slot;
    name = child_name(prefix, fmt::format("{}/{}/{}", job_.uid(), index, slot));
  } while (asked_.seen.get("pods", job_.key.ns, name) != nullptr || !taken_.insert(name).second);
  return name;
}

Change JobCreator::creation(std::int64_t index) {
  auto pod = pod_from(job_, spec_.template_());
  auto& metadata = Edit::object_in(pod, "metadata");
  metadata["name"] = name_for(index);
  auto& annotations = Edit::object_in(metadata, "annotations");
  annotations[kSlot] = fmt::format("{}", last_slots_.at(index));
  if (index >= 0 && spec_.has_backoff_limit_per_index()) {
    const auto last = pods_.last_failed.find(index);
    const auto failures =
        failures_after(spec_, last == pods_.last_failed.end() ? nullptr : last->second);
    annotations[kIndexFailures] = fmt::format("{}", failures.counted);
    if (failures.ignored > 0) {
      annotations[kIndexIgnoredFailures] = fmt::format("{}", failures.ignored);
    }
  }
  add_tracking(metadata);
  if (index >= 0) {
    add_index(pod, job_, index);
  }
  return pod_creation(job_, pod);
}

}  // namespace tetrarch::reconcile
