// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Jobs", and pkg/controller/job (1.34) for the order of what is
// judged first, the conditions and their sentences.
#include "reconcile/job.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "reconcile/children.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/job_create.h"
#include "reconcile/job_policy.h"
#include "reconcile/job_tally.h"
#include "reconcile/pod_ranking.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kResource = "jobs.batch";
// Source: Kubernetes API reference, JobSpec.managedBy.
constexpr std::string_view kOurselves = "kubernetes.io/job-controller";
// Source: kube-controller-manager, job controller MaxPodCreateDeletePerSync.
constexpr std::size_t kBurst = 500;

/// How a job ends.
struct End {
  bool is_success = false;
  std::string reason;
  std::string message;

  std::string_view interim() const { return is_success ? "SuccessCriteriaMet" : "FailureTarget"; }

  std::string_view final() const { return is_success ? "Complete" : "Failed"; }
};

const End kReached{true, "CompletionsReached", "Reached expected number of succeeded pods"};

std::optional<TimePoint> start_of(const Stored& job) {
  const auto time = parse_time(job.root()["status"]["startTime"].string());
  return time.ok() ? std::optional(*time) : std::nullopt;
}

std::int64_t restarts_of(const Stored& pod) {
  const views::PodStatusView status(pod.root()["status"]);
  std::int64_t out = 0;
  for (const auto list : {status.container_statuses(), status.init_container_statuses()}) {
    for (const auto container : list) {
      out += container.restart_count();
    }
  }
  return out;
}

/// One reconcile of one Job that is not finished.
class Round {
 public:
  Round(const Question& asked, const Stored& stored, JobPods pods)
      : asked_(asked),
        stored_(stored),
        spec_(stored.root()["spec"]),
        pods_(std::move(pods)),
        tally_(stored, pods_),
        active_(pods_.active),
        terminating_(static_cast<std::int64_t>(pods_.terminating.size())),
        start_(start_of(stored)) {}

  Plan run(Plan claims) {
    plan_ = std::move(claims);
    const bool is_deleted = is_terminating(stored_);
    if (!start_ && !spec_.suspend()) {
      start_ = asked_.now;
    }
    end_ = find_end();
    if (end_) {
      remove_active();
    } else if (!is_deleted) {
      manage();
      judge_completions();
      judge_suspension();
    }
    tally_.advance({.is_ending = end_.has_value() || is_deleted,
                    .counts_active = end_ && !end_->is_success,
                    .keeps_last_failed = spec_.has_backoff_limit_per_index()},
                   &plan_);
    report();
    return std::move(plan_);
  }

 private:
  /// What was decided before stands.
  std::optional<End> decided() const {
    for (const auto condition : views::JobStatusView(stored_.root()["status"]).conditions()) {
      const bool is_success = condition.type() == "SuccessCriteriaMet";
      if (condition.status() == "True" && (is_success || condition.type() == "FailureTarget")) {
        return End{is_success, std::string(condition.reason()), std::string(condition.message())};
      }
    }
    return std::nullopt;
  }

  std::optional<End> find_end() {
    auto out = decided();
    out = out ? out : end_by_policy();
    out = out ? out : end_by_limits();
    out = out ? out : end_by_indexes();
    if (!out && is_indexed(spec_)) {
      if (auto message = success_message(spec_, tally_.succeeded_indexes())) {
        out = End{true, "SuccessPolicy", *message};
      }
    }
    return out;
  }

  std::optional<End> end_by_policy() const {
    for (const auto* pod : pods_.all) {
      auto verdict = judge_failure(spec_, *pod);
      if (verdict.action == FailureAction::fail_job && is_tracked(*pod)) {
        return End{false, "PodFailurePolicy", std::move(verdict.message)};
      }
    }
    return std::nullopt;
  }

  std::optional<End> end_by_limits() {
    if (tally_.failed() > spec_.backoff_limit() || has_restarted_too_often()) {
      return End{false, "BackoffLimitExceeded", "Job has reached the specified backoff limit"};
    }
    if (!spec_.has_active_deadline_seconds() || !start_ || spec_.suspend()) {
      return std::nullopt;
    }
    const auto deadline = *start_ + seconds(spec_.active_deadline_seconds());
    if (deadline <= asked_.now) {
      return End{false, "DeadlineExceeded", "Job was active longer than specified deadline"};
    }
    plan_.look_again_at(deadline);
    return std::nullopt;
  }

  /// Pods that restart by themselves never fail: their restarts count instead.
  bool has_restarted_too_often() const {
    if (spec_.template_().spec().restart_policy() != "OnFailure") {
      return false;
    }
    std::int64_t restarts = 0;
    for (const auto* pod : pods_.active) {
      restarts += restarts_of(*pod);
    }
    return spec_.backoff_limit() == 0 ? restarts > 0 : restarts >= spec_.backoff_limit();
  }

  std::optional<End> end_by_indexes() const {
    if (!is_indexed(spec_) || !spec_.has_backoff_limit_per_index()) {
      return std::nullopt;
    }
    const auto failed = tally_.failed_indexes().count();
    if (spec_.has_max_failed_indexes() && failed > spec_.max_failed_indexes()) {
      return End{false,
                 "MaxFailedIndexesExceeded",
                 "Job has exceeded the specified maximal number of failed indexes"};
    }
    if (failed > 0 && failed + tally_.succeeded_indexes().count() >= spec_.completions()) {
      return End{false, "FailedIndexes", "Job has failed indexes"};
    }
    return std::nullopt;
  }

  /// Of a job that has succeeded they are no failures: first they are let go (the tally does), then
  /// deleted.
  void remove_active() {
    for (const auto* pod : active_) {
      if (!end_->is_success || !is_tracked(*pod)) {
        plan_.changes.push_back(pod_removal(stored_, *pod));
      }
    }
    terminating_ += static_cast<std::int64_t>(active_.size());
    active_.clear();
  }

  std::int64_t wanted() const {
    const auto have = static_cast<std::int64_t>(active_.size());
    if (spec_.suspend()) {
      return 0;
    }
    if (!spec_.has_completions()) {
      // Any success means that all is done: what runs may end, nothing new begins.
      return tally_.succeeded() > 0 ? std::min(have, spec_.parallelism()) : spec_.parallelism();
    }
    return std::clamp<std::int64_t>(
        spec_.completions() - tally_.succeeded(), 0, spec_.parallelism());
  }

  /// Either deletes or creates, never both.
  void manage() {
    const auto want = wanted();
    const auto surplus = surplus_pods(want);
    if (!surplus.empty()) {
      dismiss(surplus);
      return;
    }
    const auto held = only_replaces_failed(spec_) ? terminating_ : 0;
    auto missing = want - static_cast<std::int64_t>(active_.size()) - held;
    missing =
        std::min(missing, static_cast<std::int64_t>(asked_.last_failure.empty() ? kBurst : 1));
    if (missing > 0) {
      create(missing);
    }
  }

  /// Pods that were let go, and those of indexes that are not to run or run already; then the least
  /// useful.
  std::vector<const Stored*> surplus_pods(std::int64_t want) const {
    auto ranked = active_;
    rank_for_deletion(ranked, pods_.all);
    std::vector<const Stored*> out;
    std::vector<const Stored*> others;
    std::set<std::int64_t> indexes;
    for (auto at = ranked.rbegin(); at != ranked.rend(); ++at) {  // the most useful stays
      const auto index = index_of(**at);
      const bool is_kept = is_tracked(**at) || !controller_of(**at);  // or is being adopted
      const bool may_run = !is_indexed(spec_) || (index >= 0 && index < spec_.completions() &&
                                                  !tally_.succeeded_indexes().contains(index));
      const bool is_first = !is_indexed(spec_) || !is_kept || indexes.insert(index).second;
      (is_kept && may_run && is_first ? others : out).push_back(*at);
    }
    while (static_cast<std::int64_t>(others.size()) > std::max<std::int64_t>(0, want)) {
      out.push_back(others.back());
      others.pop_back();
    }
    if (out.size() > kBurst) {
      out.resize(kBurst);
    }
    return out;
  }

  /// A pod that the job itself ends is no failure: first its finalizer goes, then the pod.
  void dismiss(const std::vector<const Stored*>& pods) {
    for (const auto* pod : pods) {
      plan_.changes.push_back(is_tracked(*pod)
                                  ? update_of(*pod, without_finalizer(*pod, kJobTracking))
                                  : pod_removal(stored_, *pod));
      std::erase(active_, pod);
    }
    is_dismissing_ = true;
  }

  void create(std::int64_t count) {
    JobCreator creator(asked_, stored_, pods_);
    if (is_indexed(spec_)) {
      for (const auto index : next_indexes(count)) {
        plan_.changes.push_back(creator.creation(index));
        ++created_;
      }
      return;
    }
    if (!may_begin(next_attempt(spec_, pods_))) {
      return;
    }
    for (; count > 0; --count) {
      plan_.changes.push_back(creator.creation(-1));
      ++created_;
    }
  }

  bool may_begin(TimePoint when) {
    if (when > asked_.now) {
      plan_.look_again_at(when);
      return false;
    }
    return true;
  }

  /// The lowest that neither run nor are done, and whose pause after a failure is over.
  std::vector<std::int64_t> next_indexes(std::int64_t count) {
    std::vector<std::int64_t> out;
    const bool is_per_index = spec_.has_backoff_limit_per_index();
    if (!is_per_index && !may_begin(next_attempt(spec_, pods_))) {
      return out;
    }
    std::set<std::int64_t> busy;
    for (const auto* pod : active_) {
      busy.insert(index_of(*pod));
    }
    if (only_replaces_failed(spec_)) {
      for (const auto* pod : pods_.terminating) {
        busy.insert(index_of(*pod));
      }
    }
    for (std::int64_t index = 0; index < spec_.completions() && count > 0; ++index) {
      if (busy.contains(index) || tally_.succeeded_indexes().contains(index) ||
          tally_.failed_indexes().contains(index)) {
        continue;
      }
      --count;
      if (!is_per_index || may_begin(next_attempt_of(index))) {
        out.push_back(index);
      }
    }
    return out;
  }

  TimePoint next_attempt_of(std::int64_t index) const {
    const auto last = pods_.last_failed.find(index);
    if (last == pods_.last_failed.end()) {
      return TimePoint{};
    }
    const auto failures = failures_after(spec_, last->second);
    return next_attempt(failures.counted + failures.ignored, ended_at(*last->second));
  }

  void judge_completions() {
    const bool is_idle = active_.empty() && created_ == 0 && !is_dismissing_;
    const auto succeeded = tally_.succeeded();
    const bool is_complete =
        spec_.has_completions() ? succeeded >= spec_.completions() : succeeded > 0;
    if (is_idle && is_complete) {
      end_ = kReached;
    }
  }

  void judge_suspension() {
    if (end_) {
      return;
    }
    const bool was_suspended = is_job(stored_, "Suspended");
    if (spec_.suspend() && !was_suspended) {
      suspension_ = Condition{"Suspended", "True", "JobSuspended", "Job suspended"};
      note_ = note_about(stored_, Note::Type::normal, "Suspended", "Job suspended");
    } else if (!spec_.suspend() && was_suspended) {
      suspension_ = Condition{"Suspended", "False", "JobResumed", "Job resumed"};
      note_ = note_about(stored_, Note::Type::normal, "Resumed", "Job resumed");
      start_ = asked_.now;  // the deadline counts from here
    }
  }

  static void set(TreeArray& conditions, const Condition& wanted, TimePoint now) {
    set_condition(conditions, wanted, now);
    for (auto& each : conditions) {
      if (each.at("type").as_string() == wanted.type) {
        each.as_object()["lastProbeTime"] = each.at("lastTransitionTime");
      }
    }
  }

  /// The end is announced at once, and final when every pod has ended and is counted.
  void write_end(TreeObject& status) {
    auto& conditions = Edit::array_in(status, "conditions");
    const auto now = asked_.now;
    if (!is_job(stored_, end_->interim())) {
      set(conditions, {std::string(end_->interim()), "True", end_->reason, end_->message}, now);
    }
    if (terminating_ > 0 || !active_.empty() || !tally_.is_settled()) {
      return;
    }
    set(conditions, {std::string(end_->final()), "True", end_->reason, end_->message}, now);
    if (end_->is_success) {
      status["completionTime"] = format_time(now);
      note_ = note_about(stored_, Note::Type::normal, "Completed", "Job completed");
    } else {
      note_ = note_about(stored_, Note::Type::warning, end_->reason, end_->message);
    }
  }

  std::int64_t count_ready() const {
    return std::count_if(active_.begin(), active_.end(), [](const Stored* pod) {
      return is_ready(views::PodView(pod->root()));
    });
  }

  void report() {
    auto tree = object::to_tree(stored_.root()["status"]);
    auto& status = tree.is_object() ? tree.get_object() : tree.emplace_object();
    if (start_) {
      status["startTime"] = format_time(*start_);
    }
    set_count(status, "active", static_cast<std::int64_t>(active_.size()) + created_);
    status["ready"] = count_ready();
    status["terminating"] = terminating_;
    tally_.write(status);
    if (suspension_) {
      set(Edit::array_in(status, "conditions"), *suspension_, asked_.now);
    }
    if (end_) {
      write_end(status);
    }
    const auto before = plan_.changes.size();
    report_status(stored_, std::move(tree), &plan_);
    if (note_ && plan_.changes.size() > before) {
      plan_.changes.back().when_done = note_;
    }
  }

  const Question& asked_;
  const Stored& stored_;
  const views::JobSpecView spec_;
  const JobPods pods_;
  JobTally tally_;
  std::vector<const Stored*> active_;
  std::int64_t terminating_;
  std::int64_t created_ = 0;
  bool is_dismissing_ = false;
  std::optional<TimePoint> start_;
  std::optional<End> end_;
  std::optional<Condition> suspension_;
  std::optional<Note> note_;
  Plan plan_;
};

/// Pods that no job will ever count keep no finalizer of ours.
class Orphans {
 public:
  static bool is_one(const Mirror& seen, const Stored& pod) {
    if (!is_tracked(pod)) {
      return false;
    }
    const auto owner = controller_of(pod);
    if (owner) {
      return owner.kind() == "Job" && seen.by_uid(owner.uid()) == nullptr;
    }
    for (const auto* job : seen.list(kResource, pod.key.ns)) {
      if (!is_terminating(*job) && selector_of(*job).matches(pod.metadata()["labels"])) {
        return false;  // it will be adopted
      }
    }
    return true;
  }

  static Change release(const Stored& pod) {
    auto change = update_of(pod, without_finalizer(pod, kJobTracking));
    if (const auto owner = controller_of(pod)) {
      change.confirm_absent.push_back(
          {.key = Key{std::string(kResource), pod.key.ns, std::string(owner.name())},
           .uid = std::string(owner.uid())});
    }
    return change;
  }

  /// All of a namespace: asked for when a job is gone, or when a pod has lost its own.
  static Plan release_all(const Question& asked) {
    Plan plan;
    for (const auto* pod : asked.seen.list("pods", asked.key.ns)) {
      if (is_one(asked.seen, *pod)) {
        plan.changes.push_back(release(*pod));
      }
    }
    return plan;
  }
};

class JobController final : public Controller {
 public:
  std::string_view name() const override { return "job"; }

  std::vector<Watching> watches() const override {
    const std::string resource(kResource);
    auto of_child = keys_of_child(resource, "Job", &selector_of);
    auto of_pod = [of_child = std::move(of_child)](
                      const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
      of_child(seen, change, keys);
      if (change.after != nullptr && Orphans::is_one(seen, *change.after)) {
        keys.push_back(Key{std::string(kResource), change.after->key.ns, ""});
      }
    };
    return {{resource, own_key()}, {"pods", std::move(of_pod)}};
  }

  Plan reconcile(const Question& asked) const override {
    if (asked.key.resource != kResource) {
      return {};
    }
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr ? Orphans::release_all(asked) : care_for(asked, *stored);
  }

 private:
  static Plan care_for(const Question& asked, const Stored& stored) {
    const views::JobSpecView spec(stored.root()["spec"]);
    const bool is_ours = spec.managed_by().empty() || spec.managed_by() == kOurselves;
    const auto selector = selector_of(stored);
    if (!is_ours || selector.is_nothing()) {
      return {};
    }
    Plan plan;
    const bool is_over = is_job_finished(stored);
    auto pods = is_over ? asked.seen.controlled_by("pods", stored.uid())
                        : claim_children(asked,
                                         {.owner = stored,
                                          .resource = "pods",
                                          .selector = selector,
                                          .may_adopt = &may_adopt_living,
                                          .finalizer = kJobTracking},
                                         &plan);
    if (!is_over) {
      return Round(asked, stored, sort_job_pods(spec, std::move(pods))).run(std::move(plan));
    }
    for (const auto* pod : pods) {
      if (is_tracked(*pod)) {
        plan.changes.push_back(update_of(*pod, without_finalizer(*pod, kJobTracking)));
      }
    }
    return plan;
  }
};

}  // namespace

bool is_job(const Stored& job, std::string_view condition) {
  for (const auto each : job.root()["status"]["conditions"].elements()) {
    if (each["type"].string() == condition) {
      return each["status"].string() == "True";
    }
  }
  return false;
}

bool is_job_finished(const Stored& job) {
  return is_job(job, "Complete") || is_job(job, "Failed");
}

std::unique_ptr<Controller> job_controller() {
  return std::make_unique<JobController>();
}

}  // namespace tetrarch::reconcile
