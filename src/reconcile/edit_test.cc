// SPDX-License-Identifier: Apache-2.0
#include "reconcile/edit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "reconcile/condition.h"
#include "reconcile/controller.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;

Stored stored(std::string_view json) {
  const auto document = Document::parse(json).value();
  const std::string name(document->root()["metadata"]["name"].string());
  return {{"things", "ns", name}, Revision{7}, document};
}

struct MeaningRow {
  std::string_view name;
  std::string_view a;
  std::string_view b;
  bool is_same;
};

void PrintTo(const MeaningRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr MeaningRow kMeaningRows[] = {
    {"equal", R"({"a":1,"b":[1,2]})", R"({"a":1,"b":[1,2]})", true},
    {"another_order_of_members", R"({"a":1,"b":2})", R"({"b":2,"a":1})", true},
    {"another_order_of_items", R"({"a":[1,2]})", R"({"a":[2,1]})", false},
    {"another_value", R"({"a":1})", R"({"a":2})", false},
    {"another_type", R"({"a":1})", R"({"a":"1"})", false},
    {"one_more", R"({"a":1})", R"({"a":1,"b":2})", false},
    {"null_says_nothing", R"({"a":1,"b":null})", R"({"a":1})", true},
    {"an_empty_object_says_nothing", R"({"a":1,"b":{}})", R"({"a":1})", true},
    {"an_empty_list_says_nothing", R"({"a":1})", R"({"a":1,"b":[]})", true},
    {"zero_and_false_and_empty_text_say_something", R"({"a":0,"b":false,"c":""})", R"({})", false},
    {"null_and_empty_list", R"({"a":null})", R"({"a":[]})", true},
    {"deep_inside", R"({"a":[{"b":{"c":[]}}]})", R"({"a":[{"b":{}}]})", true},
    {"an_empty_item_is_an_item", R"({"a":[{}]})", R"({"a":[]})", false},
};

class MeaningTest : public testing::TestWithParam<MeaningRow> {};

TEST_P(MeaningTest, IsTheSameWhateverTheSpelling) {
  const auto a = Document::parse(GetParam().a).value();
  const auto b = Document::parse(GetParam().b).value();

  EXPECT_EQ(same_meaning(a->root(), b->root()), GetParam().is_same);
  EXPECT_EQ(same_meaning(b->root(), a->root()), GetParam().is_same);
  EXPECT_EQ(same_meaning(a->root(), object::to_tree(b->root())), GetParam().is_same);
}

INSTANTIATE_TEST_SUITE_P(Table, MeaningTest, testing::ValuesIn(kMeaningRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Edit, MakesWhatIsMissingAndKeepsTheRest) {
  Edit edit(stored(R"({"metadata":{"name":"a"},"kind":"Thing"})"));

  edit.spec()["replicas"] = 3;
  Edit::array_in(edit.status(), "conditions").emplace_back("x");

  EXPECT_EQ(edit.document()->root().find("spec.replicas").integer(), 3);
  EXPECT_EQ(edit.document()->root().find("status.conditions").size(), 1U);
  EXPECT_EQ(edit.document()->root()["kind"].string(), "Thing");
}

TEST(Edit, AdoptsBesideOtherOwnersAndLetsGoOfOne) {
  const auto owner =
      stored(R"({"kind":"Owner","apiVersion":"x/v1","metadata":{"name":"o","uid":"u-o"}})");
  const auto child =
      stored(R"({"metadata":{"name":"c","ownerReferences":[{"uid":"other","name":"n"}]}})");

  const auto document = adopted(child, owner);
  const auto references = document->root()["metadata"]["ownerReferences"];
  ASSERT_EQ(references.size(), 2U);
  EXPECT_EQ(references.at(1)["uid"].string(), "u-o");
  EXPECT_EQ(references.at(1)["apiVersion"].string(), "x/v1");
  EXPECT_TRUE(references.at(1)["controller"].boolean());
  EXPECT_TRUE(references.at(1)["blockOwnerDeletion"].boolean());

  const Stored both{child.key, Revision{8}, document};
  EXPECT_EQ(released(both, "u-o")->root()["metadata"]["ownerReferences"].size(), 1U);
  const Stored one{child.key, Revision{9}, released(both, "other")};
  EXPECT_FALSE(released(one, "u-o")->root()["metadata"]["ownerReferences"].exists());
}

TEST(Edit, TakesOneFinalizerAway) {
  const auto object = stored(R"({"metadata":{"name":"a","finalizers":["x","y"]}})");

  const auto without_x = without_finalizer(object, "x");
  EXPECT_EQ(without_x->root()["metadata"]["finalizers"].size(), 1U);
  EXPECT_EQ(without_x->root()["metadata"]["finalizers"].at(0).string(), "y");
  EXPECT_FALSE(without_finalizer({object.key, {}, without_x}, "y")
                   ->root()["metadata"]["finalizers"]
                   .exists());
}

TEST(Change, AnAdoptionExpectsWhatWasReadAndALivingOwner) {
  const auto owner = stored(R"({"kind":"O","metadata":{"name":"o","uid":"u-o"}})");
  const auto child = stored(R"({"metadata":{"name":"c","uid":"u-c"}})");

  const auto change = adoption_of(child, owner);

  EXPECT_EQ(change.verb, Change::Verb::update);
  EXPECT_EQ(change.expected, Revision{7});
  EXPECT_EQ(change.expected_uid, "u-c");
  EXPECT_EQ(change.confirm_alive, (Presence{.key = owner.key, .uid = "u-o"}));
}

TEST(Change, ARemovalIsOfExactlyWhatWasRead) {
  const auto change = removal_of(stored(R"({"metadata":{"name":"c","uid":"u-c"}})"));

  EXPECT_EQ(change.verb, Change::Verb::remove);
  EXPECT_EQ(change.expected_uid, "u-c");
  EXPECT_EQ(change.expected, Revision{});
  EXPECT_EQ(change.grace_seconds, std::nullopt);
}

TEST(Plan, LooksAgainAtTheEarliestTime) {
  const TimePoint start{std::chrono::seconds(100)};
  Plan plan;

  plan.look_again_at(start + std::chrono::seconds(5));
  plan.look_again_at(start + std::chrono::seconds(9));
  plan.look_again_at(start + std::chrono::seconds(3));

  EXPECT_EQ(plan.look_again, start + std::chrono::seconds(3));
}

TEST(Note, KnowsKindAndVersionOfWhatItIsAbout) {
  const auto note = note_about(
      stored(R"({"kind":"Thing","apiVersion":"x/v1","metadata":{"name":"a","uid":"u"}})"),
      Note::Type::warning,
      "Bad",
      "so bad");

  EXPECT_EQ(note.kind, "Thing");
  EXPECT_EQ(note.api_version, "x/v1");
  EXPECT_EQ(note.uid, "u");
  EXPECT_EQ(note.about.name, "a");
}

class ConditionTest : public testing::Test {
 protected:
  static constexpr TimePoint kThen{std::chrono::seconds(1'000'000)};
  static constexpr TimePoint kNow{std::chrono::seconds(2'000'000)};

  static Condition ready(std::string status, std::string reason) {
    return {.type = "Ready", .status = std::move(status), .reason = std::move(reason)};
  }

  std::string field(std::string_view name) const {
    const auto* found = find_condition(conditions_, "Ready");
    const auto* value = found == nullptr ? nullptr : found->if_contains(name);
    return value == nullptr ? "(none)" : std::string(value->as_string());
  }

  TreeArray conditions_;
};

TEST_F(ConditionTest, ItsTimeMovesOnlyWithItsStatus) {
  set_condition(conditions_, ready("True", "A"), kThen);
  set_condition(conditions_, ready("True", "B"), kNow);
  EXPECT_EQ(field("reason"), "B");
  EXPECT_EQ(field("lastTransitionTime"), format_time(kThen));

  set_condition(conditions_, ready("False", "B"), kNow);
  EXPECT_EQ(field("lastTransitionTime"), format_time(kNow));
  EXPECT_EQ(field("lastUpdateTime"), "(none)");
}

TEST_F(ConditionTest, WithAnUpdateTimeItMovesWithStatusOrReasonAlone) {
  set_updated_condition(conditions_, ready("True", "A"), kThen);
  auto other_message = ready("True", "A");
  other_message.message = "more";
  set_updated_condition(conditions_, other_message, kNow);
  EXPECT_EQ(field("message"), "(none)");
  EXPECT_EQ(field("lastUpdateTime"), format_time(kThen));

  set_updated_condition(conditions_, ready("True", "B"), kNow);
  EXPECT_EQ(field("lastUpdateTime"), format_time(kNow));
  EXPECT_EQ(field("lastTransitionTime"), format_time(kThen));
}

TEST_F(ConditionTest, KeepsItsPlaceAmongOthers) {
  set_condition(conditions_, {.type = "First", .status = "True"}, kThen);
  set_condition(conditions_, ready("True", "A"), kThen);
  set_condition(conditions_, {.type = "Last", .status = "True"}, kThen);

  set_condition(conditions_, ready("False", "B"), kNow);

  EXPECT_EQ(conditions_.size(), 3U);
  EXPECT_EQ(conditions_[1].at("status").as_string(), "False");
  EXPECT_TRUE(has_condition(conditions_, "Ready", "B"));
  EXPECT_FALSE(has_condition(conditions_, "Ready", "A"));
}

TEST_F(ConditionTest, AnEmptyReasonOrMessageIsNotWritten) {
  set_condition(conditions_, {.type = "Ready", .status = "True", .message = "m"}, kThen);
  EXPECT_EQ(field("message"), "m");

  set_condition(conditions_, {.type = "Ready", .status = "True"}, kThen);

  EXPECT_EQ(field("message"), "(none)");
  EXPECT_EQ(field("reason"), "(none)");
}

TEST_F(ConditionTest, OneThatIsNotThereIsRemovedInVain) {
  set_condition(conditions_, ready("True", "A"), kThen);

  remove_condition(conditions_, "Other");
  EXPECT_EQ(conditions_.size(), 1U);
  remove_condition(conditions_, "Ready");
  EXPECT_EQ(conditions_.size(), 0U);
  EXPECT_EQ(find_condition(conditions_, "Ready"), nullptr);
}

}  // namespace
}  // namespace tetrarch::reconcile
