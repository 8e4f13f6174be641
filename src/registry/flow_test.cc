// SPDX-License-Identifier: Apache-2.0
#include "registry/fixture.h"
#include "registry/flow_policy.h"

namespace tetrarch::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FlowTest : public RegistryTest {
 protected:
  std::vector<std::string> names(std::string_view resource) {
    std::vector<std::string> out;
    const auto page = list(resource, "");
    for (const auto& item : page->items) {
      out.push_back(item.key.name);
    }
    return out;
  }

  /// A change of the spec, by merge patch.
  std::string changed(std::string_view resource, std::string name, std::string spec) {
    return text_of(merge(resource, "", std::move(name), R"({"spec":)" + spec + "}"));
  }
};

TEST_F(FlowTest, IsThereFromTheBeginning) {
  EXPECT_THAT(names(kPriorityLevels),
              ElementsAre("catch-all",
                          "exempt",
                          "global-default",
                          "leader-election",
                          "node-high",
                          "system",
                          "workload-high",
                          "workload-low"));
  EXPECT_THAT(names(kFlowSchemas),
              ElementsAre("catch-all",
                          "endpoint-controller",
                          "exempt",
                          "global-default",
                          "kube-controller-manager",
                          "kube-scheduler",
                          "kube-system-service-accounts",
                          "probes",
                          "service-accounts",
                          "system-leader-election",
                          "system-node-high",
                          "system-nodes",
                          "workload-leader-election"));
}

TEST_F(FlowTest, IsStoredByteForByteAsItsPolicySaysIt) {
  for (const auto& object : flow_policy()) {
    const auto wanted = Document::from_canonical(std::string(object.json));
    const std::string name(wanted->root()["metadata"]["name"].string());
    const auto stored = get(object.resource, "", name);
    ASSERT_TRUE(stored.ok());
    EXPECT_EQ(stored->root()["spec"].raw(), wanted->root()["spec"].raw()) << name;
    EXPECT_EQ(stored->metadata()["annotations"]["apf.kubernetes.io/autoupdate-spec"].string(),
              "true");
    EXPECT_EQ(stored->metadata()["generation"].integer(), 1);
  }
}

TEST_F(FlowTest, LetsNobodyChangeTheMandatoryOnes) {
  EXPECT_THAT(changed(kFlowSchemas, "exempt", R"({"matchingPrecedence":3})"),
              HasSubstr("spec of 'exempt' must equal the fixed value"));
  EXPECT_THAT(changed(kFlowSchemas, "catch-all", R"({"distinguisherMethod":null})"),
              HasSubstr("spec of 'catch-all' must equal the fixed value"));
  EXPECT_THAT(
      changed(kPriorityLevels, "catch-all", R"({"limited":{"nominalConcurrencyShares":50}})"),
      HasSubstr("spec of 'catch-all' must equal the fixed value"));
  EXPECT_THAT(changed(kPriorityLevels,
                      "exempt",
                      R"({"type":"Limited","exempt":null,"limited":{"limitResponse":)"
                      R"({"type":"Reject"}}})"),
              HasSubstr("spec of 'exempt' except the 'spec.exempt' field must equal the fixed "
                        "value"));
  EXPECT_EQ(changed(kPriorityLevels, "exempt", R"({"exempt":{"nominalConcurrencyShares":10}})"),
            "ok");
  EXPECT_EQ(changed(kPriorityLevels, "system", R"({"limited":{"nominalConcurrencyShares":50}})"),
            "ok");
}

TEST_F(FlowTest, MakesAgainWhatIsMissingAtTheNextStart) {
  ASSERT_TRUE(remove(kFlowSchemas, "", "catch-all").ok());
  ASSERT_TRUE(remove(kPriorityLevels, "", "system").ok());

  ASSERT_TRUE(run(registry_->bootstrap()).ok());

  EXPECT_TRUE(get(kFlowSchemas, "", "catch-all").ok());
  EXPECT_TRUE(get(kPriorityLevels, "", "system").ok());
}

TEST_F(FlowTest, StatusIsApartFromTheRest) {
  auto status = call(kFlowSchemas, "", "system-nodes");
  status.subresource = "status";

  const auto told = run(registry_->patch(
      status,
      client::PatchType::merge,
      R"({"spec":{"matchingPrecedence":7},"status":{"conditions":[{"type":"Dangling","status":"True"}]}})",
      {}));

  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->root()["spec"]["matchingPrecedence"].integer(), 500);
  EXPECT_EQ(told->root()["status"]["conditions"].at(0)["status"].string(), "True");
  EXPECT_EQ(told->metadata()["generation"].integer(), 1);
}

}  // namespace
}  // namespace tetrarch::registry
