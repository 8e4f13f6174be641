// SPDX-License-Identifier: Apache-2.0
#include "schedule/node_rules.h"

#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

/// A node and the rules of a pod, without a cluster around them.
class Rules {
 public:
  Rules(const NodeSpec& node, const PodSpec& pod) {
    bool is_changed = false;
    place_ = nodes_.upsert(a_node(node).root(), is_changed);
    rules_.emplace(a_pod(pod).root(), texts_);
  }

  Refusal refusal() const { return rules_->refusal(nodes_, place_); }

  std::int32_t preference() const { return rules_->preference(nodes_, place_); }

  std::string taint() const { return rules_->taint_detail(nodes_, place_); }

 private:
  Interner texts_;
  Dimensions dimensions_;
  Nodes nodes_{dimensions_, texts_};
  Place place_ = kNowhere;
  std::optional<NodeRules> rules_;
};

std::string required(std::string_view terms) {
  return fmt::format(
      R"(,"affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":
      {{"nodeSelectorTerms":[{}]}}}}}})",
      terms);
}

std::string expression(std::string_view key, std::string_view op, std::string_view values) {
  return fmt::format(
      R"({{"matchExpressions":[{{"key":"{}","operator":"{}","values":[{}]}}]}})", key, op, values);
}

/// One expression against a node with the labels disk=ssd and gen=7.
struct ExpressionRow {
  std::string_view name;
  std::string_view key;
  std::string_view op;
  std::string_view values;
  bool matches;
};

void PrintTo(const ExpressionRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr ExpressionRow kExpressionRows[] = {
    {"in", "disk", "In", R"("hdd","ssd")", true},
    {"in_another", "disk", "In", R"("hdd")", false},
    {"in_without_the_label", "rack", "In", R"("r1")", false},
    {"not_in", "disk", "NotIn", R"("hdd")", true},
    {"not_in_that_one", "disk", "NotIn", R"("ssd")", false},
    {"not_in_without_the_label", "rack", "NotIn", R"("r1")", true},
    {"exists", "disk", "Exists", "", true},
    {"exists_without_the_label", "rack", "Exists", "", false},
    {"does_not_exist", "rack", "DoesNotExist", "", true},
    {"does_not_exist_with_the_label", "disk", "DoesNotExist", "", false},
    {"greater", "gen", "Gt", R"("6")", true},
    {"not_greater_than_itself", "gen", "Gt", R"("7")", false},
    {"less", "gen", "Lt", R"("8")", true},
    {"not_less_than_itself", "gen", "Lt", R"("7")", false},
    {"greater_than_a_word", "disk", "Gt", R"("1")", false},
    {"less_without_the_label", "rack", "Lt", R"("1")", false},
};

class ExpressionTest : public testing::TestWithParam<ExpressionRow> {};

TEST_P(ExpressionTest, RequiredAffinityReadsTheNodesLabels) {
  const auto& row = GetParam();

  const Rules rules({.labels = R"({"disk":"ssd","gen":"7"})"},
                    {.more = required(expression(row.key, row.op, row.values))});

  EXPECT_EQ(rules.refusal(), row.matches ? Refusal::none : Refusal::node_affinity);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         ExpressionTest,
                         testing::ValuesIn(kExpressionRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(NodeRules, OneTermIsEnoughButAllOfATermMustHold) {
  const NodeSpec node{.labels = R"({"a":"1","b":"2"})"};
  const std::string both =
      R"({"matchExpressions":[{"key":"a","operator":"Exists"},{"key":"c","operator":"Exists"}]})";

  EXPECT_EQ(Rules(node, {.more = required(both)}).refusal(), Refusal::node_affinity);
  EXPECT_EQ(Rules(node, {.more = required(both + "," + expression("b", "In", R"("2")"))}).refusal(),
            Refusal::none);
  EXPECT_EQ(Rules(node, {.more = required("")}).refusal(), Refusal::node_affinity);
}

TEST(NodeRules, ATermMayNameTheNode) {
  const auto named = [](std::string_view op) {
    return required(fmt::format(
        R"({{"matchFields":[{{"key":"metadata.name","operator":"{}","values":["n1"]}}]}})", op));
  };

  EXPECT_EQ(Rules({.name = "n1"}, {.more = named("In")}).refusal(), Refusal::none);
  EXPECT_EQ(Rules({.name = "n2"}, {.more = named("In")}).refusal(), Refusal::node_affinity);
  EXPECT_EQ(Rules({.name = "n2"}, {.more = named("NotIn")}).refusal(), Refusal::none);
}

TEST(NodeRules, ATermThatCannotBeReadMatchesNothing) {
  EXPECT_EQ(Rules({}, {.more = required(expression("a", "Like", R"("x")"))}).refusal(),
            Refusal::node_affinity);
}

TEST(NodeRules, SelectorAndAffinityMustBothHold) {
  const std::string more =
      R"(,"nodeSelector":{"zone":"a"})" + required(expression("disk", "In", R"("ssd")"));

  EXPECT_EQ(Rules({.labels = R"({"zone":"a","disk":"ssd"})"}, {.more = more}).refusal(),
            Refusal::none);
  EXPECT_EQ(Rules({.labels = R"({"zone":"a"})"}, {.more = more}).refusal(), Refusal::node_affinity);
  EXPECT_EQ(Rules({.labels = R"({"disk":"ssd"})"}, {.more = more}).refusal(),
            Refusal::node_affinity);
}

/// One toleration against one taint.
struct TaintRow {
  std::string_view name;
  std::string_view taint;
  std::string_view toleration;  ///< empty: none
  bool is_tolerated;
};

void PrintTo(const TaintRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr TaintRow kTaintRows[] = {
    {"no_toleration", R"({"key":"k","value":"v","effect":"NoSchedule"})", "", false},
    {"no_execute_refuses_too", R"({"key":"k","effect":"NoExecute"})", "", false},
    {"preferred_refuses_nobody", R"({"key":"k","effect":"PreferNoSchedule"})", "", true},
    {"equal",
     R"({"key":"k","value":"v","effect":"NoSchedule"})",
     R"({"key":"k","operator":"Equal","value":"v","effect":"NoSchedule"})",
     true},
    {"equal_is_what_no_operator_means",
     R"({"key":"k","value":"v","effect":"NoSchedule"})",
     R"({"key":"k","value":"v"})",
     true},
    {"another_value",
     R"({"key":"k","value":"v","effect":"NoSchedule"})",
     R"({"key":"k","value":"w"})",
     false},
    {"another_key",
     R"({"key":"k","value":"v","effect":"NoSchedule"})",
     R"({"key":"l","value":"v"})",
     false},
    {"another_effect",
     R"({"key":"k","value":"v","effect":"NoSchedule"})",
     R"({"key":"k","value":"v","effect":"NoExecute"})",
     false},
    {"exists_whatever_the_value",
     R"({"key":"k","value":"v","effect":"NoSchedule"})",
     R"({"key":"k","operator":"Exists"})",
     true},
    {"everything",
     R"({"key":"k","value":"v","effect":"NoExecute"})",
     R"({"operator":"Exists"})",
     true},
    {"everything_of_one_effect",
     R"({"key":"k","value":"v","effect":"NoExecute"})",
     R"({"operator":"Exists","effect":"NoSchedule"})",
     false},
    {"no_value_equals_no_value",
     R"({"key":"k","effect":"NoSchedule"})",
     R"({"key":"k","operator":"Equal"})",
     true},
};

class TaintTest : public testing::TestWithParam<TaintRow> {};

TEST_P(TaintTest, ATaintRefusesWhoDoesNotTolerateIt) {
  const auto& row = GetParam();

  const Rules rules({.spec = fmt::format(R"({{"taints":[{}]}})", row.taint)},
                    {.more = fmt::format(R"(,"tolerations":[{}])", row.toleration)});

  EXPECT_EQ(rules.refusal(), row.is_tolerated ? Refusal::none : Refusal::taint);
}

INSTANTIATE_TEST_SUITE_P(Table, TaintTest, testing::ValuesIn(kTaintRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(NodeRules, NamesTheFirstTaintThatIsInTheWay) {
  const Rules rules({.spec = R"({"taints":[{"key":"soft","effect":"PreferNoSchedule"},
                             {"key":"fine","effect":"NoSchedule"},
                             {"key":"bad","value":"x","effect":"NoSchedule"},
                             {"key":"worse","effect":"NoExecute"}]})"},
                    {.more = R"(,"tolerations":[{"key":"fine","operator":"Exists"}])"});

  EXPECT_EQ(rules.taint(), "{bad: x}");
}

TEST(NodeRules, ACordonIsATaintThatMayBeTolerated) {
  const NodeSpec cordoned{.spec = R"({"unschedulable":true})"};
  const auto with = [](std::string_view toleration) {
    return PodSpec{.more = fmt::format(R"(,"tolerations":[{}])", toleration)};
  };

  EXPECT_EQ(Rules(cordoned, {}).refusal(), Refusal::unschedulable);
  EXPECT_EQ(Rules(cordoned, with(R"({"key":"other","operator":"Exists"})")).refusal(),
            Refusal::unschedulable);
  EXPECT_EQ(Rules(cordoned, with(R"({"key":"node.kubernetes.io/unschedulable","operator":"Exists",
                           "effect":"NoSchedule"})"))
                .refusal(),
            Refusal::none);
}

// Source: kube-scheduler, default order of filters: the first that refuses speaks.
TEST(NodeRules, TheFirstRuleThatRefusesSpeaks) {
  const NodeSpec all_wrong{
      .name = "n1",
      .spec = R"({"unschedulable":true,"taints":[{"key":"k","effect":"NoSchedule"}]})"};
  const std::string selector = R"(,"nodeSelector":{"a":"b"})";
  const std::string cordon_is_fine =
      R"(,"tolerations":[{"key":"node.kubernetes.io/unschedulable","operator":"Exists"}])";

  EXPECT_EQ(Rules(all_wrong, {.more = selector, .node = "n2"}).refusal(), Refusal::unschedulable);
  EXPECT_EQ(Rules(all_wrong, {.more = selector + cordon_is_fine, .node = "n2"}).refusal(),
            Refusal::node_name);
  EXPECT_EQ(Rules(all_wrong, {.more = selector + cordon_is_fine}).refusal(), Refusal::taint);
  EXPECT_EQ(
      Rules(all_wrong, {.more = selector + R"(,"tolerations":[{"operator":"Exists"}])"}).refusal(),
      Refusal::node_affinity);
}

TEST(NodeRules, WeightsOfMatchingPreferencesAddUp) {
  const auto preferred = [](int weight, std::string_view key) {
    return fmt::format(
        R"({{"weight":{},"preference":{{"matchExpressions":[{{"key":"{}","operator":"Exists"}}]}}}})",
        weight,
        key);
  };
  const auto more = [](std::string_view list) {
    return fmt::format(
        R"(,"affinity":{{"nodeAffinity":{{"preferredDuringSchedulingIgnoredDuringExecution":[{}]}}}})",
        list);
  };
  const NodeSpec node{.labels = R"({"a":"1","b":"1"})"};
  const auto points = [&](const std::string& list) {
    return Rules(node, {.more = more(list)}).preference();
  };

  EXPECT_EQ(points(""), 0);
  EXPECT_EQ(points(preferred(10, "c")), 0);
  EXPECT_GT(points(preferred(10, "a")), 0);
  EXPECT_EQ(points(preferred(10, "a") + "," + preferred(30, "b")), points(preferred(40, "a")));
}

TEST(NodeRules, EveryPreferredTaintThatIsNotToleratedLowersTheRank) {
  const auto points = [](std::string_view taints, std::string more) {
    return Rules({.spec = fmt::format(R"({{"taints":[{}]}})", taints)}, {.more = std::move(more)})
        .preference();
  };
  constexpr std::string_view kOne = R"({"key":"a","effect":"PreferNoSchedule"})";
  constexpr std::string_view kTwo =
      R"({"key":"a","effect":"PreferNoSchedule"},{"key":"b","effect":"PreferNoSchedule"})";

  EXPECT_LT(points(kOne, ""), 0);
  EXPECT_LT(points(kTwo, ""), points(kOne, ""));
  EXPECT_EQ(points(kTwo, R"(,"tolerations":[{"operator":"Exists"}])"), 0);
}

}  // namespace
}  // namespace tetrarch::schedule
