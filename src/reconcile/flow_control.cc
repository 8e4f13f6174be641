// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "API Priority and Fairness", maintenance of the mandatory and
// suggested objects; kube-apiserver pkg/registry/flowcontrol/ensurer (1.35): when a spec is brought
// back, and what becomes of the annotation.
#include "reconcile/flow_control.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::View;

constexpr std::string_view kSchemas = "flowschemas.flowcontrol.apiserver.k8s.io";
constexpr std::string_view kLevels = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io";
constexpr std::string_view kKeeps = "apf.kubernetes.io/autoupdate-spec";

/// Source: Go's strconv.ParseBool. Nothing: it says neither.
std::optional<bool> said(View text) {
  constexpr auto kYes = std::to_array<std::string_view>({"1", "t", "T", "TRUE", "true", "True"});
  constexpr auto kNo = std::to_array<std::string_view>({"0", "f", "F", "FALSE", "false", "False"});
  if (std::find(kYes.begin(), kYes.end(), text.string()) != kYes.end()) {
    return true;
  }
  if (std::find(kNo.begin(), kNo.end(), text.string()) != kNo.end()) {
    return false;
  }
  return std::nullopt;
}

View annotation_of(const Stored& stored) {
  return stored.metadata()["annotations"][kKeeps];
}

std::string_view level_of(const Stored& schema) {
  return schema.root()["spec"]["priorityLevelConfiguration"]["name"].string();
}

/// The spec that the object should have. What the exempt level lends is its operator's to say.
object::Tree wanted_spec(const KeptFlow& kept, const Stored& stored) {
  auto spec = object::to_tree(kept.document->root()["spec"]);
  const auto exempt = stored.root()["spec"]["exempt"];
  if (spec.as_object().contains("exempt") && exempt) {
    spec.as_object()["exempt"] = object::to_tree(exempt);
  }
  return spec;
}

/// The change that keeps the object what it is to be; nothing where it is.
std::optional<Change> kept_as(const KeptFlow& kept, const Stored& stored) {
  const auto annotation = said(annotation_of(stored));
  const bool keeps =
      kept.is_mandatory || annotation.value_or(stored.metadata()["generation"].integer() == 1);
  auto spec = wanted_spec(kept, stored);
  const bool differs = keeps && !same_meaning(stored.root()["spec"], spec);
  if (!differs && annotation == keeps) {
    return std::nullopt;
  }
  Edit edit(stored);
  Edit::object_in(edit.metadata(), "annotations")[kKeeps] = keeps ? "true" : "false";
  if (differs) {
    edit.root()["spec"] = std::move(spec);
  }
  return update_of(stored, edit.document());
}

/// Source of the words: kube-apiserver pkg/util/flowcontrol, syncFlowSchemaStatus (1.35).
std::optional<Change> told_of_level(const Question& asked, const Stored& schema) {
  const auto level = level_of(schema);
  const bool is_there = asked.seen.get(kLevels, "", level) != nullptr;
  Edit edit(schema);
  set_condition(
      Edit::array_in(edit.status(), "conditions"),
      {.type = "Dangling",
       .status = is_there ? "False" : "True",
       .reason = is_there ? "Found" : "NotFound",
       .message = fmt::format("This FlowSchema references the PriorityLevelConfiguration object "
                              "named \"{}\" {}",
                              level,
                              is_there ? "and it exists" : "but there is no such object")},
      asked.now);
  if (same_meaning(schema.root()["status"], edit.root()["status"])) {
    return std::nullopt;
  }
  return update_of(schema, edit.document(), "status");
}

/// The schemas that belong to the level which has come or gone.
void schemas_of_level(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  if (change.before != nullptr && change.after != nullptr) {
    return;
  }
  for (const auto* schema : seen.list(kSchemas)) {
    if (level_of(*schema) == change.any().key.name) {
      keys.push_back(schema->key);
    }
  }
}

class FlowControl final : public Controller {
 public:
  explicit FlowControl(std::vector<KeptFlow> kept) : kept_(std::move(kept)) {}

  std::string_view name() const override { return "flow-control"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kSchemas), own_key()},
            {std::string(kLevels), own_key()},
            {std::string(kLevels), schemas_of_level}};
  }

  std::vector<Key> first_keys() const override {
    std::vector<Key> out;
    for (const auto& each : kept_) {
      out.push_back(each.key);
    }
    return out;
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* kept = kept_of(asked.key);
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr) {
      if (kept != nullptr) {
        plan.changes.push_back(
            {.verb = Change::Verb::create, .key = kept->key, .document = kept->document});
      }
      return plan;
    }
    if (is_terminating(*stored)) {
      return plan;
    }
    if (auto change = kept_or_cleared(kept, *stored)) {
      plan.changes.push_back(*std::move(change));
    } else if (stored->key.resource == kSchemas) {
      if (auto status = told_of_level(asked, *stored)) {
        plan.changes.push_back(*std::move(status));
      }
    }
    return plan;
  }

 private:
  const KeptFlow* kept_of(const Key& key) const {
    const auto at = std::find_if(
        kept_.begin(), kept_.end(), [&](const KeptFlow& each) { return each.key == key; });
    return at == kept_.end() ? nullptr : &*at;
  }

  /// What an earlier release began clusters with, and this one does not, goes.
  static std::optional<Change> kept_or_cleared(const KeptFlow* kept, const Stored& stored) {
    if (kept != nullptr) {
      return kept_as(*kept, stored);
    }
    return said(annotation_of(stored)) == true ? std::optional(removal_of(stored)) : std::nullopt;
  }

  const std::vector<KeptFlow> kept_;
};

}  // namespace

std::unique_ptr<Controller> flow_control_controller(std::vector<KeptFlow> kept) {
  return std::make_unique<FlowControl>(std::move(kept));
}

}  // namespace tetrarch::reconcile
