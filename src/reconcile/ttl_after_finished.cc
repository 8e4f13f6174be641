// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Automatic Cleanup for Finished Jobs".
#include "reconcile/job.h"
#include "reconcile/pod_state.h"
#include "schema/views/batch.h"

namespace tetrarch::reconcile {

namespace {

/// When it completed or failed.
TimePoint finished_at(const Stored& job) {
  for (const auto condition : views::JobStatusView(job.root()["status"]).conditions()) {
    const bool is_end = condition.type() == "Complete" || condition.type() == "Failed";
    if (is_end && condition.status() == "True") {
      return parse_time(condition.last_transition_time()).value_or(created_at(job));
    }
  }
  return created_at(job);
}

class TtlAfterFinished final : public Controller {
 public:
  std::string_view name() const override { return "ttl-after-finished"; }

  std::vector<Watching> watches() const override { return {{"jobs.batch", own_key()}}; }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* job = asked.seen.get(asked.key);
    if (job == nullptr || is_terminating(*job) || !is_job_finished(*job)) {
      return plan;
    }
    const views::JobSpecView spec(job->root()["spec"]);
    if (!spec.has_ttl_seconds_after_finished()) {
      return plan;
    }
    const auto end = finished_at(*job) + std::chrono::seconds(spec.ttl_seconds_after_finished());
    if (end > asked.now) {
      plan.look_again_at(end);
      return plan;
    }
    auto removal = removal_of(*job);
    removal.expected = job->revision;  // its time to live may have been changed
    removal.propagation = Propagation::foreground;
    plan.changes.push_back(std::move(removal));
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> ttl_after_finished_controller() {
  return std::make_unique<TtlAfterFinished>();
}

}  // namespace tetrarch::reconcile
