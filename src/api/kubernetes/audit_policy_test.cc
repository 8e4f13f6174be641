// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/audit_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::HasSubstr;

Result<AuditPolicy> policy_of(std::string_view rules, std::string_view more = "") {
  const auto text = std::string(R"({"apiVersion":"audit.k8s.io/v1","kind":"Policy",)") +
                    std::string(more) + R"("rules":)" + std::string(rules) + "}";
  const auto document = object::Document::parse(text);
  EXPECT_TRUE(document.ok()) << text;
  return AuditPolicy::parse((*document)->root());
}

const std::vector<std::string> kGroups{"system:authenticated", "team-a"};

AuditSubject pod_get() {
  return {.user = "ann",
          .groups = kGroups,
          .verb = "get",
          .is_resource = true,
          .path = "/api/v1/namespaces/a/pods/web",
          .group = "",
          .resource = "pods",
          .subresource = "",
          .ns = "a",
          .name = "web"};
}

AuditSubject pod_log() {
  auto out = pod_get();
  out.subresource = "log";
  return out;
}

AuditSubject version_get() {
  return {.user = "ann",
          .groups = kGroups,
          .verb = "get",
          .is_resource = false,
          .path = "/healthz/ping",
          .group = "",
          .resource = "",
          .subresource = "",
          .ns = "",
          .name = ""};
}

struct MatchRow {
  std::string_view name;
  std::string_view rule;  ///< beside its level
  bool pod = false;
  bool log = false;
  bool path = false;
};

void PrintTo(const MatchRow& row, std::ostream* out) {
  *out << row.name;
}

class AuditMatchTest : public ::testing::TestWithParam<MatchRow> {};

TEST_P(AuditMatchTest, MatchesAsTheRuleSays) {
  const auto& row = GetParam();
  const auto policy = policy_of(R"([{"level":"Metadata")" + std::string(row.rule) + "}]");
  ASSERT_TRUE(policy.ok()) << policy.error().message;

  const auto is_logged = [&](const AuditSubject& subject) {
    return policy->rule_for(subject).level == AuditLevel::metadata;
  };
  EXPECT_EQ(is_logged(pod_get()), row.pod);
  EXPECT_EQ(is_logged(pod_log()), row.log);
  EXPECT_EQ(is_logged(version_get()), row.path);
}

constexpr MatchRow kMatchRows[] = {
    {"everything", "", true, true, true},
    {"user", R"(,"users":["bob","ann"])", true, true, true},
    {"other_user", R"(,"users":["bob"])", false, false, false},
    {"group", R"(,"userGroups":["team-a"])", true, true, true},
    {"other_group", R"(,"userGroups":["team-b"])", false, false, false},
    {"verb", R"(,"verbs":["list","get"])", true, true, true},
    {"other_verb", R"(,"verbs":["list"])", false, false, false},
    {"ns", R"(,"namespaces":["a"])", true, true, false},
    {"other_ns", R"(,"namespaces":["b"])", false, false, false},
    {"cluster_scope", R"(,"namespaces":[""])", false, false, false},
    {"any_of_group", R"(,"resources":[{"group":""}])", true, true, false},
    {"other_api_group", R"(,"resources":[{"group":"apps"}])", false, false, false},
    {"resource", R"(,"resources":[{"resources":["pods"]}])", true, false, false},
    {"subresource", R"(,"resources":[{"resources":["pods/log"]}])", false, true, false},
    {"all_subresources", R"(,"resources":[{"resources":["pods/*"]}])", true, true, false},
    {"of_any_resource", R"(,"resources":[{"resources":["*/log"]}])", false, true, false},
    {"star", R"(,"resources":[{"resources":["*"]}])", true, true, false},
    {"by_name",
     R"(,"resources":[{"resources":["pods"],"resourceNames":["web"]}])",
     true,
     false,
     false},
    {"by_other_name",
     R"(,"resources":[{"resources":["pods"],"resourceNames":["db"]}])",
     false,
     false,
     false},
    {"path", R"(,"nonResourceURLs":["/healthz*"])", false, false, true},
    {"exact_path", R"(,"nonResourceURLs":["/healthz/ping"])", false, false, true},
    {"other_path", R"(,"nonResourceURLs":["/healthz"])", false, false, false},
    {"all_paths", R"(,"nonResourceURLs":["*"])", false, false, true},
};

INSTANTIATE_TEST_SUITE_P(Table,
                         AuditMatchTest,
                         ::testing::ValuesIn(kMatchRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(AuditPolicy, TakesTheFirstRuleThatMatches) {
  const auto policy = policy_of(R"([{"level":"None","resources":[{"resources":["pods"]}]},)"
                                R"({"level":"RequestResponse","omitStages":["ResponseStarted"]}])",
                                R"("omitStages":["RequestReceived"],)");
  ASSERT_TRUE(policy.ok()) << policy.error().message;

  EXPECT_EQ(policy->rule_for(pod_get()).level, AuditLevel::none);
  const auto& rest = policy->rule_for(pod_log());
  EXPECT_EQ(rest.level, AuditLevel::request_response);
  EXPECT_TRUE(rest.omits(AuditStage::request_received));
  EXPECT_TRUE(rest.omits(AuditStage::response_started));
  EXPECT_FALSE(rest.omits(AuditStage::response_complete));
}

TEST(AuditPolicy, LetsARuleOverrideManagedFields) {
  const auto policy = policy_of(
      R"([{"level":"Request","users":["ann"],"omitManagedFields":false},{"level":"Request"}])",
      R"("omitManagedFields":true,)");
  ASSERT_TRUE(policy.ok());

  EXPECT_FALSE(policy->rule_for(pod_get()).omits_managed_fields);
  auto other = pod_get();
  other.user = "bob";
  EXPECT_TRUE(policy->rule_for(other).omits_managed_fields);
}

struct BadRow {
  std::string_view name;
  std::string_view rules;
  std::string_view words;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.name;
}

class BadPolicyTest : public ::testing::TestWithParam<BadRow> {};

TEST_P(BadPolicyTest, NamesTheFieldAtFault) {
  const auto policy = policy_of(GetParam().rules);

  ASSERT_FALSE(policy.ok());
  EXPECT_EQ(policy.error().code, Code::invalid);
  EXPECT_THAT(policy.error().message, HasSubstr(std::string(GetParam().words)));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    BadPolicyTest,
    ::testing::Values(
        BadRow{"no_rules", "[]", "rules: must be a list with at least one rule"},
        BadRow{"level", R"([{"level":"All"}])", R"(rules[0].level: "All" is none of)"},
        BadRow{"no_level", R"([{}])", "rules[0].level"},
        BadRow{"unknown", R"([{"level":"None","user":["a"]}])", R"(unknown field "user")"},
        BadRow{"stage", R"([{"level":"None","omitStages":["End"]}])", R"("End" is no stage)"},
        BadRow{
            "both", R"([{"level":"None","namespaces":["a"],"nonResourceURLs":["*"]}])", "not both"},
        BadRow{"path", R"([{"level":"None","nonResourceURLs":["a"]}])", "begins with '/'"},
        BadRow{"star_inside", R"([{"level":"None","nonResourceURLs":["/a*b"]}])", "at its end"},
        BadRow{"names",
               R"([{"level":"None"},{"level":"None","resources":[{"resourceNames":["a"]}]}])",
               "rules[1].resources: resourceNames need resources"},
        BadRow{"no_list", R"([{"level":"None","users":"ann"}])", "rules[0].users: must be a list"},
        BadRow{"no_map", R"(["None"])", "rules[0]: must be a map"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(AuditPolicy, IsOfItsKind) {
  const auto document =
      object::Document::parse(R"({"apiVersion":"v1","kind":"Policy","rules":[{"level":"None"}]})");
  ASSERT_TRUE(document.ok());

  EXPECT_THAT(AuditPolicy::parse((*document)->root()).error().message,
              HasSubstr("audit.k8s.io/v1"));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
