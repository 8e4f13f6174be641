// SPDX-License-Identifier: Apache-2.0
// Limit ranges: defaults, bounds and their sentences.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

class LimitsTest : public RegistryTest {
 protected:
  LimitsTest() { open_namespace("default"); }

  void make_range(const std::string& limit, const std::string& type = "Container") {
    ASSERT_EQ(text_of(create("limitranges",
                             "default",
                             fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"limits":[)"
                                         R"({{"type":"{}",{}}}]}}}})",
                                         type == "Pod" ? "pod" : "range",
                                         type,
                                         limit))),
              "ok");
  }

  Result<Stored> make_pod(const std::string& resources, const std::string& more = "") {
    return create("pods",
                  "default",
                  fmt::format(R"({{"metadata":{{"name":"p"}},"spec":{{"containers":[{{"name":"c",)"
                              R"("image":"i","resources":{}}}{}]}}}})",
                              resources,
                              more));
  }
};

TEST_F(LimitsTest, ContainersThatStateNothingGetTheDefaults) {
  make_range(R"("default":{"cpu":"500m","memory":"1Gi"},"defaultRequest":{"cpu":"100m"})");

  const auto pod = make_pod("{}");

  ASSERT_EQ(text_of(pod), "ok");
  const auto resources = pod->root().find("spec.containers").at(0)["resources"];
  EXPECT_EQ(resources["requests"].raw(), R"({"cpu":"100m","memory":"1Gi"})");
  EXPECT_EQ(resources["limits"].raw(), R"({"cpu":"500m","memory":"1Gi"})");
  EXPECT_EQ(pod->root().find("status.qosClass").string(), "Burstable");
  EXPECT_EQ(pod->metadata()["annotations"]["kubernetes.io/limit-ranger"].string(),
            "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for "
            "container c");
}

TEST_F(LimitsTest, WhatIsStatedStays) {
  make_range(R"("default":{"cpu":"500m"},"defaultRequest":{"cpu":"100m"})");

  const auto pod = make_pod(R"({"limits":{"cpu":"300m"},"requests":{"cpu":"200m"}})");

  const auto resources = pod->root().find("spec.containers").at(0)["resources"];
  EXPECT_EQ(resources["requests"]["cpu"].string(), "200m");
  EXPECT_EQ(resources["limits"]["cpu"].string(), "300m");
  EXPECT_FALSE(pod->metadata()["annotations"]["kubernetes.io/limit-ranger"].exists());
}

TEST_F(LimitsTest, ARangesOwnDefaultsFollowFromItsBounds) {
  make_range(R"("max":{"cpu":"2"},"min":{"memory":"64Mi"})");

  const auto limit = get("limitranges", "default", "range")->root().find("spec.limits");

  EXPECT_EQ(limit.at(0)["default"].raw(), R"({"cpu":"2"})");
  EXPECT_EQ(limit.at(0)["defaultRequest"].raw(), R"({"cpu":"2","memory":"64Mi"})");
}

struct RefusalRow {
  std::string_view name;
  std::string_view type;
  std::string_view limit;
  std::string_view resources;
  std::string_view expected;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

class RefusalTest : public LimitsTest, public testing::WithParamInterface<RefusalRow> {};

TEST_P(RefusalTest, IsWordedAsKubernetesDoes) {
  const auto& row = GetParam();
  make_range(std::string(row.limit), std::string(row.type));

  EXPECT_EQ(text_of(make_pod(std::string(row.resources))),
            "forbidden: pods \"p\" is forbidden: " + std::string(row.expected));
}

constexpr auto kRefusalRows = std::to_array<RefusalRow>({
    {"request_below_minimum",
     "Container",
     R"("min":{"cpu":"100m"})",
     R"({"requests":{"cpu":"50m"}})",
     "minimum cpu usage per Container is 100m, but request is 50m"},
    {"limit_above_maximum",
     "Container",
     R"("max":{"memory":"1Gi"})",
     R"({"limits":{"memory":"2Gi"},"requests":{"memory":"1Mi"}})",
     "maximum memory usage per Container is 1Gi, but limit is 2Gi"},
    {"two_faults",
     "Container",
     R"("max":{"cpu":"1"},"min":{"memory":"1Mi"})",
     R"({"limits":{"cpu":"2"},"requests":{"memory":"1Ki"}})",
     "[minimum memory usage per Container is 1Mi, but request is 1Ki, maximum cpu usage per "
     "Container is 1, but limit is 2]"},
    {"pod_without_request",
     "Pod",
     R"("min":{"cpu":"100m"})",
     "{}",
     "minimum cpu usage per Pod is 100m.  No request is specified"},
    {"pod_without_limit",
     "Pod",
     R"("max":{"cpu":"1"})",
     "{}",
     "maximum cpu usage per Pod is 1.  No limit is specified"},
    {"ratio",
     "Container",
     R"("maxLimitRequestRatio":{"cpu":"2"})",
     R"({"limits":{"cpu":"500m"},"requests":{"cpu":"100m"}})",
     "cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000"},
    {"ratio_without_request",
     "Pod",
     R"("maxLimitRequestRatio":{"cpu":"2"})",
     "{}",
     "cpu max limit to request ratio per Pod is 2, but no request is specified or request is 0"},
});
INSTANTIATE_TEST_SUITE_P(Table, RefusalTest, testing::ValuesIn(kRefusalRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST_F(LimitsTest, APodCountsAllItsContainers) {
  make_range(R"("max":{"cpu":"1"})", "Pod");
  constexpr auto kHalf = R"({"limits":{"cpu":"600m"}})";

  EXPECT_THAT(
      text_of(make_pod(kHalf, fmt::format(R"(,{{"name":"d","image":"i","resources":{}}})", kHalf))),
      testing::HasSubstr("maximum cpu usage per Pod is 1, but limit is 1200m"));
}

TEST_F(LimitsTest, DefaultsCountAgainstAQuota) {
  make_range(R"("default":{"cpu":"500m"},"defaultRequest":{"cpu":"500m"})");
  ASSERT_TRUE(create("resourcequotas",
                     "default",
                     R"({"metadata":{"name":"q"},"spec":{"hard":{"limits.cpu":"800m"}}})")
                  .ok());

  EXPECT_EQ(text_of(make_pod("{}")), "ok");
  EXPECT_EQ(
      get("resourcequotas", "default", "q")->root().find("status.used")["limits.cpu"].string(),
      "500m");
}

}  // namespace
}  // namespace tetrarch::registry
