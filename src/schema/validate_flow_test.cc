// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"

namespace tetrarch::schema {
namespace {

/// "field: message" of each fault of an object of that name.
std::vector<std::string> faults(std::string_view kind_name,
                                std::string_view name,
                                std::string_view rest) {
  static const auto catalog = Catalog::load_builtin().value();
  const auto& kind = *catalog->find("flowcontrol.apiserver.k8s.io", "v1", kind_name);
  const auto decoded = decode(
      kind, fmt::format(R"({{"metadata":{{"name":"{}"}},{}}})", name, rest), Unknown::refuse);
  EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message);
  return fault_texts(kind, decoded->document);
}

struct FaultRow {
  std::string_view name;
  std::string_view rest;
  std::vector<std::string> expected;
};

void PrintTo(const FaultRow& row, std::ostream* out) {
  *out << row.name;
}

class FlowSchemaRuleTest : public testing::TestWithParam<FaultRow> {};

TEST_P(FlowSchemaRuleTest, IsWordedAsKubernetesDoes) {
  const auto spec = fmt::format(R"("spec":{{"priorityLevelConfiguration":{{"name":"low"}},{}}})",
                                GetParam().rest);
  EXPECT_EQ(faults("FlowSchema", "x", spec), GetParam().expected);
}

const std::vector<FaultRow> kSchemaRows{
    {"whole",
     R"("matchingPrecedence":2,"distinguisherMethod":{"type":"ByUser"},"rules":[{"subjects":[)"
     R"({"kind":"User","user":{"name":"*"}},{"kind":"Group","group":{"name":"g"}},)"
     R"({"kind":"ServiceAccount","serviceAccount":{"name":"*","namespace":"n"}}],)"
     R"("resourceRules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"],)"
     R"("namespaces":["a","b"]}],"nonResourceRules":[{"nonResourceURLs":["/","/a/*"],"verbs":["*"]}]}])",
     {}},
    {"precedence_of_the_exempt",
     R"("matchingPrecedence":1)",
     {"spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have "
      "matchingPrecedence 1"}},
    {"precedence_too_large",
     R"("matchingPrecedence":10001)",
     {"spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"}},
    {"precedence_negative",
     R"("matchingPrecedence":-1)",
     {"spec.matchingPrecedence: Invalid value: -1: must be a positive value"}},
    {"method",
     R"("distinguisherMethod":{"type":"ByHost"})",
     {R"(spec.distinguisherMethod.type: Unsupported value: "ByHost": supported values: )"
      R"("ByNamespace", "ByUser")"}},
    {"empty_rule",
     R"("rules":[{}])",
     {"spec.rules[0].subjects: Required value: subjects must contain at least one value",
      "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be "
      "non-empty"}},
    {"kind_of_subject",
     R"("rules":[{"subjects":[{"kind":"Robot"}],"nonResourceRules":[)"
     R"({"nonResourceURLs":["*"],"verbs":["*"]}]}])",
     {R"(spec.rules[0].subjects[0].kind: Unsupported value: "Robot": supported values: "Group", )"
      R"("ServiceAccount", "User")"}},
    {"members_of_subject",
     R"("rules":[{"subjects":[{"kind":"User","group":{"name":"g"}}],"nonResourceRules":[)"
     R"({"nonResourceURLs":["*"],"verbs":["*"]}]}])",
     {"spec.rules[0].subjects[0].user: Required value: user is required when subject kind is "
      "'User'",
      "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not "
      "'Group'"}},
    {"account",
     R"("rules":[{"subjects":[{"kind":"ServiceAccount","serviceAccount":{"name":"a"}}],)"
     R"("nonResourceRules":[{"nonResourceURLs":["*"],"verbs":["*"]}]}])",
     {"spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace "
      "for service account"}},
    {"lists_of_resources",
     R"("rules":[{"subjects":[{"kind":"User","user":{"name":"u"}}],"resourceRules":[)"
     R"({"verbs":["get","*"],"apiGroups":[],"resources":["*","pods"]}]}])",
     {R"(spec.rules[0].resourceRules[0].verbs: Invalid value: ["get","*"]: if '*' is present, )"
      "must not specify other verbs",
      "spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at "
      "least one api group",
      R"(spec.rules[0].resourceRules[0].resources: Invalid value: ["*","pods"]: if '*' is )"
      "present, must not specify other resources",
      "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not "
      "cluster scoped must supply at least one namespace"}},
    {"verb",
     R"("rules":[{"subjects":[{"kind":"User","user":{"name":"u"}}],"resourceRules":[)"
     R"({"verbs":["eat"],"apiGroups":[""],"resources":["*"],"clusterScope":true}]}])",
     {R"(spec.rules[0].resourceRules[0].verbs: Unsupported value: "eat": supported values: )"
      R"("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", )"
      R"("watch")"}},
    {"paths",
     R"("rules":[{"subjects":[{"kind":"User","user":{"name":"u"}}],"nonResourceRules":[)"
     R"({"verbs":["get"],"nonResourceURLs":["a","/a b","/a//b","/a*"]}]}])",
     {R"(spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start )"
      "with slash",
      R"(spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a b": must not )"
      "contain white-space",
      R"(spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: "/a//b": must not )"
      "contain double slash",
      R"(spec.rules[0].nonResourceRules[0].nonResourceURLs[3]: Invalid value: "/a*": wildcard can )"
      "only do suffix matching"}},
};
INSTANTIATE_TEST_SUITE_P(Table,
                         FlowSchemaRuleTest,
                         testing::ValuesIn(kSchemaRows),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST(FlowSchemaRules, WantALevel) {
  EXPECT_THAT(faults("FlowSchema", "x", R"("spec":{})"),
              testing::ElementsAre("spec.priorityLevelConfiguration.name: Required value: must "
                                   "reference a priority level"));
}

class PriorityLevelRuleTest : public testing::TestWithParam<FaultRow> {};

TEST_P(PriorityLevelRuleTest, IsWordedAsKubernetesDoes) {
  EXPECT_EQ(faults("PriorityLevelConfiguration", "x", GetParam().rest), GetParam().expected);
}

const std::vector<FaultRow> kLevelRows{
    {"whole",
     R"("spec":{"type":"Limited","limited":{"nominalConcurrencyShares":0,"limitResponse":)"
     R"({"type":"Queue","queuing":{}}}})",
     {}},
    {"rejects", R"("spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}})", {}},
    {"exempt",
     R"("spec":{"type":"Exempt"})",
     {R"(spec.type: Invalid value: "Exempt": type must be 'Exempt' if and only if name is )"
      "'exempt'"}},
    {"type",
     R"("spec":{"type":"Free"})",
     {R"(spec.type: Unsupported value: "Free": supported values: "Exempt", "Limited")"}},
    {"no_limits",
     R"("spec":{"type":"Limited"})",
     {"spec.limited: Required value: must not be empty when type is Limited"}},
    {"numbers",
     R"("spec":{"type":"Limited","limited":{"nominalConcurrencyShares":-1,"lendablePercent":101,)"
     R"("borrowingLimitPercent":-2,"limitResponse":{"type":"Reject","queuing":{}}}})",
     {"spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
      "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is "
      "not Limited",
      "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
      "spec.limited.borrowingLimitPercent: Invalid value: -2: if specified, must be a non-negative "
      "integer"}},
    {"no_queues",
     R"("spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue"}}})",
     {"spec.limited.limitResponse.queuing: Required value: must not be empty if "
      "limited.limitResponse.type is Limited"}},
    {"hand",
     R"("spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":)"
     R"({"queues":4,"handSize":5}}}})",
     {"spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than "
      "queues (4)"}},
    {"hash",
     R"("spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":)"
     R"({"queues":512,"handSize":8}}}})",
     {"spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of "
      "deckSize 512 and handSize 8 should not be greater than 60"}},
    {"conditions",
     R"("spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}},)"
     R"("status":{"conditions":[{"type":"a"},{"type":"a"},{}]})",
     {R"(status.conditions[1].type: Duplicate value: "a")",
      "status.conditions[2].type: Required value: must not be empty"}},
};
INSTANTIATE_TEST_SUITE_P(Table,
                         PriorityLevelRuleTest,
                         testing::ValuesIn(kLevelRows),
                         [](const auto& row) { return std::string{row.param.name}; });

}  // namespace
}  // namespace tetrarch::schema
