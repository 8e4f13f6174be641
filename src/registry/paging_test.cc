// SPDX-License-Identifier: Apache-2.0
#include "registry/paging.h"

#include "base/encoding.h"
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

struct PlaceRow {
  std::string_view name;
  ContinueToken token;
};

void PrintTo(const PlaceRow& row, std::ostream* out) {
  *out << row.name;
}

class PlaceTest : public testing::TestWithParam<PlaceRow> {};

TEST_P(PlaceTest, IsReadBackFromItsToken) {
  const auto& token = GetParam().token;

  const auto again = ContinueToken::parse(token.text());

  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->revision, token.revision);
  EXPECT_EQ(again->ns, token.ns);
  EXPECT_EQ(again->name, token.name);
}

const PlaceRow kPlaces[] = {
    {"namespaced", {7, "default", "web"}},
    {"cluster_wide", {7, "", "node-1"}},
    {"newest", {0, "default", "web"}},
    {"a_name_with_slashes", {7, "a", "b/c"}},
    {"the_largest_revision", {0x7FFF'FFFF'FFFF'FFFF, "a", "b"}},
};

INSTANTIATE_TEST_SUITE_P(Table, PlaceTest, testing::ValuesIn(kPlaces), [](const auto& row) {
  return std::string(row.param.name);
});

struct ForgedRow {
  std::string_view name;
  std::string_view json;
};

void PrintTo(const ForgedRow& row, std::ostream* out) {
  *out << row.name;
}

class ForgedTest : public testing::TestWithParam<ForgedRow> {};

TEST_P(ForgedTest, IsNotIssuedHere) {
  const auto token = ContinueToken::parse(base64url_encode(GetParam().json));

  ASSERT_FALSE(token.ok());
  EXPECT_EQ(token.error().code, Code::malformed);
  EXPECT_EQ(token.error().message, "continue key is not valid: the token was not issued here");
}

constexpr ForgedRow kForged[] = {
    {"no_json", "junk"},
    {"no_object", "[]"},
    {"another_version", R"({"v":"v2","rv":1,"start":"a/b"})"},
    {"no_version", R"({"rv":1,"start":"a/b"})"},
    {"no_revision", R"({"v":"meta.k8s.io/v1","start":"a/b"})"},
    {"a_revision_in_text", R"({"v":"meta.k8s.io/v1","rv":"1","start":"a/b"})"},
    {"a_negative_revision", R"({"v":"meta.k8s.io/v1","rv":-1,"start":"a/b"})"},
    {"a_revision_beyond_integers", R"({"v":"meta.k8s.io/v1","rv":1e300,"start":"a/b"})"},
    {"a_revision_beyond_all", R"({"v":"meta.k8s.io/v1","rv":99999999999999999999,"start":"a/b"})"},
    {"no_start", R"({"v":"meta.k8s.io/v1","rv":1})"},
    {"a_start_without_namespace", R"({"v":"meta.k8s.io/v1","rv":1,"start":"b"})"},
    {"a_start_of_another_type", R"({"v":"meta.k8s.io/v1","rv":1,"start":["a/b"]})"},
};

INSTANTIATE_TEST_SUITE_P(Table, ForgedTest, testing::ValuesIn(kForged), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(ContinueToken, ThatIsNoBase64IsRefused) {
  for (const auto* text : {"", "!", "a b", "e30=="}) {
    EXPECT_FALSE(ContinueToken::parse(text).ok()) << text;
  }
}

class PagedSnapshotsTest : public RegistryTest {
 protected:
  PagedSnapshotsTest() {
    options_.paged_snapshots_max = 2;
    options_.paged_snapshot_age_max = std::chrono::seconds(60);
    open_namespace("default");
  }

  /// A snapshot that nobody else has the revision of.
  store::Snapshot fresh() {
    EXPECT_TRUE(create("configmaps", "default", R"({"metadata":{"generateName":"c-"}})").ok());
    return store_->snapshot();
  }

  Options options_;
  PagedSnapshots kept_{clock_, options_};
};

TEST_F(PagedSnapshotsTest, AreFoundByTheirRevision) {
  const auto snapshot = fresh();

  kept_.keep(snapshot);

  const auto revision = snapshot.revision().number;
  EXPECT_EQ(kept_.find(revision)->revision(), snapshot.revision());
  EXPECT_FALSE(kept_.find(revision + 1));
  EXPECT_FALSE(kept_.find(0));
}

TEST_F(PagedSnapshotsTest, TheOldestGoesFirst) {
  const auto first = fresh();
  const auto second = fresh();
  const auto third = fresh();

  for (const auto& each : {first, second, third}) {
    kept_.keep(each);
  }

  EXPECT_FALSE(kept_.find(first.revision().number));
  EXPECT_TRUE(kept_.find(second.revision().number));
  EXPECT_TRUE(kept_.find(third.revision().number));
}

TEST_F(PagedSnapshotsTest, WhoComesTooLateFindsNothing) {
  const auto snapshot = fresh();
  kept_.keep(snapshot);

  clock_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(kept_.find(snapshot.revision().number));
  clock_.advance(std::chrono::seconds(1));
  EXPECT_FALSE(kept_.find(snapshot.revision().number));
}

TEST_F(PagedSnapshotsTest, EachPageThatIsAskedForKeepsItLonger) {
  const auto snapshot = fresh();
  kept_.keep(snapshot);

  for (int page = 0; page < 3; ++page) {
    clock_.advance(std::chrono::seconds(40));
    ASSERT_TRUE(kept_.find(snapshot.revision().number)) << page;
    kept_.keep(snapshot);
  }
}

}  // namespace
}  // namespace tetrarch::registry
