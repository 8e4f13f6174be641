// SPDX-License-Identifier: Apache-2.0
// Files of tokens by their rules, and how evenly tokens are drawn.
#include "trust/bearer_tokens.h"

#include <array>
#include <map>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace tetrarch::trust {
namespace {

struct LineRow {
  std::string_view name;
  std::string_view csv;
  std::string_view user;  ///< of the token "t"; empty: nobody
  std::string_view uid;
  std::vector<std::string> groups;
};

void PrintTo(const LineRow& row, std::ostream* out) {
  *out << row.name;
}

class TokenLineTest : public testing::TestWithParam<LineRow> {};

TEST_P(TokenLineTest, SaysWhoABearerIs) {
  const auto tokens = StaticTokens::parse(GetParam().csv);

  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  const auto found = tokens->find("t");
  EXPECT_EQ(found.has_value(), !GetParam().user.empty());
  if (found) {
    EXPECT_EQ(found->user, GetParam().user);
    EXPECT_EQ(found->uid, GetParam().uid);
    EXPECT_EQ(found->groups, GetParam().groups);
  }
}

const std::string kAll{kAuthenticated};
const LineRow kLines[] = {
    {"empty_file", "", "", "", {}},
    {"only_comments", "# t,ann,1\n  # t,ann,1\n", "", "", {}},
    {"no_line_end", "t,ann,1", "ann", "1", {kAll}},
    {"dos_line_ends", "x,bob,2\r\nt,ann,1\r\n", "ann", "1", {kAll}},
    {"blanks_around", " t ,\tann , 1 ", "ann", "1", {kAll}},
    {"no_uid", "t,ann,", "ann", "", {kAll}},
    {"groups_in_quotes", R"(t,ann,1,"a,b")", "ann", "1", {"a", "b", kAll}},
    {"one_group", "t,ann,1,a", "ann", "1", {"a", kAll}},
    {"empty_groups", R"(t,ann,1,", ,a,")", "ann", "1", {"a", kAll}},
    {"group_of_all_once", "t,ann,1,system:authenticated", "ann", "1", {kAll}},
    {"comma_in_a_user", R"(t,"ann, the first",1)", "ann, the first", "1", {kAll}},
    {"further_fields", "t,ann,1,a,b,c", "ann", "1", {"a", kAll}},
    {"the_first_of_two", "t,ann,1\nt,bob,2\n", "ann", "1", {kAll}},
    {"tokens_are_no_prefixes", "tt,ann,1\n", "", "", {}},
    {"tokens_have_a_case", "T,ann,1\n", "", "", {}},
};

INSTANTIATE_TEST_SUITE_P(Table, TokenLineTest, testing::ValuesIn(kLines), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(StaticTokens, NameTheLineThatIsWrongAndNotItsToken) {
  for (const std::string_view bad :
       {"secret", "secret,ann", ",ann,1", "secret,,1", R"(secret,ann,1,"a)"}) {
    const auto tokens = StaticTokens::parse("# one\nx,bob,2\n" + std::string(bad));
    ASSERT_FALSE(tokens.ok()) << bad;
    EXPECT_EQ(tokens.error().code, Code::invalid);
    EXPECT_THAT(tokens.error().message, testing::StartsWith("line 3 of the token file"));
    EXPECT_THAT(tokens.error().message, testing::Not(testing::HasSubstr("secret")));
  }
}

/// Gives each byte in turn.
class EveryByte final : public Random {
 public:
  std::uint64_t next() override {
    std::uint64_t out = 0;
    for (unsigned i = 0; i < 8; ++i) {
      out |= static_cast<std::uint64_t>(byte_++) << 8 * i;
    }
    return out;
  }

 private:
  std::uint8_t byte_ = 0;
};

TEST(TokenText, HasEachCharacterEquallyOften) {
  EveryByte random;
  std::map<char, int> counts;

  for (int i = 0; i < 36; ++i) {
    for (const char c : make_token_text(random, 256)) {
      ++counts[c];
    }
  }

  ASSERT_EQ(counts.size(), 36U);
  const auto [least, most] =
      std::minmax_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      });
  EXPECT_LE(most->second - least->second, 2 * 36);  // at most the ends of each text
}

TEST(JoinToken, NeverRepeatsWhatItRefuses) {
  const auto refused = JoinToken::parse("tetrarch1.secretsecret");

  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, testing::Not(testing::HasSubstr("secretsecret")));
}

}  // namespace
}  // namespace tetrarch::trust
