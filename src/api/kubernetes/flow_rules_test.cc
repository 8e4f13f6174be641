// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/flow_rules.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

struct Asked {
  trust::Identity identity;
  std::string_view verb = "get";
  std::string_view group = {};
  std::string_view resource = {};
  std::string_view subresource = {};
  std::string_view ns = {};
  std::string_view path = {};

  FlowRequest request() const {
    return {identity, verb, path.empty(), group, resource, subresource, ns, path};
  }
};

Asked at(trust::Identity identity, std::string_view path, std::string_view verb = "get") {
  Asked out{std::move(identity), verb};
  out.path = path;
  return out;
}

trust::Identity who(std::string user, std::vector<std::string> groups = {}) {
  groups.emplace_back("system:authenticated");
  return {.user = std::move(user), .groups = std::move(groups)};
}

trust::Identity account(const std::string& ns, const std::string& name) {
  return who("system:serviceaccount:" + ns + ":" + name,
             {"system:serviceaccounts", "system:serviceaccounts:" + ns});
}

trust::Identity node() {
  return who("system:node:a", {"system:nodes"});
}

constexpr std::string_view kLeases = "coordination.k8s.io";

struct FlowRow {
  std::string_view name;
  Asked asked;
  std::string_view schema;
};

void PrintTo(const FlowRow& row, std::ostream* out) {
  *out << row.name;
}

class FirstFlowTest : public ::testing::TestWithParam<FlowRow> {};

TEST_P(FirstFlowTest, IsOfTheSchemaThatKubernetesSays) {
  const FlowRules rules(first_flow_objects());
  EXPECT_EQ(rules.match(GetParam().asked.request()).name, GetParam().schema);
}

const std::vector<FlowRow> kFirst{
    {"admin", {who("a", {"system:masters"}), "get", "", "pods", "", "x"}, "exempt"},
    {"probe", at(who("a"), "/readyz"), "probes"},
    {"probe_below", at(who("a"), "/readyz/x"), "global-default"},
    {"path_is_written", at(who("a"), "/readyz", "post"), "global-default"},
    {"node_lease",
     {node(), "update", kLeases, "leases", "", "kube-node-lease"},
     "system-node-high"},
    {"node_status", {node(), "patch", "", "nodes", "status"}, "system-node-high"},
    {"node_other_part", {node(), "get", "", "nodes", "proxy"}, "system-nodes"},
    {"node_pods", {node(), "list", "", "pods"}, "system-nodes"},
    {"node_feed", at(node(), "/tetrarch/v1/nodes/a/feed"), "system-nodes"},
    {"scheduler", {who("system:kube-scheduler"), "list", "", "pods"}, "kube-scheduler"},
    {"scheduler_lease",
     {who("system:kube-scheduler"), "update", kLeases, "leases", "", "kube-system"},
     "system-leader-election"},
    {"controllers",
     {who("system:kube-controller-manager"), "create", "", "pods", "", "x"},
     "kube-controller-manager"},
    {"controllers_endpoints",
     {who("system:kube-controller-manager"), "update", "", "endpoints", "", "x"},
     "endpoint-controller"},
    {"system_account",
     {account("kube-system", "x"), "list", "", "pods"},
     "kube-system-service-accounts"},
    {"system_account_lease",
     {account("kube-system", "x"), "get", kLeases, "leases", "", "y"},
     "system-leader-election"},
    {"system_account_map",
     {account("kube-system", "x"), "update", "", "configmaps", "", "y"},
     "workload-leader-election"},
    {"account", {account("x", "y"), "get", kLeases, "leases", "", "x"}, "service-accounts"},
    {"account_of_a_namespace_alike",
     {account("kube-systems", "y"), "list", "", "pods"},
     "service-accounts"},
    {"person", {who("ann"), "list", "", "pods"}, "global-default"},
    {"stranger",
     at({.user = "x", .groups = {"system:unauthenticated"}}, "/version"),
     "global-default"},
    {"nobody", at({.user = ""}, "/tetrarch/v1/join"), "catch-all"},
};
INSTANTIATE_TEST_SUITE_P(Table, FirstFlowTest, ::testing::ValuesIn(kFirst), [](const auto& row) {
  return std::string(row.param.name);
});

Stored schema(std::string name, int precedence, std::string_view rule, std::string_view level) {
  return {Key{"flowschemas.flowcontrol.apiserver.k8s.io", "", name},
          Revision{},
          Document::from_canonical(fmt::format(
              R"({{"metadata":{{"name":"{}","uid":"uid-{}"}},"spec":{{"matchingPrecedence":{},)"
              R"("priorityLevelConfiguration":{{"name":"{}"}},"rules":[{}]}}}})",
              name,
              name,
              precedence,
              level,
              rule))};
}

/// A rule for everybody about these objects.
std::string objects(std::string_view rule) {
  return fmt::format(
      R"({{"subjects":[{{"kind":"User","user":{{"name":"*"}}}}],"resourceRules":[{}]}})", rule);
}

std::string subject(std::string_view subject) {
  return fmt::format(
      R"({{"subjects":[{}],"resourceRules":[{{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"],"clusterScope":true}}]}})",
      subject);
}

struct RuleRow {
  std::string_view name;
  std::string rule;
  Asked asked;
  bool matches;
};

void PrintTo(const RuleRow& row, std::ostream* out) {
  *out << row.name;
}

class RuleTest : public ::testing::TestWithParam<RuleRow> {};

TEST_P(RuleTest, MatchesOrNot) {
  auto all = first_flow_objects();
  all.schemas.push_back(schema("mine", 5, GetParam().rule, "system"));
  const FlowRules rules(all);
  EXPECT_EQ(rules.match(GetParam().asked.request()).name == "mine", GetParam().matches);
}

const std::string kInA = objects(
    R"({"verbs":["list"],"apiGroups":["apps"],"resources":["deployments"],"namespaces":["a"]})");
const std::string kWide =
    objects(R"({"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true})");
const std::string kPart =
    objects(R"({"verbs":["*"],"apiGroups":[""],"resources":["pods/log"],"namespaces":["*"]})");
const std::string kPaths =
    R"({"subjects":[{"kind":"Group","group":{"name":"*"}}],"nonResourceRules":[{"verbs":["get"],"nonResourceURLs":["/a/*","/b"]}]})";

const std::vector<RuleRow> kRules{
    {"object", kInA, {who("u"), "list", "apps", "deployments", "", "a"}, true},
    {"other_verb", kInA, {who("u"), "get", "apps", "deployments", "", "a"}, false},
    {"other_group", kInA, {who("u"), "list", "", "deployments", "", "a"}, false},
    {"other_resource", kInA, {who("u"), "list", "apps", "replicasets", "", "a"}, false},
    {"part_of_it", kInA, {who("u"), "list", "apps", "deployments", "scale", "a"}, false},
    {"other_namespace", kInA, {who("u"), "list", "apps", "deployments", "", "b"}, false},
    {"all_namespaces", kInA, {who("u"), "list", "apps", "deployments"}, false},
    {"cluster_scope", kWide, {who("u"), "list", "", "pods"}, true},
    {"not_in_a_namespace", kWide, {who("u"), "list", "", "pods", "", "a"}, false},
    {"no_path", kWide, at(who("u"), "/metrics"), false},
    {"part", kPart, {who("u"), "get", "", "pods", "log", "a"}, true},
    {"whole_is_no_part", kPart, {who("u"), "get", "", "pods", "", "a"}, false},
    {"other_part", kPart, {who("u"), "get", "", "pods", "exec", "a"}, false},
    {"path", kPaths, at(who("u"), "/b"), true},
    {"path_below", kPaths, at(who("u"), "/a/x/y"), true},
    {"path_above", kPaths, at(who("u"), "/a"), false},
    {"path_alike", kPaths, at(who("u"), "/bc"), false},
    {"path_posted", kPaths, at(who("u"), "/b", "post"), false},
    {"user", subject(R"({"kind":"User","user":{"name":"u"}})"), {who("u")}, true},
    {"other_user", subject(R"({"kind":"User","user":{"name":"u"}})"), {who("v")}, false},
    {"group", subject(R"({"kind":"Group","group":{"name":"g"}})"), {who("u", {"g"})}, true},
    {"other_group_of_user", subject(R"({"kind":"Group","group":{"name":"g"}})"), {who("g")}, false},
    {"account",
     subject(R"({"kind":"ServiceAccount","serviceAccount":{"namespace":"n","name":"a"}})"),
     {account("n", "a")},
     true},
    {"other_account",
     subject(R"({"kind":"ServiceAccount","serviceAccount":{"namespace":"n","name":"a"}})"),
     {account("n", "b")},
     false},
    {"any_account",
     subject(R"({"kind":"ServiceAccount","serviceAccount":{"namespace":"n","name":"*"}})"),
     {account("n", "b")},
     true},
    {"any_account_elsewhere",
     subject(R"({"kind":"ServiceAccount","serviceAccount":{"namespace":"n","name":"*"}})"),
     {account("nn", "b")},
     false},
};
INSTANTIATE_TEST_SUITE_P(Table, RuleTest, ::testing::ValuesIn(kRules), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(FlowRules, AskByPrecedenceAndThenByName) {
  auto all = first_flow_objects();
  for (const auto* name : {"c", "b"}) {
    all.schemas.push_back(schema(name, 700, kWide, "system"));
  }
  all.schemas.push_back(schema("z", 699, kPart, "system"));
  const FlowRules rules(all);
  const Asked list{who("u"), "list", "", "pods"};
  const Asked log{who("u"), "get", "", "pods", "log", "a"};
  EXPECT_EQ(rules.match(list.request()).name, "b");
  EXPECT_EQ(rules.match(list.request()).uid, "uid-b");
  EXPECT_EQ(rules.match(log.request()).name, "z");
}

TEST(FlowRules, LeaveOutWhatHasNoLevel) {
  auto all = first_flow_objects();
  all.schemas.push_back(schema("dangling", 5, kWide, "nowhere"));
  const FlowRules rules(all);
  const Asked asked{who("u"), "list", "", "pods"};
  EXPECT_EQ(rules.match(asked.request()).name, "global-default");
}

TEST(FlowRules, AlwaysHaveTheMandatory) {
  const FlowRules rules(FlowObjects{{}, {}});
  const Asked admin{who("a", {"system:masters"}), "list", "", "pods"};
  const Asked user{who("u"), "list", "", "pods"};
  EXPECT_EQ(rules.match(admin.request()).name, "exempt");
  EXPECT_TRUE(rules.levels()[rules.match(admin.request()).level].is_exempt);
  const auto& found = rules.match(user.request());
  EXPECT_EQ(found.name, "catch-all");
  EXPECT_EQ(rules.levels()[found.level].queues, 0U);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
