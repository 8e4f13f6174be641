// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "CronJob", and pkg/controller/cronjob (1.34) for the order of
// what is judged and the sentences of its events.
#include "reconcile/cronjob.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "object/cron_schedule.h"
#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/job.h"
#include "reconcile/pod_state.h"
#include "schema/views/batch.h"

namespace tetrarch::reconcile {

namespace {

using object::CronSchedule;
using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;

constexpr std::string_view kResource = "cronjobs.batch";
constexpr std::string_view kJobs = "jobs.batch";
// Source: Kubernetes API reference, well-known annotations.
constexpr std::string_view kScheduledAt = "batch.kubernetes.io/cronjob-scheduled-timestamp";
constexpr std::string_view kInstantiate = "cronjob.kubernetes.io/instantiate";
constexpr int kMissedMost = 100;

/// "2026-11-23T07:00:00+01:00"
std::string local_time_text(TimePoint time, seconds offset) {
  auto text = format_time(time + offset);
  if (offset == seconds(0)) {
    return text;
  }
  const auto minutes = std::chrono::abs(offset).count() / 60;
  text.pop_back();
  return fmt::format(
      "{}{}{:02}:{:02}", text, offset < seconds(0) ? '-' : '+', minutes / 60, minutes % 60);
}

/// One reconcile of one CronJob.
class Round {
 public:
  Round(const Question& asked, const Stored& stored, const ZoneLookup& zones)
      : asked_(asked),
        stored_(stored),
        zones_(zones),
        cron_job_(stored.root()),
        spec_(cron_job_.spec()),
        jobs_(asked.seen.controlled_by(kJobs, stored.uid())) {
    read_status();
  }

  Plan run() {
    for (const auto* job : jobs_) {
      follow(*job);
    }
    forget_missing();
    if (!is_terminating(stored_)) {
      trim(spec_.has_successful_jobs_history_limit(), spec_.successful_jobs_history_limit(), true);
      trim(spec_.has_failed_jobs_history_limit(), spec_.failed_jobs_history_limit(), false);
      if (!spec_.suspend()) {
        keep_to_schedule();
      }
    }
    report();
    return std::move(plan_);
  }

 private:
  void read_status() {
    status_ = object::to_tree(stored_.root()["status"]);
    if (!status_.is_object()) {
      status_ = TreeObject();
    }
    for (const auto& each : Edit::array_in(status_.get_object(), "active")) {
      active_.push_back(each);
    }
    const auto last = parse_time(cron_job_.status().last_schedule_time());
    last_schedule_ = last.ok() ? std::optional(*last) : std::nullopt;
  }

  static std::string_view text_in(const object::Tree& reference, std::string_view name) {
    const auto* object = reference.if_object();
    const auto* text = object == nullptr ? nullptr : object->if_contains(name);
    return text != nullptr && text->is_string() ? std::string_view(text->get_string())
                                                : std::string_view();
  }

  static std::string_view uid_of(const object::Tree& reference) {
    return text_in(reference, "uid");
  }

  bool is_active(std::string_view uid) const {
    return std::any_of(
        active_.begin(), active_.end(), [&](const auto& each) { return uid_of(each) == uid; });
  }

  void forget(std::string_view uid) {
    const auto at = std::find_if(
        active_.begin(), active_.end(), [&](const auto& each) { return uid_of(each) == uid; });
    if (at != active_.end()) {
      active_.erase(at);
    }
  }

  void note(Note::Type type, std::string_view reason, std::string message) {
    plan_.notes.push_back(note_about(stored_, type, reason, std::move(message)));
  }

  void follow(const Stored& job) {
    const bool is_over = is_job_finished(job);
    if (!is_over) {
      if (!is_active(job.uid()) && !is_terminating(job)) {
        adopt(job);
      }
      return;
    }
    if (const auto scheduled = scheduled_time(job)) {
      note_schedule(*scheduled);
    }
    if (is_active(job.uid())) {
      forget(job.uid());
      note(Note::Type::normal,
           "SawCompletedJob",
           fmt::format("Saw completed job: {}, condition: {}",
                       job.key.name,
                       is_job(job, "Complete") ? "Complete" : "Failed"));
    }
    const auto completed = job.root()["status"]["completionTime"].string();
    const auto time = parse_time(completed);
    const auto before = parse_time(cron_job_.status().last_successful_time());
    if (time.ok() && (!before.ok() || *time > *before)) {
      auto& latest = status_.as_object()["lastSuccessfulTime"];
      if (!latest.is_string() || std::string_view(latest.get_string()) < completed) {
        latest = completed;
      }
    }
  }

  /// One that we made and could not note, or that somebody made in our name.
  void adopt(const Stored& job) {
    if (const auto scheduled = scheduled_time(job)) {
      active_.emplace_back(reference_to(job.key.name, job.uid()));
      note_schedule(*scheduled);
    } else if (job.metadata()["annotations"][kInstantiate].string() != "manual") {
      note(Note::Type::warning,
           "UnexpectedJob",
           fmt::format("Saw a job that the controller did not create or forgot: {}", job.key.name));
    }
  }

  /// Empty: it was not made for a time of the schedule.
  static std::optional<TimePoint> scheduled_time(const Stored& job) {
    const auto time = parse_time(job.metadata()["annotations"][kScheduledAt].string());
    return time.ok() ? std::optional(*time) : std::nullopt;
  }

  static TreeObject reference_to(std::string_view name, std::string_view uid) {
    return TreeObject{{"kind", "Job"}, {"name", name}, {"uid", uid}, {"apiVersion", "batch/v1"}};
  }

  void note_schedule(TimePoint time) {
    if (!last_schedule_ || *last_schedule_ < time) {
      last_schedule_ = time;
      status_.as_object()["lastScheduleTime"] = format_time(time);
    }
  }

  void forget_missing() {
    const auto before = active_;
    for (const auto& reference : before) {
      const auto* job = asked_.seen.by_uid(uid_of(reference));
      if (job == nullptr || job->key.resource != kJobs) {
        forget(uid_of(reference));
        note(Note::Type::normal,
             "MissingJob",
             fmt::format("Active job went missing: {}", text_in(reference, "name")));
      }
    }
  }

  /// Jobs of one outcome beyond the limit, the oldest first.
  void trim(bool has_limit, std::int64_t limit, bool is_success) {
    std::vector<const Stored*> over;
    for (const auto* job : jobs_) {
      if (!is_terminating(*job) && is_job(*job, is_success ? "Complete" : "Failed")) {
        over.push_back(job);
      }
    }
    const auto kept = static_cast<std::size_t>(std::max<std::int64_t>(0, limit));
    if (!has_limit || over.size() <= kept) {
      return;
    }
    std::sort(over.begin(), over.end(), [](const Stored* a, const Stored* b) {
      const auto standing = [](const Stored& job) {
        return std::pair(job.root()["status"]["startTime"].string(),
                         std::string_view(job.key.name));
      };
      return standing(*a) < standing(*b);
    });
    for (std::size_t i = 0; i + kept < over.size(); ++i) {
      remove(*over[i]);
    }
  }

  void remove(const Stored& job) {
    auto change = removal_of(job);
    change.propagation = Propagation::background;
    change.when_done =
        note_about(stored_, Note::Type::normal, "SuccessfulDelete", "Deleted job " + job.key.name);
    change.when_failed = note_about(stored_, Note::Type::warning, "FailedDelete", "Deleted job");
    plan_.changes.push_back(std::move(change));
  }

  std::optional<TimeZone> zone() {
    if (!spec_.has_time_zone()) {
      return TimeZone();
    }
    auto found = zones_(spec_.time_zone());
    if (!found.ok()) {
      note(Note::Type::warning,
           "UnknownTimeZone",
           fmt::format("invalid timeZone: \"{}\": {}", spec_.time_zone(), found.error().message));
      return std::nullopt;
    }
    return *std::move(found);
  }

  void keep_to_schedule() {
    const auto schedule = CronSchedule::parse(spec_.schedule());
    if (!schedule.ok()) {
      note(Note::Type::warning,
           "UnparseableSchedule",
           fmt::format(
               "unparseable schedule: \"{}\" : {}", spec_.schedule(), schedule.error().message));
      return;
    }
    const auto zone = this->zone();
    if (!zone) {
      return;
    }
    if (const auto due = schedule->last(earliest(), asked_.now, *zone)) {
      complain_of_missed(*schedule, *zone);
      start(*due, *zone);
    }
    if (const auto next = schedule->next(asked_.now, *zone)) {
      plan_.look_again_at(*next);
    }
  }

  /// Nothing before this is made up for.
  TimePoint earliest() const {
    auto out = last_schedule_.value_or(created_at(stored_));
    if (spec_.has_starting_deadline_seconds()) {
      out = std::max(out, asked_.now - seconds(spec_.starting_deadline_seconds()));
    }
    return out;
  }

  void complain_of_missed(const CronSchedule& schedule, const TimeZone& zone) {
    auto time = earliest();
    for (int i = 0; i <= kMissedMost; ++i) {
      const auto next = schedule.next(time, zone);
      if (!next || *next > asked_.now) {
        return;
      }
      time = *next;
    }
    note(Note::Type::warning,
         "TooManyMissedTimes",
         "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check "
         "clock skew");
  }

  std::string name_at(TimePoint time) const {
    const auto minutes =
        std::chrono::duration_cast<std::chrono::minutes>(time.time_since_epoch()).count();
    return fmt::format("{}-{}", stored_.key.name, minutes);
  }

  void start(TimePoint time, const TimeZone& zone) {
    const auto name = name_at(time);
    if (asked_.seen.get(kJobs, stored_.key.ns, name) != nullptr) {
      note_schedule(time);  // made before, and not noted
      return;
    }
    if (spec_.concurrency_policy() == "Forbid" && !active_.empty()) {
      note(Note::Type::normal,
           "JobAlreadyActive",
           "Not starting job because prior execution is running and concurrency policy is Forbid");
      return;
    }
    if (spec_.concurrency_policy() == "Replace") {
      replace_active();
    }
    plan_.changes.push_back(creation(name, time, zone));
  }

  void replace_active() {
    const auto before = active_;
    for (const auto& reference : before) {
      const auto* job = asked_.seen.by_uid(uid_of(reference));
      if (job != nullptr && !is_terminating(*job)) {
        remove(*job);
        forget(job->uid());
      }
    }
  }

  Change creation(const std::string& name, TimePoint time, const TimeZone& zone) const {
    const auto source = spec_.job_template();
    TreeObject metadata{{"name", name}, {"namespace", stored_.key.ns}};
    for (const auto member : {"labels", "annotations"}) {
      if (const auto value = source.metadata().view()[member]) {
        metadata[member] = object::to_tree(value);
      }
    }
    Edit::object_in(metadata, "annotations")[kScheduledAt] =
        local_time_text(time, zone.offset_at(std::chrono::floor<seconds>(time)));
    metadata["ownerReferences"] = TreeArray{controller_reference(stored_)};
    const TreeObject job{{"kind", "Job"},
                         {"apiVersion", "batch/v1"},
                         {"metadata", std::move(metadata)},
                         {"spec", object::to_tree(source.spec().view())}};
    Change change{.verb = Change::Verb::create,
                  .key = Key{std::string(kJobs), stored_.key.ns, name}};
    change.document = object::to_document(job);
    change.when_done =
        note_about(stored_, Note::Type::normal, "SuccessfulCreate", "Created job " + name);
    change.when_failed =
        note_about(stored_, Note::Type::warning, "FailedCreate", "Error creating job");
    return change;
  }

  void report() {
    auto& status = status_.as_object();
    if (active_.empty()) {
      status.erase("active");
    } else {
      TreeArray active;
      for (const auto& each : active_) {
        auto reference = each;
        reference.as_object()["namespace"] = stored_.key.ns;
        active.push_back(std::move(reference));
      }
      status["active"] = std::move(active);
    }
    report_status(stored_, status_, &plan_);
  }

  const Question& asked_;
  const Stored& stored_;
  const ZoneLookup& zones_;
  const views::CronJobView cron_job_;
  const views::CronJobSpecView spec_;
  const std::vector<const Stored*> jobs_;
  object::Tree status_;
  std::vector<object::Tree> active_;
  std::optional<TimePoint> last_schedule_;
  Plan plan_;
};

class CronJobController final : public Controller {
 public:
  explicit CronJobController(ZoneLookup zones) : zones_(std::move(zones)) {}

  std::string_view name() const override { return "cronjob"; }

  std::vector<Watching> watches() const override {
    const std::string resource(kResource);
    return {{resource, own_key()}, {std::string(kJobs), key_of_controller(resource, "CronJob")}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* stored = asked.seen.get(asked.key);
    return stored == nullptr || stored->key.resource != kResource
               ? Plan{}
               : Round(asked, *stored, zones_).run();
  }

 private:
  const ZoneLookup zones_;
};

}  // namespace

std::unique_ptr<Controller> cronjob_controller(ZoneLookup zones) {
  return std::make_unique<CronJobController>(std::move(zones));
}

}  // namespace tetrarch::reconcile
