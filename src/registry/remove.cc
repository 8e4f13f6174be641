// SPDX-License-Identifier: Apache-2.0
// Planner: deletion. An object goes at once, or is marked with a deletionTimestamp while its grace
// runs or finalizers are left.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "registry/planner.h"

namespace tetrarch::registry {

using object::View;

namespace {

// Source: Kubernetes documentation, "Garbage Collection", finalizers of foreground deletion and of
// orphaning.
constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";

Status check_preconditions(const Call& call,
                           const Stored& old,
                           const client::DeleteOptions& options) {
  // Source: the texts of a 1.35 server, which name the kind here and not the resource.
  const auto kind = qualified_kind(*call.kind);
  if (!options.expected_uid.empty() && options.expected_uid != old.uid()) {
    return conflict(
        kind,
        call.name,
        fmt::format("the UID in the precondition ({}) does not match the UID in record ({}). The "
                    "object might have been deleted and then recreated",
                    options.expected_uid,
                    old.uid()));
  }
  if (options.expected.number != 0 && options.expected != old.revision) {
    return conflict(
        kind,
        call.name,
        fmt::format("the ResourceVersion in the precondition ({}) does not match "
                    "the ResourceVersion in record ({}). The object might have been modified",
                    options.expected.number,
                    old.revision.number));
  }
  return ok();
}

void set_finalizer(std::vector<std::string>& finalizers, std::string_view name, bool is_wanted) {
  const auto at = std::find(finalizers.begin(), finalizers.end(), name);
  if (is_wanted && at == finalizers.end()) {
    finalizers.emplace_back(name);
  } else if (!is_wanted && at != finalizers.end()) {
    finalizers.erase(at);
  }
}

/// A stated policy replaces what an earlier call chose.
void apply_propagation(client::Propagation policy, std::vector<std::string>& finalizers) {
  if (policy == client::Propagation::unset) {
    return;
  }
  set_finalizer(finalizers, kOrphan, policy == client::Propagation::orphan);
  set_finalizer(finalizers, kForeground, policy == client::Propagation::foreground);
}

/// What the caller said, what an earlier call chose, or what the kind does by itself.
client::Propagation propagation_of(const Write& write,
                                   const Strategy& strategy,
                                   const client::DeleteOptions& options,
                                   const Meta& meta) {
  const auto has = [&](std::string_view finalizer) {
    return std::find(meta.finalizers.begin(), meta.finalizers.end(), finalizer) !=
           meta.finalizers.end();
  };
  const bool is_open = options.propagation == client::Propagation::unset &&
                       strategy.orphans_by_default && !has(kForeground) && !has(kOrphan);
  if (!is_open) {
    return options.propagation;
  }
  if (!strategy.orphan_warning.empty()) {
    write.warn(std::string(strategy.orphan_warning));
  }
  return client::Propagation::orphan;
}

/// The seconds left to it, or nothing where the running grace stays as it is.
std::optional<std::int64_t> grace_to_set(const Strategy& strategy,
                                         const Stored& old,
                                         const Meta& meta,
                                         std::optional<std::int64_t> asked) {
  if (strategy.grace == nullptr) {
    return 0;
  }
  if (meta.deleted.empty()) {
    return strategy.grace(old.root(), asked);
  }
  const auto running = meta.grace_s.value_or(0);
  if (!asked) {
    return running == 0 ? std::optional<std::int64_t>(0) : std::nullopt;
  }
  const auto wanted = *asked < 0 ? 1 : *asked;
  return wanted < running || wanted == 0 ? std::optional(wanted) : std::nullopt;
}

/// A shortened grace counts from the first call.
std::string end_time(const Meta& meta, TimePoint now, std::int64_t grace_s) {
  if (!meta.deleted.empty()) {
    if (const auto first = parse_time(meta.deleted); first.ok()) {
      return format_time(*first + std::chrono::seconds(grace_s - meta.grace_s.value_or(0)));
    }
  }
  return format_time(now + std::chrono::seconds(grace_s));
}

}  // namespace

Result<Plan> Planner::remove(const Call& call, const client::DeleteOptions& options) const {
  const auto snapshot = here_.store.snapshot();
  TRY(const auto old, existing(call, snapshot));
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  Draft draft(storage(*call.kind), old.document);
  return end(write, old, draft, options);
}

Result<Plan> Planner::end(Write& write,
                          const Stored& old,
                          Draft& draft,
                          const client::DeleteOptions& options) const {
  const auto& call = write.call;
  TRY_STATUS(check_preconditions(call, old, options));
  const auto& strategy = this->strategy(*call.kind);
  if (strategy.on_remove != nullptr) {
    TRY_STATUS(strategy.on_remove(write, old.root()));
  }
  Plan plan;
  const bool was_ending = !draft.meta.deleted.empty();
  const auto finalizers_before = draft.meta.finalizers;
  apply_propagation(propagation_of(write, strategy, options, draft.meta), draft.meta.finalizers);
  const auto grace = grace_to_set(strategy, old, draft.meta, options.grace_seconds);
  const bool is_held = !draft.meta.finalizers.empty() || draft.find("spec.finalizers").size() > 0;
  if (grace == 0 && !is_held) {
    plan = plan_erase(write, old);
  } else {
    const bool is_shortened = grace && (!was_ending || *grace != draft.meta.grace_s.value_or(0));
    if (is_shortened) {
      draft.meta.deleted = end_time(draft.meta, here_.clock.now(), *grace);
      draft.meta.grace_s = *grace;
    }
    if (!was_ending) {
      draft.meta.generation += draft.meta.generation > 0 ? 1 : 0;
      if (strategy.on_end != nullptr) {
        strategy.on_end(draft);
      }
    }
    if (is_shortened || draft.meta.finalizers != finalizers_before) {
      plan = plan_put(write, old, draft.finish());
    } else {
      plan.settled = old;
    }
  }
  if (call.is_dry_run || options.is_dry_run) {
    plan.transaction = {};
  }
  return plan;
}

}  // namespace tetrarch::registry
