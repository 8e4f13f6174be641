// SPDX-License-Identifier: Apache-2.0
// What is refused of daemon sets, stateful sets, replication controllers, jobs and cron jobs, in
// the words that clients know; and the defaults that they get.
#include <array>
#include <ostream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"

namespace tetrarch::schema {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin().value();
  return *loaded;
}

DocumentPtr decoded(const Kind& kind, const std::string& json) {
  auto result = decode(kind, json, Unknown::refuse);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message) << json;
  return result.ok() ? result->document : Document::from_canonical("{}");
}

const Kind& kind_named(std::string_view name) {
  for (const std::string_view group : {"apps", "batch", ""}) {
    if (const auto* found = catalog().find(group, "v1", name)) {
      return *found;
    }
  }
  ADD_FAILURE() << name;
  return *catalog().kinds().front();
}

/// An object of the kind with a selector that fits and `spec` (members, with a comma behind each).
/// `$POD` in front of a member puts it into the pod's spec.
std::string object_of(std::string_view kind, std::string spec, std::string pod = "") {
  const bool is_job = kind == "Job";
  const bool is_cron_job = kind == "CronJob";
  if (is_job || is_cron_job) {
    pod += R"("restartPolicy":"Never",)";
  }
  const std::string labels =
      is_job ? R"({"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"d"})"
             : R"({"a":"b"})";
  const std::string selector = is_job
                                   ? R"({"matchLabels":{"batch.kubernetes.io/controller-uid":"u"}})"
                               : kind == "ReplicationController" ? R"({"a":"b"})"
                                                                 : R"({"matchLabels":{"a":"b"}})";
  const auto pod_template = fmt::format(
      R"("template":{{"metadata":{{"labels":{}}},"spec":{{{}"containers":[{{"name":"c","image":"i"}}]}}}})",
      labels,
      pod);
  const std::string inner =
      is_cron_job ? fmt::format(R"({}"jobTemplate":{{"spec":{{{}}}}})", spec, pod_template)
                  : fmt::format(R"({}"selector":{},{})", spec, selector, pod_template);
  return fmt::format(R"({{"metadata":{{"name":"d","namespace":"n","uid":"u"}},"spec":{{{}}}}})",
                     inner);
}

std::vector<std::string> faults_of(const Kind& kind,
                                   const std::string& fresh,
                                   const std::string& old = "") {
  const auto document = decoded(kind, fresh);
  const auto before = old.empty() ? nullptr : decoded(kind, old);
  return fault_texts(kind, document, before);
}

struct Row {
  std::string_view name;
  std::string_view kind;
  std::string_view spec;
  std::string_view pod;
  std::string_view fault;  ///< a part of "field: message"; "": none
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRows = std::to_array<Row>({
    {"daemon_set", "DaemonSet", "", "", ""},
    {"daemon_set_surge",
     "DaemonSet",
     R"("updateStrategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}},)",
     "",
     ""},
    {"daemon_set_both",
     "DaemonSet",
     R"("updateStrategy":{"rollingUpdate":{"maxSurge":1}},)",
     "",
     "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when "
     "maxUnavailable is non-zero"},
    {"daemon_set_neither",
     "DaemonSet",
     R"("updateStrategy":{"rollingUpdate":{"maxUnavailable":"0%"}},)",
     "",
     "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge "
     "is 0"},
    {"daemon_set_too_many",
     "DaemonSet",
     R"("updateStrategy":{"rollingUpdate":{"maxUnavailable":"101%"}},)",
     "",
     R"(spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be )"
     "greater than 100%"},
    {"daemon_set_restart",
     "DaemonSet",
     "",
     R"("restartPolicy":"Never",)",
     R"(spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always")"},
    {"daemon_set_deadline",
     "DaemonSet",
     "",
     R"("activeDeadlineSeconds":5,)",
     "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is "
     "not Supported"},
    {"daemon_set_type",
     "DaemonSet",
     R"("updateStrategy":{"type":"Sometimes"},)",
     "",
     R"(Unsupported value: "Sometimes": supported values: "OnDelete", "RollingUpdate")"},
    {"stateful_set", "StatefulSet", R"("serviceName":"s",)", "", ""},
    {"stateful_set_policy",
     "StatefulSet",
     R"("podManagementPolicy":"Any",)",
     "",
     R"(spec.podManagementPolicy: Invalid value: "Any": must be 'OrderedReady' or 'Parallel')"},
    {"stateful_set_strategy",
     "StatefulSet",
     R"("updateStrategy":{"type":"Any"},)",
     "",
     "must be 'RollingUpdate' or 'OnDelete'"},
    {"stateful_set_on_delete",
     "StatefulSet",
     R"("updateStrategy":{"type":"OnDelete","rollingUpdate":{"partition":1}},)",
     "",
     "only allowed for updateStrategy 'RollingUpdate'"},
    {"stateful_set_partition",
     "StatefulSet",
     R"("updateStrategy":{"rollingUpdate":{"partition":-1}},)",
     "",
     "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or "
     "equal to 0"},
    {"stateful_set_none_unavailable",
     "StatefulSet",
     R"("updateStrategy":{"rollingUpdate":{"maxUnavailable":0}},)",
     "",
     "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"},
    {"stateful_set_claims",
     "StatefulSet",
     R"("volumeClaimTemplates":[{"metadata":{"name":"v"},"spec":{}}],)",
     "",
     "spec.volumeClaimTemplates: Forbidden: this cluster has no persistent volume claims"},
    {"replication_controller", "ReplicationController", "", "", ""},
    {"replication_controller_deadline",
     "ReplicationController",
     "",
     R"("activeDeadlineSeconds":5,)",
     "activeDeadlineSeconds in ReplicationController is not Supported"},
    {"job", "Job", "", "", ""},
    {"job_indexed", "Job", R"("completionMode":"Indexed","completions":3,)", "", ""},
    {"job_indexed_without_completions",
     "Job",
     R"("completionMode":"Indexed","parallelism":2,)",
     "",
     "spec.completions: Required value: when completion mode is Indexed"},
    {"job_too_parallel",
     "Job",
     R"("completionMode":"Indexed","completions":3,"parallelism":100001,)",
     "",
     "must be less than or equal to 100000 when completion mode is Indexed"},
    {"job_limit_per_index",
     "Job",
     R"("backoffLimitPerIndex":1,)",
     "",
     "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"},
    {"job_failed_indexes",
     "Job",
     R"("completionMode":"Indexed","completions":3,"maxFailedIndexes":4,"backoffLimitPerIndex":1,)",
     "",
     "spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"},
    {"job_failed_indexes_alone",
     "Job",
     R"("completionMode":"Indexed","completions":3,"maxFailedIndexes":1,)",
     "",
     "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"},
    {"job_very_many_indexes",
     "Job",
     R"("completionMode":"Indexed","completions":100001,"backoffLimitPerIndex":1,)",
     "",
     "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"},
    {"job_mode",
     "Job",
     R"("completionMode":"Any",)",
     "",
     R"(spec.completionMode: Unsupported value: "Any": supported values: "Indexed", "NonIndexed")"},
    {"job_manager",
     "Job",
     R"("managedBy":"me",)",
     "",
     R"(spec.managedBy: Invalid value: "me": must be a domain-prefixed path)"},
    {"job_replacement",
     "Job",
     R"("podReplacementPolicy":"Any",)",
     "",
     R"(Unsupported value: "Any": supported values: "Failed", "TerminatingOrFailed")"},
    {"job_replacement_with_policy",
     "Job",
     R"("podReplacementPolicy":"TerminatingOrFailed","podFailurePolicy":{"rules":[{"action":"Count",)"
     R"("onPodConditions":[{"type":"DisruptionTarget"}]}]},)",
     "",
     R"(spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: )"
     R"("Failed")"},
    {"job_codes_and_conditions",
     "Job",
     R"("podFailurePolicy":{"rules":[{"action":"Count","onExitCodes":{"operator":"In","values":[1]},)"
     R"("onPodConditions":[{"type":"x"}]}]},)",
     "",
     "specifying both OnExitCodes and OnPodConditions is not supported"},
    {"job_neither",
     "Job",
     R"("podFailurePolicy":{"rules":[{"action":"Count"}]},)",
     "",
     "specifying one of OnExitCodes and OnPodConditions is required"},
    {"job_container",
     "Job",
     R"("podFailurePolicy":{"rules":[{"action":"Count","onExitCodes":{"containerName":"x",)"
     R"("operator":"In","values":[1]}}]},)",
     "",
     "must be one of the container or initContainer names in the pod template"},
    {"job_zero_code",
     "Job",
     R"("podFailurePolicy":{"rules":[{"action":"Count","onExitCodes":{"operator":"In",)"
     R"("values":[0]}}]},)",
     "",
     "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for "
     "the In operator"},
    {"job_codes_out_of_order",
     "Job",
     R"("podFailurePolicy":{"rules":[{"action":"Count","onExitCodes":{"operator":"In",)"
     R"("values":[2,1]}}]},)",
     "",
     "must be ordered"},
    {"job_fail_index",
     "Job",
     R"("podFailurePolicy":{"rules":[{"action":"FailIndex","onExitCodes":{"operator":"In",)"
     R"("values":[1]}}]},)",
     "",
     "requires the backoffLimitPerIndex to be set"},
    {"job_success_policy",
     "Job",
     R"("successPolicy":{"rules":[{"succeededCount":1}]},)",
     "",
     "requires indexed completion mode"},
    {"job_success_rules",
     "Job",
     R"("completionMode":"Indexed","completions":3,"successPolicy":{"rules":[]},)",
     "",
     "at least one rules must be specified when the successPolicy is specified"},
    {"job_success_rule",
     "Job",
     R"("completionMode":"Indexed","completions":3,"successPolicy":{"rules":[{}]},)",
     "",
     "at least one of succeededCount or succeededIndexes must be specified"},
    {"job_success_count",
     "Job",
     R"("completionMode":"Indexed","completions":3,"successPolicy":{"rules":[{"succeededCount":4}]},)",
     "",
     "must be less than or equal to 3 (the number of specified completions)"},
    {"job_success_indexes",
     "Job",
     R"("completionMode":"Indexed","completions":3,"successPolicy":{"rules":[{"succeededIndexes":)"
     R"("1-5"}]},)",
     "",
     R"(error parsing succeededIndexes: too large index: "5")"},
    {"job_success_count_of_indexes",
     "Job",
     R"("completionMode":"Indexed","completions":3,"successPolicy":{"rules":[{"succeededIndexes":)"
     R"("0,1","succeededCount":3}]},)",
     "",
     "must be less than or equal to 2 (the number of indexes in the specified succeededIndexes "
     "field)"},
    {"cron_job", "CronJob", R"("schedule":"*/5 * * * *",)", "", ""},
    {"cron_job_zone", "CronJob", R"("schedule":"@daily","timeZone":"Europe/Berlin",)", "", ""},
    {"cron_job_schedule",
     "CronJob",
     R"("schedule":"61 * * * *",)",
     "",
     R"(spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61)"},
    {"cron_job_zone_in_schedule",
     "CronJob",
     R"("schedule":"TZ=UTC 1 * * * *",)",
     "",
     "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"},
    {"cron_job_local_zone",
     "CronJob",
     R"("schedule":"@daily","timeZone":"local",)",
     "",
     "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"},
    {"cron_job_policy",
     "CronJob",
     R"("schedule":"@daily","concurrencyPolicy":"Any",)",
     "",
     R"(spec.concurrencyPolicy: Unsupported value: "Any": supported values: "Allow", "Forbid", )"
     R"("Replace")"},
});

class WorkloadRules : public testing::TestWithParam<Row> {};

TEST_P(WorkloadRules, SayWhatIsWrong) {
  const auto& row = GetParam();

  const auto found = faults_of(kind_named(row.kind),
                               object_of(row.kind, std::string(row.spec), std::string(row.pod)));

  if (row.fault.empty()) {
    EXPECT_THAT(found, IsEmpty());
  } else {
    EXPECT_THAT(found, Contains(HasSubstr(std::string(row.fault))));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, WorkloadRules, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(WorkloadUpdates, OfAStatefulSetTouchOnlySomeFields) {
  const auto& kind = kind_named("StatefulSet");
  const auto old = object_of("StatefulSet", R"("serviceName":"s",)");

  EXPECT_THAT(faults_of(kind,
                        object_of("StatefulSet",
                                  R"("serviceName":"s","replicas":3,"ordinals":{"start":2},)"
                                  R"("minReadySeconds":3,"revisionHistoryLimit":2,)",
                                  R"("hostNetwork":true,)"),
                        old),
              IsEmpty());
  EXPECT_THAT(
      faults_of(kind, object_of("StatefulSet", R"("serviceName":"t",)"), old),
      Contains("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', "
               "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
               "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
}

TEST(WorkloadUpdates, OfAJobLeaveItsTemplateAlone) {
  const auto& kind = kind_named("Job");
  const auto old = object_of("Job", "");
  const auto moved = R"("nodeSelector":{"x":"y"},)";

  EXPECT_THAT(faults_of(kind, object_of("Job", R"("parallelism":5,"completions":1,)"), old),
              IsEmpty());
  EXPECT_THAT(faults_of(kind, object_of("Job", "", moved), old),
              Contains(HasSubstr("spec.template: Invalid value: ")));
  EXPECT_THAT(faults_of(kind, object_of("Job", R"("completions":2,)"), old),
              Contains("spec.completions: Invalid value: 2: field is immutable"));
  const auto suspended = object_of("Job", R"("suspend":true,)");
  EXPECT_THAT(faults_of(kind, object_of("Job", R"("suspend":true,)", moved), suspended), IsEmpty());
  EXPECT_THAT(
      faults_of(kind, object_of("Job", R"("suspend":true,)", R"("hostNetwork":true,)"), suspended),
      Contains(HasSubstr("field is immutable")));
}

TEST(WorkloadUpdates, OfAnIndexedJobKeepCompletionsAndParallelismTogether) {
  const auto& kind = kind_named("Job");
  const auto old =
      object_of("Job", R"("completionMode":"Indexed","completions":3,"parallelism":3,)");

  EXPECT_THAT(
      faults_of(kind,
                object_of("Job", R"("completionMode":"Indexed","completions":5,"parallelism":5,)"),
                old),
      IsEmpty());
  EXPECT_THAT(
      faults_of(kind,
                object_of("Job", R"("completionMode":"Indexed","completions":5,"parallelism":3,)"),
                old),
      Contains("spec.completions: Invalid value: 5: can only be modified in tandem with "
               "spec.parallelism"));
}

TEST(WorkloadUpdates, OfACronJobMayChangeEverything) {
  const auto& kind = kind_named("CronJob");

  EXPECT_THAT(faults_of(kind,
                        object_of("CronJob", R"("schedule":"@hourly",)", R"("hostNetwork":true,)"),
                        object_of("CronJob", R"("schedule":"@daily",)")),
              IsEmpty());
}

TEST(WorkloadRules, HoldACronJobsNameToWhatItsJobsCanBear) {
  auto json = object_of("CronJob", R"("schedule":"@daily",)");
  json.replace(json.find(R"("d")"), 3, '"' + std::string(53, 'd') + '"');

  EXPECT_THAT(faults_of(kind_named("CronJob"), json),
              Contains(HasSubstr("must be no more than 52 characters")));
}

TEST(WorkloadRules, HoldAJobToTheSelectorThatItWasGiven) {
  auto json = object_of("Job", "");
  json.replace(json.find(R"("uid":"u")"), 9, R"("uid":"v")");

  EXPECT_THAT(faults_of(kind_named("Job"), json),
              Contains(HasSubstr("spec.selector: Invalid value: ")));
}

struct DefaultRow {
  std::string_view name;
  std::string_view kind;
  std::string_view json;
  std::string_view path;
  std::string_view value;  ///< "": absent
};

void PrintTo(const DefaultRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kDefaults = std::to_array<DefaultRow>({
    {"daemon_strategy",
     "DaemonSet",
     R"({"spec":{}})",
     "spec.updateStrategy",
     R"({"rollingUpdate":{"maxSurge":0,"maxUnavailable":1},"type":"RollingUpdate"})"},
    {"daemon_on_delete",
     "DaemonSet",
     R"({"spec":{"updateStrategy":{"type":"OnDelete"}}})",
     "spec.updateStrategy",
     R"({"type":"OnDelete"})"},
    {"stateful_strategy",
     "StatefulSet",
     R"({"spec":{}})",
     "spec.updateStrategy",
     R"({"rollingUpdate":{"partition":0},"type":"RollingUpdate"})"},
    {"stateful_claims",
     "StatefulSet",
     R"({"spec":{}})",
     "spec.persistentVolumeClaimRetentionPolicy",
     R"({"whenDeleted":"Retain","whenScaled":"Retain"})"},
    {"job_one_pod", "Job", R"({"spec":{}})", "spec.completions", "1"},
    {"job_work_queue", "Job", R"({"spec":{"parallelism":3}})", "spec.completions", ""},
    {"job_backoff", "Job", R"({"spec":{}})", "spec.backoffLimit", "6"},
    {"job_backoff_per_index",
     "Job",
     R"({"spec":{"backoffLimitPerIndex":1}})",
     "spec.backoffLimit",
     "2147483647"},
    {"job_replacement",
     "Job",
     R"({"spec":{}})",
     "spec.podReplacementPolicy",
     R"("TerminatingOrFailed")"},
    {"job_replacement_with_policy",
     "Job",
     R"({"spec":{"podFailurePolicy":{"rules":[]}}})",
     "spec.podReplacementPolicy",
     R"("Failed")"},
    {"job_labels",
     "Job",
     R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
     "metadata.labels",
     R"({"a":"b"})"},
    {"job_own_labels",
     "Job",
     R"({"metadata":{"labels":{"c":"d"}},"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
     "metadata.labels",
     R"({"c":"d"})"},
    {"job_template_is_left_alone",
     "CronJob",
     R"({"spec":{"jobTemplate":{"spec":{}}}})",
     "spec.jobTemplate.spec",
     "{}"},
    {"cron_job_history", "CronJob", R"({"spec":{}})", "spec.successfulJobsHistoryLimit", "3"},
    {"replication_selector",
     "ReplicationController",
     R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
     "spec.selector",
     R"({"a":"b"})"},
    {"replication_labels",
     "ReplicationController",
     R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})",
     "metadata.labels",
     R"({"a":"b"})"},
    {"template_labels_are_left_alone",
     "ReplicationController",
     R"({"spec":{"template":{"metadata":{"name":"x"}}}})",
     "spec.template.metadata",
     R"({"name":"x"})"},
});

class WorkloadDefaults : public testing::TestWithParam<DefaultRow> {};

TEST_P(WorkloadDefaults, AreWrittenOnTheWayIn) {
  const auto& row = GetParam();

  const auto document = decoded(kind_named(row.kind), std::string(row.json));

  const auto value = document->root().find(row.path);
  EXPECT_EQ(value.exists() ? value.raw() : "", row.value);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         WorkloadDefaults,
                         testing::ValuesIn(kDefaults),
                         [](const auto& row) { return std::string{row.param.name}; });

}  // namespace
}  // namespace tetrarch::schema
