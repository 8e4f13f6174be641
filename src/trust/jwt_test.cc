// SPDX-License-Identifier: Apache-2.0
// The claims of a token by their rules: what is read, what is refused, and when a token holds.
#include "trust/jwt.h"

#include <array>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::trust {
namespace {

using std::chrono::seconds;

constexpr TimePoint kNow{seconds(1'795'000'000)};

template <class Row>
std::string name_of(const testing::TestParamInfo<Row>& row) {
  return std::string(row.param.name);
}

struct SplitRow {
  std::string_view name;
  std::string_view token;
  bool is_token;
};

void PrintTo(const SplitRow& row, std::ostream* out) {
  *out << row.name;
}

class SplitTest : public testing::TestWithParam<SplitRow> {};

TEST_P(SplitTest, TakesThreePartsAndNothingElse) {
  const auto parts = split_token(GetParam().token);

  EXPECT_EQ(parts.ok(), GetParam().is_token);
  if (parts.ok()) {
    EXPECT_EQ(std::string(parts->signed_text) + "." + std::string(parts->signature),
              GetParam().token);
  } else {
    EXPECT_EQ(parts.error().code, Code::unauthenticated);
  }
}

const auto kLargest = "a.b." + std::string((std::size_t{16} << 10) - 4, 'c');
const auto kTooLarge = kLargest + "c";

const SplitRow kSplits[] = {
    {"three", "h.c.s", true},
    {"empty_parts", "..", true},
    {"nothing", "", false},
    {"no_dot", "abc", false},
    {"one_dot", "a.b", false},
    {"three_dots", "a.b.c.d", false},
    {"dots_in_a_row", "...", false},
    {"largest", kLargest, true},
    {"too_large", kTooLarge, false},
};

INSTANTIATE_TEST_SUITE_P(Table, SplitTest, testing::ValuesIn(kSplits), name_of<SplitRow>);

struct HeaderRow {
  std::string_view name;
  std::string_view json;
  std::string_view algorithm;  ///< or the message where it is refused
  std::string_view key_id;
};

void PrintTo(const HeaderRow& row, std::ostream* out) {
  *out << row.name;
}

class HeaderTest : public testing::TestWithParam<HeaderRow> {};

TEST_P(HeaderTest, SaysWithWhatItIsSigned) {
  const auto header = read_header(GetParam().json);

  if (!header.ok()) {
    EXPECT_EQ(header.error().message, GetParam().algorithm);
    return;
  }
  EXPECT_EQ(header->algorithm, GetParam().algorithm);
  EXPECT_EQ(header->key_id, GetParam().key_id);
}

constexpr std::string_view kNoObject = "malformed token: not a JSON object";
constexpr auto kHeaders = std::to_array<HeaderRow>({
    {"usual", R"({"alg":"ES256","kid":"k","typ":"JWT"})", "ES256", "k"},
    {"no_key", R"({"alg":"ES256"})", "ES256", ""},
    {"numbers_are_no_names", R"({"alg":1,"kid":[]})", "", ""},
    {"last_of_two_counts", R"({"alg":"none","alg":"ES256"})", "ES256", ""},
    {"demands",
     R"({"alg":"ES256","crit":[]})",
     "malformed token: it demands extensions that are not supported",
     ""},
    {"array", "[]", kNoObject, ""},
    {"text", R"("alg")", kNoObject, ""},
    {"empty", "", kNoObject, ""},
    {"more_behind_it", "{}x", kNoObject, ""},
});

INSTANTIATE_TEST_SUITE_P(Table, HeaderTest, testing::ValuesIn(kHeaders), name_of<HeaderRow>);

TEST(ReadHeader, RefusesWhatIsNestedWithoutEnd) {
  const auto deep = R"({"kid":)" + std::string(10'000, '[');

  EXPECT_FALSE(read_header(deep).ok());
}

/// Claims of the account ns/a with one more member.
std::string claims_with(std::string_view member) {
  return R"({"iss":"i","sub":"system:serviceaccount:ns:a","kubernetes.io":{"namespace":"ns",)"
         R"("serviceaccount":{"name":"a","uid":"1"}})" +
         std::string(member.empty() ? "" : ",") + std::string(member) + "}";
}

TEST(ReadClaims, LeavesOutWhatIsOfAnotherType) {
  const auto claims = read_claims(claims_with(R"("aud":7,"jti":[],"exp":"soon","nbf":null)"));

  ASSERT_TRUE(claims.ok());
  EXPECT_THAT(claims->audiences, testing::IsEmpty());
  EXPECT_EQ(claims->id, "");
  EXPECT_EQ(claims->expires_at, TimePoint());
  EXPECT_EQ(claims->not_before, TimePoint());
}

TEST(ReadClaims, TakesOneAudienceOrMany) {
  EXPECT_THAT(read_claims(claims_with(R"("aud":"x")"))->audiences, testing::ElementsAre("x"));
  EXPECT_THAT(read_claims(claims_with(R"("aud":["x",1,"y"])"))->audiences,
              testing::ElementsAre("x", "y"));
}

struct TimeRow {
  std::string_view name;
  std::string_view value;
  std::int64_t seconds;
};

void PrintTo(const TimeRow& row, std::ostream* out) {
  *out << row.name;
}

class ClaimTimeTest : public testing::TestWithParam<TimeRow> {};

TEST_P(ClaimTimeTest, IsWithinWhatTimesCanBe) {
  const auto claims = read_claims(claims_with(R"("exp":)" + std::string(GetParam().value)));

  ASSERT_TRUE(claims.ok());
  EXPECT_EQ(claims->expires_at, TimePoint(seconds(GetParam().seconds)));
}

constexpr auto kTimes = std::to_array<TimeRow>({
    {"whole", "1795000000", 1'795'000'000},
    {"fraction", "1795000000.9", 1'795'000'000},
    {"exponent", "1e9", 1'000'000'000},
    {"before_the_epoch", "-1", 0},
    {"last_second", "253402300799", 253'402'300'799},
    {"too_late", "253402300800", 253'402'300'799},
    {"beyond_integers", "18446744073709551615", 253'402'300'799},
    {"beyond_all", "1e300", 253'402'300'799},
    {"nothing_with_a_huge_exponent", "0e1300", 0},
});

INSTANTIATE_TEST_SUITE_P(Table, ClaimTimeTest, testing::ValuesIn(kTimes), name_of<TimeRow>);

struct SubjectRow {
  std::string_view name;
  std::string_view json;
};

void PrintTo(const SubjectRow& row, std::ostream* out) {
  *out << row.name;
}

class SubjectTest : public testing::TestWithParam<SubjectRow> {};

TEST_P(SubjectTest, HasToBeTheAccountThatIsNamed) {
  const auto claims = read_claims(GetParam().json);

  ASSERT_FALSE(claims.ok());
  EXPECT_EQ(claims.error().code, Code::unauthenticated);
}

constexpr auto kSubjects = std::to_array<SubjectRow>({
    {"no_object", R"({"sub":"system:serviceaccount:ns:a"})"},
    {"object_of_another_type", R"({"sub":"system:serviceaccount:ns:a","kubernetes.io":"ns"})"},
    {"no_namespace",
     R"({"sub":"system:serviceaccount::a","kubernetes.io":{"serviceaccount":{"name":"a"}}})"},
    {"no_account", R"({"sub":"system:serviceaccount:ns:","kubernetes.io":{"namespace":"ns"}})"},
    {"no_subject", R"({"kubernetes.io":{"namespace":"ns","serviceaccount":{"name":"a"}}})"},
    {"another_namespace",
     R"({"sub":"system:serviceaccount:kube-system:a","kubernetes.io":{"namespace":"ns",)"
     R"("serviceaccount":{"name":"a"}}})"},
    {"a_user",
     R"({"sub":"admin","kubernetes.io":{"namespace":"ns","serviceaccount":{"name":"a"}}})"},
});

INSTANTIATE_TEST_SUITE_P(Table, SubjectTest, testing::ValuesIn(kSubjects), name_of<SubjectRow>);

TEST(WriteClaims, AreReadBackWithAllTheyAreBoundTo) {
  auto claims = *read_claims(claims_with(R"("aud":["x"],"exp":20,"iat":10,"nbf":9,"jti":"j")"));
  claims.pod = {"p", "2"};
  claims.secret = {"s", "3"};
  claims.node = {"n", "4"};

  EXPECT_EQ(*read_claims(write_claims(claims)), claims);
}

struct HoldsRow {
  std::string_view name;
  std::int64_t not_before;  ///< seconds from now
  std::int64_t expires;
  std::string_view audience;
  std::string_view message;  ///< empty: it holds
};

void PrintTo(const HoldsRow& row, std::ostream* out) {
  *out << row.name;
}

class HoldsTest : public testing::TestWithParam<HoldsRow> {};

TEST_P(HoldsTest, WithinItsTimeForItsAudience) {
  TokenClaims claims;
  claims.issuer = "i";
  claims.audiences = {"x", "y"};
  claims.not_before = kNow + seconds(GetParam().not_before);
  claims.expires_at = kNow + seconds(GetParam().expires);

  const auto held = check_claims(claims, "i", GetParam().audience, kNow);

  EXPECT_EQ(held.ok() ? "" : held.error().message, GetParam().message);
}

constexpr std::string_view kExpired = "service account token has expired";
constexpr std::string_view kEarly = "service account token is not valid yet";
constexpr auto kHolds = std::to_array<HoldsRow>({
    {"any_audience", -1, 1, "", ""},
    {"second_audience", -1, 1, "y", ""},
    {"the_moment_it_expires", -1, 0, "", kExpired},
    {"expired_before_it_began", 100, -1, "", kExpired},
    {"a_clock_behind", 60, 100, "", ""},
    {"a_clock_further_behind", 61, 100, "", kEarly},
    {"another_audience",
     -1,
     1,
     "z",
     R"(token audiences ["x" "y"] is invalid for the target audiences ["z"])"},
    {"audiences_are_no_prefixes",
     -1,
     1,
     "xy",
     R"(token audiences ["x" "y"] is invalid for the target audiences ["xy"])"},
});

INSTANTIATE_TEST_SUITE_P(Table, HoldsTest, testing::ValuesIn(kHolds), name_of<HoldsRow>);

TEST(CheckClaims, NamesWhoIssuedAForeignToken) {
  TokenClaims claims;
  claims.issuer = "them";
  claims.expires_at = kNow + seconds(1);

  EXPECT_EQ(check_claims(claims, "us", "", kNow).error().message,
            R"(the token was issued by "them", not by this cluster)");
}

TEST(Identity, OfATokenThatIsBoundToNothingHasNoExtras) {
  const auto identity = read_claims(claims_with(""))->identity();

  EXPECT_EQ(identity.uid, "1");
  EXPECT_TRUE(identity.extra.empty());
}

}  // namespace
}  // namespace tetrarch::trust
