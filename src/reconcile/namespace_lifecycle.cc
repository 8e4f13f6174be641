// SPDX-License-Identifier: Apache-2.0
#include "reconcile/namespace_lifecycle.h"

#include <map>

#include <fmt/format.h>

#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kFinalizer = "kubernetes";
constexpr std::size_t kRemovalsMost = 500;
constexpr seconds kAgain{5};

bool holds_finalizer(const Stored& ns) {
  for (const auto each : ns.root()["spec"]["finalizers"].elements()) {
    if (each.string() == kFinalizer) {
      return true;
    }
  }
  return false;
}

/// What is left in a namespace.
struct Content {
  std::map<std::string, std::size_t> resources;   // how many of each
  std::map<std::string, std::size_t> finalizers;  // how many objects each holds
};

std::string join(const std::map<std::string, std::size_t>& counts, std::string_view infix) {
  std::string out;
  for (const auto& [name, count] : counts) {
    out += fmt::format("{}{}{}{} resource instances", out.empty() ? "" : ", ", name, infix, count);
  }
  return out;
}

class NamespaceLifecycle final : public Controller {
 public:
  explicit NamespaceLifecycle(std::vector<std::string> namespaced)
      : namespaced_(std::move(namespaced)) {}

  std::string_view name() const override { return "namespace"; }

  std::vector<Watching> watches() const override {
    return {{"namespaces", own_key()},
            {"*", [](const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
               const auto& ns = change.any().key.ns;
               const auto* stored = ns.empty() ? nullptr : seen.get("namespaces", "", ns);
               if (stored != nullptr && is_terminating(*stored)) {
                 keys.push_back(stored->key);
               }
             }}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr || !is_terminating(*stored) || !holds_finalizer(*stored)) {
      return plan;
    }
    const auto left = empty(asked, &plan);
    if (left.resources.empty()) {
      plan.changes.push_back(finalization(*stored));
    } else {
      report(*stored, left, asked.now, &plan);
      plan.look_again_at(asked.now + kAgain);
    }
    return plan;
  }

 private:
  Content empty(const Question& asked, Plan* plan) const {
    Content left;
    for (const auto& resource : namespaced_) {
      for (const auto* object : asked.seen.list(resource, asked.key.name)) {
        ++left.resources[resource];
        for (const auto finalizer : object->metadata()["finalizers"].elements()) {
          ++left.finalizers[std::string(finalizer.string())];
        }
        if (!is_terminating(*object) && plan->changes.size() < kRemovalsMost) {
          auto removal = removal_of(*object);
          removal.propagation = Propagation::background;
          plan->changes.push_back(std::move(removal));
        }
      }
    }
    return left;
  }

  /// Only when the server itself says that nothing is left: something may have been made just
  /// before the end began.
  Change finalization(const Stored& ns) const {
    Edit edit(ns);
    TreeArray kept;
    for (const auto& each : Edit::array_in(edit.spec(), "finalizers")) {
      if (each.as_string() != kFinalizer) {
        kept.push_back(each);
      }
    }
    edit.spec()["finalizers"] = std::move(kept);
    auto change = update_of(ns, edit.document(), "finalize");
    for (const auto& resource : namespaced_) {
      change.confirm_absent.push_back({.key = Key{resource, ns.key.name, ""}, .uid = ""});
    }
    return change;
  }

  // Source: Kubernetes API reference, NamespaceConditionType; reasons as kubectl describe shows
  // them.
  static void report(const Stored& ns, const Content& left, TimePoint now, Plan* plan) {
    auto status = object::to_tree(ns.root()["status"]);
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    auto& conditions = Edit::array_in(fields, "conditions");
    set_condition(conditions,
                  {.type = "NamespaceContentRemaining",
                   .status = "True",
                   .reason = "SomeResourcesRemain",
                   .message = "Some resources are remaining: " + join(left.resources, ". has ")},
                  now);
    const bool is_held = !left.finalizers.empty();
    set_condition(conditions,
                  {.type = "NamespaceFinalizersRemaining",
                   .status = is_held ? "True" : "False",
                   .reason = is_held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
                   .message = is_held ? "Some content in the namespace has finalizers remaining: " +
                                            join(left.finalizers, " in ")
                                      : "All content-preserving finalizers finished"},
                  now);
    if (!same_meaning(ns.root()["status"], status)) {
      plan->changes.push_back(update_of(ns, with_status(ns, std::move(status)), "status"));
    }
  }

  const std::vector<std::string> namespaced_;
};

}  // namespace

std::unique_ptr<Controller> namespace_lifecycle_controller(std::vector<std::string> namespaced) {
  return std::make_unique<NamespaceLifecycle>(std::move(namespaced));
}

}  // namespace tetrarch::reconcile
