// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "API Priority and Fairness", defaults; apiserver
// pkg/apis/flowcontrol/bootstrap, v1.35. Members are written in the order of their names, as the
// schema prints them, so that what is stored can be compared by its bytes.
#include "registry/flow_policy.h"

#include <array>
#include <string>

#include "object/writer.h"
#include "trust/identity.h"

namespace tetrarch::registry {

using object::Writer;

namespace {

constexpr std::string_view kApi = "flowcontrol.apiserver.k8s.io/v1";
constexpr std::string_view kKeeps = "apf.kubernetes.io/autoupdate-spec";
using Words = std::vector<std::string_view>;

struct LevelRow {
  std::string_view name;
  int shares;
  int lendable_percent;
  int queues = 128;  ///< 0: what gets no seat is refused
  int hand = 6;
};

constexpr int kQueueLength = 50;

constexpr auto kLevels = std::to_array<LevelRow>({
    {"catch-all", 5, 0, 0},
    {"system", 30, 33, 64},
    {"node-high", 40, 25, 64},
    {"leader-election", 10, 0, 16, 4},
    {"workload-high", 40, 50},
    {"workload-low", 100, 90},
    {"global-default", 20, 50},
});

struct ObjectRule {
  Words verbs;
  std::string_view group;
  Words resources;
  bool is_cluster_scope = false;
};

struct SubjectRow {
  std::string_view kind;  ///< User, Group; else an account of kube-system
  std::string_view name;
};

struct SchemaRow {
  std::string_view name;
  std::string_view level;
  int precedence;
  std::string_view method;  ///< empty: one flow
  std::vector<SubjectRow> subjects;
  std::vector<ObjectRule> objects = {};  ///< with `paths` empty: everything
  Words paths = {};                      ///< that are read
};

constexpr std::string_view kEvery = "*";
constexpr std::string_view kLeases = "coordination.k8s.io";
constexpr std::string_view kControllers = "system:kube-controller-manager";
constexpr std::string_view kScheduler = "system:kube-scheduler";

std::vector<SchemaRow> schemas() {
  const SubjectRow accounts{"ServiceAccount", kEvery};
  const std::vector<SubjectRow> everybody = {{"Group", trust::kUnauthenticated},
                                             {"Group", trust::kAuthenticated}};
  const Words turns = {"get", "create", "update"};
  return {
      {"exempt", "exempt", 1, "", {{"Group", trust::kMasters}}},
      {"catch-all", "catch-all", 10'000, "ByUser", everybody},
      {"probes", "exempt", 2, "", everybody, {}, {"/healthz", "/readyz", "/livez"}},
      {"system-leader-election",
       "leader-election",
       100,
       "ByUser",
       {{"User", kControllers}, {"User", kScheduler}, accounts},
       {{turns, kLeases, {"leases"}}}},
      {"endpoint-controller",
       "workload-high",
       150,
       "ByUser",
       {{"User", kControllers},
        {"ServiceAccount", "endpoint-controller"},
        {"ServiceAccount", "endpointslicemirroring-controller"}},
       {{turns, "", {"endpoints"}}}},
      {"workload-leader-election",
       "leader-election",
       200,
       "ByUser",
       {accounts},
       {{turns, "", {"endpoints", "configmaps"}}, {turns, kLeases, {"leases"}}}},
      {"system-node-high",
       "node-high",
       400,
       "ByUser",
       {{"Group", trust::kNodes}},
       {{{kEvery}, "", {"nodes", "nodes/status"}, true}, {{kEvery}, kLeases, {"leases"}}}},
      {"system-nodes", "system", 500, "ByUser", {{"Group", trust::kNodes}}},
      {"kube-controller-manager", "workload-high", 800, "ByNamespace", {{"User", kControllers}}},
      {"kube-scheduler", "workload-high", 800, "ByNamespace", {{"User", kScheduler}}},
      {"kube-system-service-accounts", "workload-high", 900, "ByNamespace", {accounts}},
      {"service-accounts", "workload-low", 9000, "ByUser", {{"Group", "system:serviceaccounts"}}},
      {"global-default", "global-default", 9900, "ByUser", everybody},
  };
}

void begin(Writer& out, std::string_view kind, std::string_view name) {
  out.begin_object().field("apiVersion", kApi).field("kind", kind).key("metadata").begin_object();
  out.key("annotations").begin_object().field(kKeeps, "true").end_object();
  out.field("name", name).end_object().key("spec").begin_object();
}

void write_list(Writer& out, std::string_view name, const Words& words) {
  out.key(name).begin_array();
  for (const auto word : words) {
    out.string(word);
  }
  out.end_array();
}

void write_subject(Writer& out, const SubjectRow& subject) {
  const bool is_group = subject.kind == "Group";
  const bool is_user = subject.kind == "User";
  out.begin_object();
  if (is_group) {
    out.key("group").begin_object().field("name", subject.name).end_object();
  }
  out.field("kind", subject.kind);
  if (!is_group && !is_user) {
    out.key("serviceAccount").begin_object().field("name", subject.name);
    out.field("namespace", "kube-system").end_object();
  }
  if (is_user) {
    out.key("user").begin_object().field("name", subject.name).end_object();
  }
  out.end_object();
}

void write_object_rule(Writer& out, const ObjectRule& rule) {
  out.begin_object();
  write_list(out, "apiGroups", {rule.group});
  if (rule.is_cluster_scope) {
    out.field("clusterScope", true);
  }
  write_list(out, "namespaces", {kEvery});
  write_list(out, "resources", rule.resources);
  write_list(out, "verbs", rule.verbs);
  out.end_object();
}

void write_path_rule(Writer& out, const Words& paths, std::string_view verb) {
  out.key("nonResourceRules").begin_array().begin_object();
  write_list(out, "nonResourceURLs", paths);
  write_list(out, "verbs", {verb});
  out.end_object().end_array();
}

void write_rules(Writer& out, const SchemaRow& row) {
  const bool is_everything = row.objects.empty() && row.paths.empty();
  out.key("rules").begin_array().begin_object();
  if (is_everything) {
    write_path_rule(out, {kEvery}, kEvery);
  } else if (!row.paths.empty()) {
    write_path_rule(out, row.paths, "get");
  }
  if (is_everything || !row.objects.empty()) {
    out.key("resourceRules").begin_array();
    for (const auto& rule : row.objects) {
      write_object_rule(out, rule);
    }
    if (is_everything) {
      write_object_rule(out, {{kEvery}, kEvery, {kEvery}, true});
    }
    out.end_array();
  }
  out.key("subjects").begin_array();
  for (const auto& subject : row.subjects) {
    write_subject(out, subject);
  }
  out.end_array().end_object().end_array();
}

std::string schema_json(const SchemaRow& row) {
  std::string json;
  Writer out(json);
  begin(out, "FlowSchema", row.name);
  if (!row.method.empty()) {
    out.key("distinguisherMethod").begin_object().field("type", row.method).end_object();
  }
  out.field("matchingPrecedence", row.precedence);
  out.key("priorityLevelConfiguration").begin_object().field("name", row.level).end_object();
  write_rules(out, row);
  out.end_object().end_object();
  return json;
}

std::string exempt_json() {
  std::string json;
  Writer out(json);
  begin(out, "PriorityLevelConfiguration", "exempt");
  out.key("exempt").begin_object().field("lendablePercent", 0);
  out.field("nominalConcurrencyShares", 0).end_object();
  out.field("type", "Exempt").end_object().end_object();
  return json;
}

std::string level_json(const LevelRow& row) {
  std::string json;
  Writer out(json);
  begin(out, "PriorityLevelConfiguration", row.name);
  out.key("limited").begin_object().field("lendablePercent", row.lendable_percent);
  out.key("limitResponse").begin_object();
  if (row.queues > 0) {
    out.key("queuing").begin_object().field("handSize", row.hand);
    out.field("queueLengthLimit", kQueueLength).field("queues", row.queues).end_object();
  }
  out.field("type", row.queues > 0 ? "Queue" : "Reject").end_object();
  out.field("nominalConcurrencyShares", row.shares).end_object();
  out.field("type", "Limited").end_object().end_object();
  return json;
}

}  // namespace

std::vector<PolicyObject> flow_policy() {
  std::vector<PolicyObject> out;
  out.push_back({std::string(kPriorityLevels), "", exempt_json()});
  for (const auto& row : kLevels) {
    out.push_back({std::string(kPriorityLevels), "", level_json(row)});
  }
  for (const auto& row : schemas()) {
    out.push_back({std::string(kFlowSchemas), "", schema_json(row)});
  }
  return out;
}

bool is_mandatory_flow(std::string_view name) {
  return name == "exempt" || name == "catch-all";
}

}  // namespace tetrarch::registry
