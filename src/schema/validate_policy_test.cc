// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"

namespace tetrarch::schema {
namespace {

/// "field: message" of each fault of an object with that spec.
std::vector<std::string> faults(std::string_view group,
                                std::string_view name,
                                std::string_view spec) {
  static const auto catalog = Catalog::load_builtin().value();
  const auto& kind = *catalog->find(group, "v1", name);
  const auto decoded =
      decode(kind,
             fmt::format(R"({{"metadata":{{"name":"x","namespace":"n"}},"spec":{}}})", spec),
             Unknown::refuse);
  EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message);
  return fault_texts(kind, decoded->document);
}

struct SpecRow {
  std::string_view name;
  std::string_view spec;
  std::vector<std::string> expected;
};

void PrintTo(const SpecRow& row, std::ostream* out) {
  *out << row.name;
}

class BudgetRuleTest : public testing::TestWithParam<SpecRow> {};

TEST_P(BudgetRuleTest, IsWordedAsKubernetesDoes) {
  EXPECT_EQ(faults("policy", "PodDisruptionBudget", GetParam().spec), GetParam().expected);
}

const std::vector<SpecRow> kBudgetRows{
    {"number", R"({"minAvailable":2,"selector":{"matchLabels":{"a":"b"}}})", {}},
    {"percentage", R"({"maxUnavailable":"100%"})", {}},
    {"both",
     R"({"maxUnavailable":1,"minAvailable":1})",
     {R"(spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: )"
      "minAvailable and maxUnavailable cannot be both set"}},
    {"negative",
     R"({"minAvailable":-1})",
     {"spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"}},
    {"over_all",
     R"({"maxUnavailable":"101%"})",
     {R"(spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%)"}},
    {"no_percentage",
     R"({"minAvailable":"some"})",
     {R"(spec.minAvailable: Invalid value: "some": a valid percent string must be a numeric string )"
      R"(followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%'))"}},
    {"policy",
     R"({"minAvailable":1,"unhealthyPodEvictionPolicy":"Never"})",
     {R"(spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: )"
      R"("AlwaysAllow", "IfHealthyBudget")"}},
};
INSTANTIATE_TEST_SUITE_P(Table,
                         BudgetRuleTest,
                         testing::ValuesIn(kBudgetRows),
                         [](const auto& row) { return std::string{row.param.name}; });

class QuotaRuleTest : public testing::TestWithParam<SpecRow> {};

TEST_P(QuotaRuleTest, IsWordedAsKubernetesDoes) {
  EXPECT_EQ(faults("", "ResourceQuota", GetParam().spec), GetParam().expected);
}

const std::vector<SpecRow> kQuotaRows{
    {"many_names",
     R"({"hard":{"pods":"1","count/jobs.batch":"2","requests.cpu":"1","hugepages-2Mi":"2Mi",)"
     R"("requests.example.com/gpu":"1","services.nodeports":"0","requests.storage":"1Gi"}})",
     {}},
    {"unknown_name",
     R"({"hard":{"bananas":"1"}})",
     {R"(spec.hard[bananas]: Invalid value: "bananas": must be a standard resource for quota)"}},
    {"negative",
     R"({"hard":{"pods":"-1"}})",
     {R"(spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0)"}},
    {"half_a_pod",
     R"({"hard":{"pods":"1500m"}})",
     {R"(spec.hard[pods]: Invalid value: "1500m": must be an integer)"}},
    {"unknown_scope",
     R"({"hard":{"pods":"1"},"scopes":["Some"]})",
     {R"(spec.scopes: Invalid value: "Some": unsupported scope)"}},
    {"scope_of_services",
     R"({"hard":{"services":"1"},"scopes":["NotBestEffort"]})",
     {R"(spec.scopes: Invalid value: "NotBestEffort": unsupported scope applied to resource)"}},
    {"best_effort_has_no_cpu",
     R"({"hard":{"cpu":"1"},"scopes":["BestEffort"]})",
     {R"(spec.scopes: Invalid value: "BestEffort": unsupported scope applied to resource)"}},
    {"conflicting",
     R"({"hard":{"pods":"1"},"scopes":["Terminating","NotTerminating"]})",
     {R"(spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes)"}},
    {"in_without_values",
     R"({"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[)"
     R"({"scopeName":"PriorityClass","operator":"In"}]}})",
     {"spec.scopeSelector.matchExpressions[0].values: Required value: must be at least one value "
      "when `operator` is 'In' or 'NotIn' for scope selector"}},
};
INSTANTIATE_TEST_SUITE_P(Table, QuotaRuleTest, testing::ValuesIn(kQuotaRows), [](const auto& row) {
  return std::string{row.param.name};
});

class LimitRangeRuleTest : public testing::TestWithParam<SpecRow> {};

TEST_P(LimitRangeRuleTest, IsWordedAsKubernetesDoes) {
  EXPECT_EQ(faults("", "LimitRange", GetParam().spec), GetParam().expected);
}

const std::vector<SpecRow> kLimitRangeRows{
    {"good",
     R"({"limits":[{"type":"Container","min":{"cpu":"1m"},"max":{"cpu":"2"},"default":{"cpu":"1"},)"
     R"("defaultRequest":{"cpu":"10m"},"maxLimitRequestRatio":{"cpu":"10"}},)"
     R"({"type":"Pod","max":{"cpu":"4"}},)"
     R"({"type":"PersistentVolumeClaim","min":{"storage":"1Gi"}}]})",
     {}},
    {"min_above_max",
     R"({"limits":[{"type":"Pod","min":{"cpu":"2"},"max":{"cpu":"1"}}]})",
     {R"(spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1)"}},
    {"default_above_max",
     R"({"limits":[{"type":"Container","max":{"cpu":"1"},"default":{"cpu":"2"}}]})",
     {R"(spec.limits[0].default[cpu]: Invalid value: "2": default value 2 is greater than max value 1)"}},
    {"request_above_default",
     R"({"limits":[{"type":"Container","default":{"cpu":"1"},"defaultRequest":{"cpu":"2"}}]})",
     {R"(spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater )"
      "than default limit value 1"}},
    {"twice",
     R"({"limits":[{"type":"Pod"},{"type":"Pod"}]})",
     {R"(spec.limits[1].type: Duplicate value: "Pod")"}},
    {"defaults_of_pods",
     R"({"limits":[{"type":"Pod","default":{"cpu":"1"}}]})",
     {"spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"}},
    {"claim_without_storage",
     R"({"limits":[{"type":"PersistentVolumeClaim"}]})",
     {"spec.limits[0].limits: Required value: either minimum or maximum storage value is required, "
      "but neither was provided"}},
    {"ratio_below_one",
     R"({"limits":[{"type":"Pod","maxLimitRequestRatio":{"cpu":"500m"}}]})",
     {R"(spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1)"}},
    {"unknown_type",
     R"({"limits":[{"type":"Node"}]})",
     {R"(spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified)"}},
};
INSTANTIATE_TEST_SUITE_P(Table,
                         LimitRangeRuleTest,
                         testing::ValuesIn(kLimitRangeRows),
                         [](const auto& row) { return std::string{row.param.name}; });

}  // namespace
}  // namespace tetrarch::schema
