// SPDX-License-Identifier: Apache-2.0
#include "reconcile/namespace_lifecycle.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

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
constexpr std::string_view kPods = "pods";
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

// Source: Kubernetes pkg/controller/namespace/deletion, status_condition_utils.go (1.31): types in
// this order, reasons and messages where all is well.
struct Verdict {
  std::string_view type;
  std::string_view reason;
  std::string_view message;
};

constexpr std::string_view kContentFailure = "NamespaceDeletionContentFailure";
constexpr std::string_view kContentRemaining = "NamespaceContentRemaining";
constexpr std::string_view kFinalizersRemaining = "NamespaceFinalizersRemaining";
// Discovery and parsing cannot fail here: the kinds are known from the start.
constexpr std::array<Verdict, 5> kAllIsWell = {{
    {"NamespaceDeletionDiscoveryFailure",
     "ResourcesDiscovered",
     "All resources successfully discovered"},
    {"NamespaceDeletionGroupVersionParsingFailure",
     "ParsedGroupVersions",
     "All legacy kube types successfully parsed"},
    {kContentFailure,
     "ContentDeleted",
     "All content successfully deleted, may be waiting on finalization"},
    {kContentRemaining, "ContentRemoved", "All content successfully removed"},
    {kFinalizersRemaining, "ContentHasNoFinalizers", "All content-preserving finalizers finished"},
}};

/// "pods. has 3 resource instances, replicasets.apps has 1 resource instances": the dot stands
/// between resource and group also where the group is empty.
std::string resources_text(const std::map<std::string, std::size_t>& counts) {
  std::vector<std::string> out;
  for (const auto& [name, count] : counts) {
    const bool is_core = name.find('.') == std::string::npos;
    out.push_back(fmt::format("{}{} has {} resource instances", name, is_core ? "." : "", count));
  }
  std::sort(out.begin(), out.end());
  return fmt::format("{}", fmt::join(out, ", "));
}

std::string finalizers_text(const std::map<std::string, std::size_t>& counts) {
  std::vector<std::string> out;
  for (const auto& [name, count] : counts) {
    out.push_back(fmt::format("{} in {} resource instances", name, count));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

/// The condition as it is where something is amiss; empty: all is well.
std::optional<Condition> trouble(std::string_view type,
                                 const Content& left,
                                 std::string_view last_failure) {
  const auto of = [&](std::string_view reason, std::string message) {
    return Condition{.type = std::string(type),
                     .status = "True",
                     .reason = std::string(reason),
                     .message = std::move(message)};
  };
  if (type == kContentFailure && !last_failure.empty()) {
    return of("ContentDeletionFailed",
              fmt::format("Failed to delete all resource types, {} remaining: {}",
                          left.resources.size(),
                          last_failure));
  }
  if (type == kContentRemaining && !left.resources.empty()) {
    return of("SomeResourcesRemain",
              "Some resources are remaining: " + resources_text(left.resources));
  }
  if (type == kFinalizersRemaining && !left.finalizers.empty()) {
    return of("SomeFinalizersRemain",
              "Some content in the namespace has finalizers remaining: " +
                  finalizers_text(left.finalizers));
  }
  return std::nullopt;
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
      report(*stored, left, asked, &plan);
      plan.look_again_at(asked.now + kAgain);
    }
    return plan;
  }

 private:
  Content empty(const Question& asked, Plan* plan) const {
    Content left;
    // Pods first: what they use (secrets, policies, services) lasts as long as they run.
    // Source: KEP-5080, ordered namespace deletion.
    const bool has_pods = !asked.seen.list(kPods, asked.key.name).empty();
    for (const auto& resource : namespaced_) {
      if (has_pods && resource != kPods) {
        continue;
      }
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

  static void report(const Stored& ns, const Content& left, const Question& asked, Plan* plan) {
    auto status = object::to_tree(ns.root()["status"]);
    auto& fields = status.is_object() ? status.get_object() : status.emplace_object();
    auto& conditions = Edit::array_in(fields, "conditions");
    for (const auto& well : kAllIsWell) {
      const Condition fine{.type = std::string(well.type),
                           .status = "False",
                           .reason = std::string(well.reason),
                           .message = std::string(well.message)};
      const auto wanted = trouble(well.type, left, asked.last_failure).value_or(fine);
      set_condition(conditions, wanted, asked.now);
    }
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
