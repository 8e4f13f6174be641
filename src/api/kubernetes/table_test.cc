// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/table.h"

#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/document.h"

namespace tetrarch::api::kubernetes {
namespace {

const TimePoint kNow = *parse_time("2026-11-23T12:00:00Z");

Stored a_stored(std::string_view json) {
  auto parsed = object::Document::parse(json);
  EXPECT_TRUE(parsed.ok()) << json;
  return {{}, Revision{7}, *parsed};
}

struct AgeRow {
  std::int64_t seconds;
  std::string_view text;
};

constexpr auto kAges = std::to_array<AgeRow>({
    {-5, "<invalid>"}, {-1, "0s"},         {0, "0s"},        {119, "119s"},      {120, "2m"},
    {125, "2m5s"},     {599, "9m59s"},     {600, "10m"},     {10799, "179m"},    {10800, "3h"},
    {11000, "3h3m"},   {28800, "8h"},      {172799, "47h"},  {172800, "2d"},     {180000, "2d2h"},
    {691200, "8d"},    {62985600, "729d"}, {63072000, "2y"}, {63158400, "2y1d"}, {252288000, "8y"},
});

TEST(HumanDuration, PrintsTwoUnitsWhileShort) {
  for (const auto& row : kAges) {
    EXPECT_EQ(human_duration(std::chrono::seconds(row.seconds)), row.text);
  }
}

TEST(HumanDuration, KnowsNoAgeWithoutATime) {
  EXPECT_EQ(human_age("", kNow), "<unknown>");
  EXPECT_EQ(human_age("yesterday", kNow), "<unknown>");
  EXPECT_EQ(human_age("2026-11-23T11:00:00Z", kNow), "60m");
}

struct CellRow {
  std::string_view name;
  std::string_view column;
  std::string_view object;
  std::string_view cell;
};

void PrintTo(const CellRow& row, std::ostream* out) {
  *out << row.name;
}

class CellTest : public testing::TestWithParam<CellRow> {};

TEST_P(CellTest, PrintsAsKubectlShows) {
  const auto compute = find_computed(GetParam().column);

  ASSERT_NE(compute, nullptr);
  EXPECT_EQ(compute(a_stored(GetParam().object), kNow), GetParam().cell);
}

constexpr auto kPodCells = std::to_array<CellRow>({
    {"phase", "@pod-status", R"({"status":{"phase":"Pending"}})", R"("Pending")"},
    {"evicted",
     "@pod-status",
     R"({"status":{"phase":"Failed","reason":"Evicted"}})",
     R"("Evicted")"},
    {"creating",
     "@pod-status",
     R"({"status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":)"
     R"("ContainerCreating"}}}]}})",
     R"("ContainerCreating")"},
    {"crash_loop",
     "@pod-status",
     R"({"status":{"phase":"Running","containerStatuses":[{"ready":true,"state":{"running":{}}},)"
     R"({"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
     R"("CrashLoopBackOff")"},
    {"completed",
     "@pod-status",
     R"({"status":{"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":)"
     R"("Completed"}}}]}})",
     R"("Completed")"},
    {"completed_beside_running",
     "@pod-status",
     R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],)"
     R"("containerStatuses":[)"
     R"({"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]}})",
     R"("Running")"},
    {"exit_code",
     "@pod-status",
     R"({"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":)"
     R"(3}}}]}})",
     R"("ExitCode:3")"},
    {"signal",
     "@pod-status",
     R"({"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"signal":9}}}]}})",
     R"("Signal:9")"},
    {"terminating",
     "@pod-status",
     R"({"metadata":{"deletionTimestamp":"2026-11-23T11:59:00Z"},"status":{"phase":"Running"}})",
     R"("Terminating")"},
    {"terminated_while_deleted",
     "@pod-status",
     R"({"metadata":{"deletionTimestamp":"2026-11-23T11:59:00Z"},"status":{"phase":"Succeeded"}})",
     R"("Succeeded")"},
    {"gated",
     "@pod-status",
     R"({"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","reason":)"
     R"("SchedulingGated"}]}})",
     R"("SchedulingGated")"},
    {"first_init_runs",
     "@pod-status",
     R"({"spec":{"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending",)"
     R"("initContainerStatuses":[)"
     R"({"name":"a","state":{"running":{}}},{"name":"b","state":{"waiting":{"reason":)"
     R"("PodInitializing"}}}]}})",
     R"("Init:0/2")"},
    {"second_init_fails",
     "@pod-status",
     R"({"spec":{"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending",)"
     R"("initContainerStatuses":[)"
     R"({"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"b","state":{"terminated":{)"
     R"("reason":"Error",)"
     R"("exitCode":1}}}]}})",
     R"("Init:Error")"},
    {"init_crash_loop",
     "@pod-status",
     R"({"spec":{"initContainers":[{"name":"a"}]},"status":{"phase":"Pending",)"
     R"("initContainerStatuses":[)"
     R"({"name":"a","state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})",
     R"("Init:CrashLoopBackOff")"},
    {"init_done",
     "@pod-status",
     R"({"spec":{"initContainers":[{"name":"a"}]},"status":{"phase":"Pending",)"
     R"("initContainerStatuses":[)"
     R"({"name":"a","state":{"terminated":{"exitCode":0}}}],"containerStatuses":[{"state":{)"
     R"("waiting":)"
     R"({"reason":"PodInitializing"}}}]}})",
     R"("PodInitializing")"},
    {"ready_count",
     "@pod-ready",
     R"({"spec":{"containers":[{},{}]},"status":{"containerStatuses":[{"ready":true,"state":{)"
     R"("running":{}}},)"
     R"({"ready":false,"state":{"running":{}}}]}})",
     R"("1/2")"},
    {"ready_counts_sidecars",
     "@pod-ready",
     R"({"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}],"containers":[{}]},)"
     R"("status":{)"
     R"("initContainerStatuses":[{"name":"s","started":true,"ready":true,"state":{"running":{}}}],)"
     R"("containerStatuses":[{"ready":true,"state":{"running":{}}}]}})",
     R"("2/2")"},
    {"no_restarts",
     "@pod-restarts",
     R"({"status":{"containerStatuses":[{"restartCount":0}]}})",
     R"("0")"},
    {"restarts_with_time",
     "@pod-restarts",
     R"({"status":{"containerStatuses":[{"restartCount":3,"lastState":{"terminated":)"
     R"({"finishedAt":"2026-11-23T11:55:00Z"}}}]}})",
     R"x("3 (5m ago)")x"},
    {"ip",
     "@pod-ip",
     R"({"status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.2"}]}})",
     R"("10.0.0.2")"},
    {"no_ip", "@pod-ip", R"({"status":{}})", R"("<none>")"},
    {"gates",
     "@pod-readiness-gates",
     R"({"spec":{"readinessGates":[{"conditionType":"x"},{"conditionType":"y"}]},"status":{)"
     R"("conditions":[)"
     R"({"type":"x","status":"True"}]}})",
     R"("1/2")"},
});

INSTANTIATE_TEST_SUITE_P(Pods, CellTest, testing::ValuesIn(kPodCells), [](const auto& row) {
  return std::string(row.param.name);
});

constexpr auto kOtherCells = std::to_array<CellRow>({
    {"node_ready",
     "@node-status",
     R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})",
     R"("Ready")"},
    {"node_lost",
     "@node-status",
     R"({"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})",
     R"("NotReady")"},
    {"node_cordoned",
     "@node-status",
     R"({"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":)"
     R"("True"}]}})",
     R"("Ready,SchedulingDisabled")"},
    {"node_new", "@node-status", R"({"status":{}})", R"("Unknown")"},
    {"node_roles",
     "@node-roles",
     R"({"metadata":{"labels":{"node-role.kubernetes.io/worker":"",)"
     R"("node-role.kubernetes.io/control-plane":""}}})",
     R"("control-plane,worker")"},
    {"node_no_roles", "@node-roles", R"({"metadata":{}})", R"("<none>")"},
    {"node_address",
     "@node-internal-ip",
     R"({"status":{"addresses":[{"type":"Hostname","address":"n"},{"type":"InternalIP","address":)"
     R"("1.2.3.4"}]}})",
     R"("1.2.3.4")"},
    {"service_ports",
     "@service-ports",
     R"({"spec":{"ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":)"
     R"("UDP"}]}})",
     R"("80:30080/TCP,53/UDP")"},
    {"service_headless", "@service-ports", R"({"spec":{}})", R"("<none>")"},
    {"service_pending",
     "@service-external-ip",
     R"({"spec":{"type":"LoadBalancer"}})",
     R"("<pending>")"},
    {"service_external_name",
     "@service-external-ip",
     R"({"spec":{"type":"ExternalName","externalName":"a.b"}})",
     R"("a.b")"},
    {"service_cluster_ip",
     "@service-external-ip",
     R"({"spec":{"type":"ClusterIP"}})",
     R"("<none>")"},
    {"endpoints_none", "@endpoints", R"({"subsets":[]})", R"("<none>")"},
    {"endpoints_many",
     "@endpoints",
     R"({"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"1.1.1.2"},{"ip":"1.1.1.3"},{"ip":)"
     R"("1.1.1.4"}],)"
     R"("ports":[{"port":80}]}]})",
     R"("1.1.1.1:80,1.1.1.2:80,1.1.1.3:80 + 1 more...")"},
    {"slice_ports", "@endpointslice-ports", R"({"ports":[{"port":80},{}]})", R"("80,*")"},
    {"slice_endpoints",
     "@endpointslice-endpoints",
     R"({"endpoints":[{"addresses":["1.1.1.1"]},{"addresses":["1.1.1.2"]}]})",
     R"("1.1.1.1,1.1.1.2")"},
    {"slice_unset", "@endpointslice-endpoints", R"({})", R"("<unset>")"},
    {"images",
     "@images",
     R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x:1"},{"name":"b",)"
     R"("image":"y:2"}]}}}})",
     R"("x:1,y:2")"},
    {"selector_map",
     "@selector",
     R"({"spec":{"selector":{"app":"web","tier":"front"}}})",
     R"("app=web,tier=front")"},
    {"selector_structured",
     "@selector",
     R"({"spec":{"selector":{"matchLabels":{"app":"web"},"matchExpressions":[)"
     R"({"key":"tier","operator":"In","values":["a","b"]},{"key":"old","operator":)"
     R"("DoesNotExist"}]}}})",
     R"x("app=web,tier in (a,b),!old")x"},
    {"selector_none", "@selector", R"({"spec":{}})", R"("<none>")"},
    {"controller",
     "@controller",
     R"({"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web",)"
     R"("controller":true}]}})",
     R"("deployment.apps/web")"},
    {"age", "@age", R"({"metadata":{"creationTimestamp":"2026-11-23T11:58:00Z"}})", R"("2m")"},
    {"data", "@data-count", R"({"data":{"a":"1","b":"2"},"binaryData":{"c":"eA=="}})", "3"},
    {"event_object",
     "@event-object",
     R"({"involvedObject":{"kind":"Pod","name":"web"}})",
     R"("pod/web")"},
    {"event_seen",
     "@event-last-seen",
     R"({"lastTimestamp":"2026-11-23T11:59:30Z","eventTime":null})",
     R"("30s")"},
    {"event_series",
     "@event-last-seen",
     R"({"eventTime":"2026-11-23T11:00:00.000000Z","series":{"lastObservedTime":"2026-11-23T11:)"
     R"(59:50.000000Z"}})",
     R"("10s")"},
    {"event_count", "@event-count", R"({"series":{"count":9}})", "9"},
    {"event_source",
     "@event-source",
     R"({"source":{"component":"kubelet","host":"n1"}})",
     R"("kubelet, n1")"},
    {"event_message", "@event-message", R"({"note":"Started\n"})", R"("Started")"},
    {"binding_users",
     "@binding-users",
     R"({"subjects":[{"kind":"User","name":"a"},{"kind":"Group","name":"g"},{"kind":"User",)"
     R"("name":"b"}]})",
     R"("a, b")"},
    {"binding_accounts",
     "@binding-service-accounts",
     R"({"subjects":[{"kind":"ServiceAccount","namespace":"ns","name":"a"}]})",
     R"("ns/a")"},
});

INSTANTIATE_TEST_SUITE_P(Others, CellTest, testing::ValuesIn(kOtherCells), [](const auto& row) {
  return std::string(row.param.name);
});

constexpr auto kWorkloadCells = std::to_array<CellRow>({
    {"job_runs", "@job-status", R"({"status":{"active":1}})", R"("Running")"},
    {"job_complete",
     "@job-status",
     R"({"status":{"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete",)"
     R"("status":"True"}]}})",
     R"("Complete")"},
    {"job_resumed",
     "@job-status",
     R"({"status":{"conditions":[{"type":"Suspended","status":"False"}]}})",
     R"("Running")"},
    {"job_suspended",
     "@job-status",
     R"({"status":{"conditions":[{"type":"Suspended","status":"True"}]}})",
     R"("Suspended")"},
    {"job_ends",
     "@job-status",
     R"({"metadata":{"deletionTimestamp":"2026-11-23T11:59:00Z"}})",
     R"("Terminating")"},
    {"job_will_fail",
     "@job-status",
     R"({"status":{"conditions":[{"type":"FailureTarget","status":"True"}]}})",
     R"("FailureTarget")"},
    {"completions",
     "@job-completions",
     R"({"spec":{"completions":3},"status":{"succeeded":1}})",
     R"("1/3")"},
    {"work_queue", "@job-completions", R"({"spec":{"parallelism":3}})", R"("0/1 of 3")"},
    {"work_queue_of_one", "@job-completions", R"({"spec":{"parallelism":1}})", R"("0/1")"},
    {"duration_of_what_waits", "@job-duration", "{}", R"("")"},
    {"duration_of_what_is_over",
     "@job-duration",
     R"({"status":{"startTime":"2026-11-23T11:00:00Z","completionTime":"2026-11-23T11:00:09Z"}})",
     R"("9s")"},
    {"cron_suspend_unset", "@cronjob-suspend", "{}", R"("<unset>")"},
    {"cron_suspend", "@cronjob-suspend", R"({"spec":{"suspend":true}})", R"("True")"},
    {"cron_active", "@cronjob-active", R"({"status":{"active":[{},{}]}})", "2"},
    {"cron_never", "@cronjob-last-schedule", "{}", R"("<none>")"},
    {"cron_images",
     "@cronjob-images",
     R"({"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"image":"a"},)"
     R"({"image":"b"}]}}}}}})",
     R"("a,b")"},
    {"cron_selector", "@cronjob-selector", "{}", R"("<none>")"},
    {"node_selector",
     "@node-selector",
     R"({"spec":{"template":{"spec":{"nodeSelector":{"a":"b","c":"d"}}}}})",
     R"("a=b,c=d")"},
    {"no_node_selector", "@node-selector", "{}", R"("<none>")"},
    {"template_labels",
     "@template-labels",
     R"({"template":{"metadata":{"labels":{"a":"b"}}}})",
     R"("a=b")"},
    {"template_containers",
     "@template-containers",
     R"({"template":{"spec":{"containers":[{"name":"c"}]}}})",
     R"("c")"},
});

constexpr auto kPolicyCells = std::to_array<CellRow>({
    {"quota_requests",
     "@quota-requests",
     R"({"status":{"hard":{"limits.cpu":"2","pods":"5","requests.cpu":"1"},"used":{"pods":"2"}}})",
     R"("pods: 2/5, requests.cpu: 0/1")"},
    {"quota_limits",
     "@quota-limits",
     R"({"status":{"hard":{"limits.cpu":"2","pods":"5"},"used":{"limits.cpu":"500m"}}})",
     R"("limits.cpu: 500m/2")"},
    {"request_waits", "@csr-condition", "{}", R"("Pending")"},
    {"request_issued",
     "@csr-condition",
     R"({"status":{"certificate":"eA==","conditions":[{"type":"Approved"}]}})",
     R"("Approved,Issued")"},
    {"request_failed",
     "@csr-condition",
     R"({"status":{"conditions":[{"type":"Approved"},{"type":"Failed"}]}})",
     R"("Approved,Failed")"},
    {"request_denied",
     "@csr-condition",
     R"({"status":{"conditions":[{"type":"Denied"}]}})",
     R"("Denied")"},
    {"request_for_a_day", "@csr-duration", R"({"spec":{"expirationSeconds":86400}})", R"("24h")"},
    {"request_for_as_long_as_may_be", "@csr-duration", "{}", R"("<none>")"},
    {"api_of_ours", "@api-service", R"({"spec":{}})", R"("Local")"},
    {"api_of_another",
     "@api-service",
     R"({"spec":{"service":{"namespace":"n","name":"s"}}})",
     R"("n/s")"},
    {"api_not_looked_at", "@api-available", "{}", R"("Unknown")"},
    {"api_there",
     "@api-available",
     R"({"status":{"conditions":[{"type":"Available","status":"True","reason":"Passed"}]}})",
     R"("True")"},
    {"api_away",
     "@api-available",
     R"({"status":{"conditions":[{"type":"Available","status":"False","reason":"Why"}]}})",
     "\"False (Why)\""},
    {"flow_not_looked_at", "@flow-missing-level", "{}", R"("?")"},
    {"flow_dangling",
     "@flow-missing-level",
     R"({"status":{"conditions":[{"type":"Dangling","status":"True"}]}})",
     R"("True")"},
});
INSTANTIATE_TEST_SUITE_P(Policy, CellTest, testing::ValuesIn(kPolicyCells), [](const auto& row) {
  return std::string{row.param.name};
});

INSTANTIATE_TEST_SUITE_P(Workloads,
                         CellTest,
                         testing::ValuesIn(kWorkloadCells),
                         [](const auto& row) { return std::string(row.param.name); });

schema::Kind a_kind() {
  schema::Kind out;
  out.kind = "Web";
  out.columns = {{"Name", "string", "name", "{.metadata.name}", "The name.", 0},
                 {"Ready", "string", "", "{.status.ready|0}/{.spec.replicas|0}", "", 0},
                 {"Up", "integer", "", "{.status.up|0}", "", 0},
                 {"First", "string", "", "{.spec.hosts[0].name|<none>}", "", 1}};
  return out;
}

TEST(MakeTable, PrintsColumnsAndRowsWithMetadata) {
  const auto kind = a_kind();
  const std::vector<Stored> items{a_stored(
      R"({"kind":"Web","metadata":{"name":"a"},"spec":{"replicas":3,"hosts":[{"name":"h"}]},)"
      R"("status":{"up":2}})")};

  const auto table = make_table(
      {kind, "v1", IncludeObject::metadata, kNow}, items, R"({"resourceVersion":"9"})", true);

  EXPECT_EQ(
      table,
      R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"9"},)"
      R"("columnDefinitions":[)"
      R"({"name":"Name","type":"string","format":"name","description":"The name.","priority":0},)"
      R"({"name":"Ready","type":"string","format":"","description":"","priority":0},)"
      R"({"name":"Up","type":"integer","format":"","description":"","priority":0},)"
      R"({"name":"First","type":"string","format":"","description":"","priority":1}],"rows":[)"
      R"({"cells":["a","0/3",2,"h"],"object":{"kind":"PartialObjectMetadata","apiVersion":)"
      R"("meta.k8s.io/v1",)"
      R"("metadata":{"resourceVersion":"7","name":"a"}}}]})");
}

constexpr auto kClassCells = std::to_array<CellRow>({
    {"plain_storage_class", "@storage-class-name", R"({"metadata":{"name":"fast"}})", R"("fast")"},
    {"default_storage_class",
     "@storage-class-name",
     R"({"metadata":{"name":"fast","annotations":{)"
     R"("storageclass.kubernetes.io/is-default-class":"true"}}})",
     R"x("fast (default)")x"},
    {"claim_pending", "@claim-state", R"({"metadata":{},"status":{}})", R"("pending")"},
    {"claim_allocated",
     "@claim-state",
     R"({"metadata":{},"status":{"allocation":{"devices":{}}}})",
     R"("allocated")"},
    {"claim_reserved_and_ending",
     "@claim-state",
     R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"allocation":{},)"
     R"("reservedFor":[{"name":"p"}]}})",
     R"("deleted,allocated,reserved")"},
});

INSTANTIATE_TEST_SUITE_P(Classes, CellTest, testing::ValuesIn(kClassCells), [](const auto& row) {
  return std::string(row.param.name);
});

constexpr auto kImageCells = std::to_array<CellRow>({
    {"blob_nodes", "@blob-nodes", R"({"spec":{"nodes":["a","b"]}})", R"("a,b")"},
    {"blob_without_nodes", "@blob-nodes", "{}", R"("<none>")"},
    {"blob_copies", "@blob-copies", R"({"status":{"copies":{"a":"x","b":"y"}}})", R"("a,b")"},
    {"blob_without_copies", "@blob-copies", R"({"status":{}})", R"("<none>")"},
});

INSTANTIATE_TEST_SUITE_P(Images, CellTest, testing::ValuesIn(kImageCells), [](const auto& row) {
  return std::string(row.param.name);
});

constexpr auto kNetworkingCells = std::to_array<CellRow>({
    {"hosts",
     "@ingress-hosts",
     R"({"spec":{"rules":[{"host":"a.b"},{},{"host":"c"},{"host":"d"},{"host":"e"}]}})",
     R"("a.b,c,d + 1 more...")"},
    {"any_host", "@ingress-hosts", R"({"spec":{"rules":[{"http":{}}]}})", R"("*")"},
    {"addresses",
     "@ingress-address",
     R"({"status":{"loadBalancer":{"ingress":[{"hostname":"b"},{"ip":"10.0.0.1"}]}}})",
     R"("10.0.0.1,b")"},
    {"no_address", "@ingress-address", "{}", R"("")"},
    {"plain_port", "@ingress-ports", "{}", R"("80")"},
    {"both_ports", "@ingress-ports", R"({"spec":{"tls":[{}]}})", R"("80, 443")"},
    {"no_parameters", "@ingress-class-parameters", "{}", R"("<none>")"},
    {"parameters",
     "@ingress-class-parameters",
     R"({"spec":{"parameters":{"apiGroup":"k.example","kind":"P","name":"n"}}})",
     R"("P.k.example/n")"},
    {"parent_service",
     "@parent-ref",
     R"({"spec":{"parentRef":{"resource":"services","namespace":"default","name":"s"}}})",
     R"("services/default/s")"},
    {"parent_of_a_group",
     "@parent-ref",
     R"({"spec":{"parentRef":{"group":"example.com","resource":"boxes","name":"b"}}})",
     R"("boxes.example.com/b")"},
    {"ranges",
     "@service-cidrs",
     R"({"spec":{"cidrs":["10.0.0.0/8","fd00::/108"]}})",
     R"("10.0.0.0/8,fd00::/108")"},
    {"all_pods", "@pod-selector", R"({"spec":{"podSelector":{}}})", R"("<none>")"},
    {"some_pods",
     "@pod-selector",
     R"({"spec":{"podSelector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c",)"
     R"("operator":"In","values":["d","e"]}]}}})",
     R"x("a=b,c in (d,e)")x"},
});

INSTANTIATE_TEST_SUITE_P(Networking,
                         CellTest,
                         testing::ValuesIn(kNetworkingCells),
                         [](const auto& row) { return std::string(row.param.name); });

struct TypedRow {
  std::string_view name;
  std::string_view type;
  std::string_view source;
  std::string_view object;
  std::string_view cell;
};

void PrintTo(const TypedRow& row, std::ostream* out) {
  *out << row.name;
}

class TypedColumnTest : public testing::TestWithParam<TypedRow> {};

TEST_P(TypedColumnTest, PrintsWhatTheTypeAllowsAndElseNothing) {
  schema::Kind kind;
  kind.columns = {{"X", std::string(GetParam().type), "", std::string(GetParam().source), "", 0}};
  const std::vector<Stored> items{a_stored(GetParam().object)};

  const auto table = make_table({kind, "v1", IncludeObject::none, kNow}, items, "{}", false);

  EXPECT_THAT(table, testing::HasSubstr(fmt::format(R"({{"cells":[{}],)", GetParam().cell)));
  EXPECT_TRUE(object::Document::parse(table).ok()) << table;
}

constexpr auto kTypedCells = std::to_array<TypedRow>({
    {"integer", "integer", "{.a}", R"({"a":-7})", "-7"},
    {"integer_of_text", "integer", "{.a}", R"({"a":"7"})", "null"},
    {"integer_of_bad_text", "integer", "{.a}", R"({"a":"x, \"y"})", "null"},
    {"integer_of_object", "integer", "{.a}", R"({"a":{"b":1}})", "null"},
    {"integer_of_boolean", "integer", "{.a}", R"({"a":true})", "null"},
    {"integer_of_fraction", "integer", "{.a}", R"({"a":1.5})", "null"},
    {"integer_too_large", "integer", "{.a}", R"({"a":18446744073709551615})", "null"},
    {"integer_of_null", "integer", "{.a}", R"({"a":null})", "null"},
    {"integer_absent", "integer", "{.a}", "{}", "null"},
    {"integer_fallback", "integer", "{.a|0}", "{}", "0"},
    {"integer_bad_fallback", "integer", "{.a|none}", "{}", "null"},
    {"integer_none", "integer", "{.a|<none>}", "{}", R"("<none>")"},
    {"integer_with_zeros", "integer", "{.a|007}", "{}", "7"},
    {"boolean", "boolean", "{.a}", R"({"a":true})", "true"},
    {"boolean_of_text", "boolean", "{.a}", R"({"a":"true"})", "null"},
    {"boolean_of_integer", "boolean", "{.a}", R"({"a":1})", "null"},
    {"boolean_fallback", "boolean", "{.a|false}", "{}", "false"},
    {"text_of_object", "string", "{.a}", R"({"a":{"b":"c"}})", R"("{\"b\":\"c\"}")"},
    {"second_of_list", "string", "{.a[1]}", R"({"a":["x","y"]})", R"("y")"},
    {"place_past_the_end", "string", "{.a[2]|-}", R"({"a":["x","y"]})", R"("-")"},
    {"place_that_is_no_number", "string", "{.a[b]|-}", R"({"a":["x","y"]})", R"("-")"},
    {"place_without_its_end", "string", "{.a[1|-}", R"({"a":["x","y"]})", R"("y")"},
    {"place_cut_off", "string", "{.a[|-}", R"({"a":["x","y"]})", R"("-")"},
    {"piece_cut_off", "string", "x{.a", R"({"a":"y"})", R"("x")"},
});

INSTANTIATE_TEST_SUITE_P(Table,
                         TypedColumnTest,
                         testing::ValuesIn(kTypedCells),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(MakeTable, IncludesTheWholeObjectOrNone) {
  const auto kind = a_kind();
  const std::vector<Stored> items{a_stored(R"({"metadata":{"name":"a"}})")};

  EXPECT_THAT(make_table({kind, "v1", IncludeObject::object, kNow}, items, "{}", false),
              testing::HasSubstr(R"("object":{"metadata":{"resourceVersion":"7","name":"a"}}})"));
  EXPECT_THAT(
      make_table({kind, "v1beta1", IncludeObject::none, kNow}, items, "{}", false),
      testing::HasSubstr(
          R"("apiVersion":"meta.k8s.io/v1beta1","metadata":{},"columnDefinitions":[],"rows":[)"
          R"({"cells":["a","0/0",0,"<none>"],"object":null}]})"));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
