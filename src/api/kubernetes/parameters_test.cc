// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/parameters.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;

net::Request with_query(std::string_view query) {
  net::Request out;
  out.method = "GET";
  out.query = query;
  return out;
}

TEST(ListParameters, ReadsAllThatAListTakes) {
  const auto found =
      list_parameters(with_query("limit=500&continue=abc&labelSelector=app%3Dweb&fieldSelector="
                                 "spec.nodeName%3Dn1&resourceVersion=7"));

  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->list.limit, 500U);
  EXPECT_EQ(found->list.continue_token, "abc");
  EXPECT_EQ(found->list.select.labels, "app=web");
  EXPECT_EQ(found->list.select.fields, "spec.nodeName=n1");
  EXPECT_EQ(found->list.at.resource_version, "7");
  EXPECT_FALSE(found->is_watch);
}

TEST(ListParameters, ReadsWhatAnInformerAsks) {
  const auto found =
      list_parameters(with_query("watch=true&allowWatchBookmarks=true&sendInitialEvents=true&"
                                 "resourceVersionMatch=NotOlderThan&timeoutSeconds=431"));

  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_TRUE(found->is_watch);
  EXPECT_TRUE(found->wants_bookmarks);
  EXPECT_EQ(found->sends_initial_events, true);
  EXPECT_EQ(found->timeout_s, 431);
}

struct FlagRow {
  std::string_view name;
  std::string_view query;
  bool is_set;
};

void PrintTo(const FlagRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kFlags = std::to_array<FlagRow>({
    {"absent", "limit=1", false},
    {"no", "watch=false", false},
    {"no_in_any_case", "watch=FaLSE", false},
    {"zero", "watch=0", false},
    {"yes", "watch=true", true},
    {"one", "watch=1", true},
    {"bare", "limit=1&watch", true},
    {"empty", "watch=", true},
    {"no_boolean", "watch=maybe", true},
    {"half_a_no", "watch=f", true},
    {"first_of_two", "watch=0&watch=1", false},
});

class FlagTest : public testing::TestWithParam<FlagRow> {};

TEST_P(FlagTest, IsSetUnlessItSaysNo) {
  const auto found = list_parameters(with_query(GetParam().query));

  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->is_watch, GetParam().is_set);
}

INSTANTIATE_TEST_SUITE_P(Table, FlagTest, testing::ValuesIn(kFlags), [](const auto& row) {
  return std::string(row.param.name);
});

struct RefusalRow {
  std::string_view name;
  std::string_view query;
  Code code;
  std::string_view message;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRefusals = std::to_array<RefusalRow>({
    {"limit_no_number", "limit=many", Code::malformed, "parameter limit"},
    {"limit_too_big", "limit=99999999999999999999", Code::malformed, "parameter limit"},
    {"unknown_match",
     "resourceVersionMatch=Newest&resourceVersion=1",
     Code::invalid,
     "Unsupported value: \"Newest\""},
    {"match_without_version",
     "resourceVersionMatch=Exact",
     Code::invalid,
     "unless resourceVersion is provided"},
    {"match_with_continue",
     "resourceVersionMatch=Exact&resourceVersion=1&continue=x",
     Code::invalid,
     "forbidden when continue is provided"},
    {"exact_zero",
     "resourceVersionMatch=Exact&resourceVersion=0",
     Code::invalid,
     "forbidden for resourceVersion \"0\""},
    {"initial_events_of_a_list",
     "sendInitialEvents=true",
     Code::invalid,
     "sendInitialEvents is forbidden for list"},
    {"initial_events_without_match",
     "watch=1&sendInitialEvents=true",
     Code::invalid,
     "requires setting resourceVersionMatch to NotOlderThan"},
    {"match_of_a_plain_watch",
     "watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1",
     Code::invalid,
     "unless sendInitialEvents is provided"},
});

class ListRefusalTest : public testing::TestWithParam<RefusalRow> {};

TEST_P(ListRefusalTest, SaysWhatIsWrong) {
  const auto found = list_parameters(with_query(GetParam().query));

  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, GetParam().code);
  EXPECT_THAT(found.error().message, HasSubstr(std::string(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(Table, ListRefusalTest, testing::ValuesIn(kRefusals), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(WriteParameters, ReadsDryRunValidationAndManager) {
  const auto found =
      write_parameters(with_query("dryRun=All&fieldValidation=Strict&fieldManager=kubectl-edit"));

  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_TRUE(found->options.is_dry_run);
  EXPECT_EQ(found->field_validation, registry::FieldValidation::strict);
  EXPECT_EQ(found->options.field_manager, "kubectl-edit");
}

TEST(WriteParameters, RefusesWhatIsNoChoice) {
  EXPECT_THAT(write_parameters(with_query("dryRun=Some")).error().message,
              HasSubstr("dryRun: Unsupported value: \"Some\": supported values: \"All\""));
  EXPECT_THAT(write_parameters(with_query("fieldValidation=Lax")).error().message,
              HasSubstr("fieldValidation"));
  EXPECT_FALSE(write_parameters(with_query("fieldManager=" + std::string(200, 'x'))).ok());
}

struct PatchRow {
  std::string name;
  std::string query;
  client::PatchType type;
  std::string message;  ///< empty: nothing is wrong
};

void PrintTo(const PatchRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kApply = client::PatchType::apply;
constexpr const char* kInvalidOptions = "PatchOptions.meta.k8s.io \"\" is invalid: ";

const std::vector<PatchRow> kPatchRows = {
    {"apply", "fieldManager=m&force=true", kApply, ""},
    {"apply_without_manager",
     "force=true",
     kApply,
     "fieldManager: Required value: is required for apply patch"},
    {"force_elsewhere",
     "force=true",
     client::PatchType::merge,
     "force: Forbidden: may not be specified for non-apply patch"},
    {"no_force_elsewhere_either",
     "force=false",
     client::PatchType::json,
     "force: Forbidden: may not be specified for non-apply patch"},
    {"manager_of_128", "fieldManager=" + std::string(128, 'm'), kApply, ""},
    {"manager_of_129",
     "fieldManager=" + std::string(129, 'm'),
     kApply,
     "fieldManager: Too long: may not be more than 128 bytes"},
    {"manager_beyond_ascii", "fieldManager=%C3%A9%F0%9F%98%80", kApply, ""},
    {"manager_with_a_bell",
     "fieldManager=a%07",
     kApply,
     "fieldManager: Invalid value: \"a\x07\": invalid character U+0007 (at position 1)"},
    {"manager_that_is_no_text",
     "fieldManager=a%FF",
     kApply,
     "fieldManager: Invalid value: \"a\xEF\xBF\xBD\": invalid character U+00FF (at position 1)"},
    {"validation_that_is_none",
     "fieldManager=m&fieldValidation=Lax",
     kApply,
     "fieldValidation: Unsupported value: \"Lax\""},
};

class PatchParameters : public testing::TestWithParam<PatchRow> {};

TEST_P(PatchParameters, AreReadStrictly) {
  const auto found = patch_parameters(with_query(GetParam().query), GetParam().type);
  if (GetParam().message.empty()) {
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(found->options.is_forced, GetParam().query.ends_with("force=true"));
  } else {
    ASSERT_FALSE(found.ok());
    EXPECT_THAT(found.error().message, testing::StartsWith(kInvalidOptions + GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(Table,
                         PatchParameters,
                         testing::ValuesIn(kPatchRows),
                         [](const auto& row) { return row.param.name; });

TEST(PrintableManager, IsWhatCanBeReadOfAUserAgent) {
  EXPECT_EQ(printable_manager("kubectl"), "kubectl");
  EXPECT_EQ(printable_manager("a\x01\xff b"), "a b");
  EXPECT_EQ(printable_manager(std::string(127, 'x') + "\xC3\xA9"), std::string(127, 'x'));
  EXPECT_EQ(printable_manager(""), "");
}

TEST(DeleteParameters, LetTheBodyWin) {
  auto request = with_query("gracePeriodSeconds=30&propagationPolicy=Orphan");
  request.body =
      R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":)"
      R"("Foreground",)"
      R"("preconditions":{"uid":"u1","resourceVersion":"12"},"dryRun":["All"]})";

  const auto found = delete_parameters(request);

  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->grace_seconds, 0);
  EXPECT_EQ(found->propagation, client::Propagation::foreground);
  EXPECT_EQ(found->expected_uid, "u1");
  EXPECT_EQ(found->expected.number, 12U);
  EXPECT_TRUE(found->is_dry_run);
}

TEST(DeleteParameters, TakeThePolicyOrTheOlderFlagButNotBoth) {
  EXPECT_EQ(delete_parameters(with_query("orphanDependents=true"))->propagation,
            client::Propagation::orphan);
  EXPECT_EQ(delete_parameters(with_query("orphanDependents=false"))->propagation,
            client::Propagation::background);
  auto request = with_query("");
  request.body = R"({"propagationPolicy":"Orphan","orphanDependents":true})";

  EXPECT_EQ(delete_parameters(request).error().message,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: "
            "\"Orphan\": orphanDependents and deletionPropagation cannot be both set");
}

TEST(DeleteParameters, RefuseABodyThatIsNone) {
  auto request = with_query("");
  for (const auto* body : {"{", "[]", R"({"kind":"Pod"})", R"({"gracePeriodSeconds":"soon"})"}) {
    request.body = body;
    EXPECT_FALSE(delete_parameters(request).ok()) << body;
  }
  EXPECT_FALSE(delete_parameters(with_query("propagationPolicy=Sideways")).ok());
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
