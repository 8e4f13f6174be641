// SPDX-License-Identifier: Apache-2.0
#include "reconcile/flow_control.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

constexpr std::string_view kKeeps = "apf.kubernetes.io/autoupdate-spec";
const Key kMandatory{"flowschemas.flowcontrol.apiserver.k8s.io", "", "catch-all"};
const Key kSuggested{"flowschemas.flowcontrol.apiserver.k8s.io", "", "nodes"};
const Key kLevel{"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io", "", "low"};
const Key kExempt{"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io", "", "exempt"};

std::string schema(const Key& key, int precedence, std::string_view annotations) {
  return fmt::format(
      R"({{"kind":"FlowSchema","apiVersion":"flowcontrol.apiserver.k8s.io/v1","metadata":{{"name":"{}","annotations":{{{}}}}},)"
      R"("spec":{{"matchingPrecedence":{},"priorityLevelConfiguration":{{"name":"low"}}}}}})",
      key.name,
      annotations,
      precedence);
}

std::string level(const Key& key, std::string_view spec, std::string_view annotations) {
  return fmt::format(
      R"({{"kind":"PriorityLevelConfiguration","apiVersion":"flowcontrol.apiserver.k8s.io/v1","metadata":{{"name":"{}","annotations":{{{}}}}},"spec":{}}})",
      key.name,
      annotations,
      spec);
}

std::string kept_says(std::string_view text) {
  return fmt::format(R"("{}":"{}")", kKeeps, text);
}

class FlowControlTest : public testing::Test {
 protected:
  FlowControlTest() {
    const auto document = [](std::string json) {
      return Document::from_canonical(std::move(json));
    };
    const auto always = kept_says("true");
    world_.add(flow_control_controller(
        {{kLevel, document(level(kLevel, R"({"type":"Limited"})", always))},
         {kExempt,
          document(level(kExempt, R"({"exempt":{"lendablePercent":0},"type":"Exempt"})", always)),
          true},
         {kMandatory, document(schema(kMandatory, 10000, always)), true},
         {kSuggested, document(schema(kSuggested, 500, always))}}));
    EXPECT_TRUE(world_.settle());
  }

  void set_precedence(const Key& key, std::int64_t to, std::string_view annotation) {
    world_.change(key, [&](object::TreeObject& root) {
      Edit::object_in(root, "spec")["matchingPrecedence"] = to;
      auto& annotations = Edit::object_in(Edit::object_in(root, "metadata"), "annotations");
      annotations[kKeeps] = annotation;
      if (annotation.empty()) {
        annotations.erase(kKeeps);
      }
    });
    ASSERT_TRUE(world_.settle());
  }

  std::int64_t precedence(const Key& key) const {
    return world_.integer(key, "spec.matchingPrecedence");
  }

  std::string annotation(const Key& key) const {
    return std::string(world_.get(key)->metadata()["annotations"][kKeeps].string());
  }

  std::string dangling(const Key& key) const {
    const auto condition = world_.get(key)->root().find("status.conditions").at(0);
    return fmt::format("{} {} {}: {}",
                       condition["type"].string(),
                       condition["status"].string(),
                       condition["reason"].string(),
                       condition["message"].string());
  }

  World world_;
};

TEST_F(FlowControlTest, MakesWhatIsMissingAndThenRests) {
  for (const auto& key : {kLevel, kExempt, kMandatory, kSuggested}) {
    ASSERT_NE(world_.get(key), nullptr) << key.name;
    world_.remove(key);
  }
  ASSERT_TRUE(world_.settle());
  for (const auto& key : {kLevel, kExempt, kMandatory, kSuggested}) {
    EXPECT_NE(world_.get(key), nullptr) << key.name;
  }
  const auto before = world_.writes;
  world_.advance(std::chrono::seconds(600));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.writes, before);
}

TEST_F(FlowControlTest, BringsTheMandatoryBackWhateverIsSaid) {
  for (const auto* text : {"true", "false", "maybe", ""}) {
    set_precedence(kMandatory, 7, text);
    EXPECT_EQ(precedence(kMandatory), 10000) << text;
    EXPECT_EQ(annotation(kMandatory), "true") << text;
  }
}

TEST_F(FlowControlTest, KeepsTheSuggestedOnlyWhileToldSo) {
  set_precedence(kSuggested, 7, "true");
  EXPECT_EQ(precedence(kSuggested), 500);

  set_precedence(kSuggested, 7, "false");
  EXPECT_EQ(precedence(kSuggested), 7);
  EXPECT_EQ(annotation(kSuggested), "false");

  set_precedence(kSuggested, 8, "");
  EXPECT_EQ(precedence(kSuggested), 8) << "its operator has changed it";
  EXPECT_EQ(annotation(kSuggested), "false");
}

TEST_F(FlowControlTest, LeavesWhatTheExemptLevelLends) {
  world_.change(kExempt, [](object::TreeObject& root) {
    Edit::object_in(Edit::object_in(root, "spec"), "exempt")["lendablePercent"] = 40;
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.integer(kExempt, "spec.exempt.lendablePercent"), 40);
}

TEST_F(FlowControlTest, ClearsWhatAnEarlierReleaseHasLeft) {
  const Key old{kSuggested.resource, "", "old"};
  const Key own{kSuggested.resource, "", "own"};
  world_.create(kSuggested.resource, schema(old, 300, kept_says("true")));
  world_.create(kSuggested.resource, schema(own, 300, kept_says("false")));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.get(old), nullptr);
  EXPECT_NE(world_.get(own), nullptr);
}

TEST_F(FlowControlTest, SaysWhetherTheLevelExists) {
  const Key own{kSuggested.resource, "", "own"};
  const Key mine{kLevel.resource, "", "mine"};
  auto json = schema(own, 300, "");
  json.replace(json.find("\"low\""), 5, "\"mine\"");
  world_.create(own.resource, json);
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(dangling(own),
            "Dangling True NotFound: This FlowSchema references the PriorityLevelConfiguration "
            "object named \"mine\" but there is no such object");

  world_.create(mine.resource, level(mine, R"({"type":"Limited"})", ""));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(dangling(own),
            "Dangling False Found: This FlowSchema references the PriorityLevelConfiguration "
            "object named \"mine\" and it exists");

  world_.remove(mine);
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(dangling(own), testing::StartsWith("Dangling True NotFound"));
}

}  // namespace
}  // namespace tetrarch::reconcile
