// SPDX-License-Identifier: Apache-2.0
// Planner: eviction, a delete that asks the pod's disruption budget first. What the budget allows
// is taken in the commit that ends the pod, so parallel evictions cannot take more than there is.
// Source: kube-apiserver, pods/eviction (1.35): which pods are free to go, the sentences and
// causes.
#include <utility>

#include <fmt/format.h>

#include "object/selector.h"
#include "registry/planner.h"

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

constexpr std::string_view kBudgets = "poddisruptionbudgets.policy";
constexpr std::string_view kQualified = "poddisruptionbudget.policy";
/// Evictions that the controller has not seen end yet; past that something is wrong with it.
constexpr std::size_t kDisruptedMax = 2000;
constexpr int kRetrySeconds = 10;

/// Nothing is lost with such a pod: it ends already, or does not serve yet.
bool needs_no_budget(View pod) {
  const auto phase = pod.find("status.phase").string();
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" ||
         pod["metadata"]["deletionTimestamp"].exists();
}

std::string_view condition_status(View conditions, std::string_view type) {
  for (const View each : conditions.elements()) {
    if (each["type"].string() == type) {
      return each["status"].string();
    }
  }
  return {};
}

Error refused(std::string cause, int retry_s = 0) {
  Error out{Code::exhausted, "Cannot evict pod as it would violate the pod's disruption budget."};
  out.fields.push_back({"DisruptionBudget", std::move(cause), ""});
  out.retry_after_s = retry_s;
  return out;
}

/// The budget that protects the pod; nothing: none does.
Result<std::optional<Stored>> budget_of(const store::Snapshot& snapshot, const Stored& pod) {
  std::optional<Stored> out;
  std::size_t count = 0;
  snapshot.scan(kBudgets, pod.key.ns, {}, [&](const Stored& each) {
    const auto selector = object::LabelSelector::from_object(each.root()["spec"]["selector"]);
    if (selector.ok() && selector->matches(pod.metadata()["labels"])) {
      ++count;
      out = each;
    }
    return true;
  });
  if (count > 1) {
    return Error{Code::internal,
                 "This pod has more than one PodDisruptionBudget, which the eviction subresource "
                 "does not support."};
  }
  return out;
}

/// A pod that is not ready counts as missing already.
bool spares_unhealthy(const Stored& budget, const Stored& pod) {
  if (condition_status(pod.root().find("status.conditions"), "Ready") == "True") {
    return false;
  }
  const View status = budget.root()["status"];
  const auto desired = status["desiredHealthy"].integer();
  return budget.root().find("spec.unhealthyPodEvictionPolicy").string() == "AlwaysAllow" ||
         (status["currentHealthy"].integer() >= desired && desired > 0);
}

Status check_allows(const Stored& budget) {
  const View status = budget.root()["status"];
  const auto& name = budget.key.name;
  if (status["observedGeneration"].integer() < budget.metadata()["generation"].integer()) {
    return refused(
        fmt::format("The disruption budget {} is still being processed by the server.", name),
        kRetrySeconds);
  }
  if (status["disruptedPods"].size() > kDisruptedMax) {
    return forbidden(kQualified,
                     name,
                     "DisruptedPods map too big - too many evictions not confirmed by PDB "
                     "controller");
  }
  if (status["disruptionsAllowed"].integer() > 0) {
    return ok();
  }
  for (const View each : status["conditions"].elements()) {
    if (each["type"].string() == "DisruptionAllowed" && each["reason"].string() == "SyncFailed") {
      return refused(fmt::format(
          "The disruption budget {} does not allow evicting pods currently because it failed "
          "sync: {}",
          name,
          each["message"].string()));
    }
  }
  return refused(fmt::format("The disruption budget {} needs {} healthy pods and has {} currently",
                             name,
                             status["desiredHealthy"].integer(),
                             status["currentHealthy"].integer()));
}

std::string without_allowance(View condition, const std::string& now) {
  Overlay change;
  change.member("status").replace(quoted("False"));
  change.member("reason").replace(quoted("InsufficientPods"));
  change.member("lastTransitionTime").replace(quoted(now));
  std::string json;
  Writer out(json);
  change.write(out, condition);
  return json;
}

/// The budget with one disruption less, and the pod noted as one that will go.
DocumentPtr taken_from(const Stored& budget, const Stored& pod, const std::string& now) {
  const View status = budget.root()["status"];
  const auto left = status["disruptionsAllowed"].integer() - 1;
  Overlay change;
  auto& fields = change.member("status");
  fields.member("disruptionsAllowed").replace(std::to_string(left));
  fields.member("disruptedPods").member(pod.key.name).replace(quoted(now));
  std::size_t place = 0;
  for (const View each : status["conditions"].elements()) {
    if (left == 0 && each["type"].string() == "DisruptionAllowed") {
      fields.member("conditions").element(place).replace(without_allowance(each, now));
    }
    ++place;
  }
  std::string json;
  Writer out(json);
  change.write(out, budget.root());
  return Document::from_canonical(std::move(json));
}

/// Why the pod goes, for whoever counts failures.
std::string told_conditions(View conditions, const std::string& now) {
  std::string out;
  Writer writer(out);
  writer.begin_array();
  for (const View each : conditions.elements()) {
    if (each["type"].string() != "DisruptionTarget") {
      writer.view(each);
    }
  }
  writer.begin_object().field("lastTransitionTime", now);
  writer.field("message", "Eviction API: evicting").field("reason", "EvictionByEvictionAPI");
  writer.field("status", "True").field("type", "DisruptionTarget").end_object().end_array();
  return out;
}

}  // namespace

Result<Plan> Planner::evict(const Call& call, const client::DeleteOptions& options) const {
  const auto snapshot = here_.store.snapshot();
  TRY(const auto pod, existing(call, snapshot));
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  if (!needs_no_budget(pod.root())) {
    TRY(const auto budget, budget_of(snapshot, pod));
    if (budget && !spares_unhealthy(*budget, pod)) {
      TRY_STATUS(check_allows(*budget));
      write.transaction.compares.push_back({budget->key, budget->revision});
      write.transaction.mutations.push_back({budget->key, taken_from(*budget, pod, write.now)});
    }
  }
  Draft draft(storage(*call.kind), pod.document);
  if (!pod.metadata()["deletionTimestamp"]) {
    draft.set("status.conditions",
              told_conditions(pod.root().find("status.conditions"), write.now));
  }
  return end(write, pod, draft, options);
}

}  // namespace tetrarch::registry
