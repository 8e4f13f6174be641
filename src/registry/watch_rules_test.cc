// SPDX-License-Identifier: Apache-2.0
// Where a watch begins, what it repeats, and when it must be begun anew.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::EventType;
using testing::ElementsAre;
using testing::StartsWith;

class WatchRulesTest : public RegistryTest {
 protected:
  WatchRulesTest() { open_namespace("default"); }

  void make(const std::string& name, const std::string& labels = "{}") {
    ASSERT_TRUE(create("configmaps",
                       "default",
                       R"({"metadata":{"name":")" + name + R"(","labels":)" + labels + "}}")
                    .ok());
  }

  Revision now() const { return store_->snapshot().revision(); }

  static WatchOptions from(Revision revision) {
    WatchOptions out;
    out.at.resource_version = std::to_string(revision.number);
    return out;
  }

  /// "+a" added, "~a" modified, "-a" deleted, "=" a bookmark; `count` of them.
  std::vector<std::string> next(client::Watch& watch, std::size_t count) {
    constexpr char kSigns[] = {'+', '~', '-', '='};
    return next_events(watch, count, [&](const client::WatchEvent& event) {
      revisions_.push_back(event.object.revision.number);
      return kSigns[static_cast<int>(event.type)] + event.object.key.name;
    });
  }

  std::vector<std::uint64_t> revisions_;
};

TEST_F(WatchRulesTest, WithoutAVersionWhatIsThereComesFirst) {
  make("a");
  make("b");
  for (const auto* version : {"", "0"}) {
    WatchOptions options;
    options.at.resource_version = version;
    auto watch = *this->watch("configmaps", "default", options);
    EXPECT_THAT(next(*watch, 2), ElementsAre("+a", "+b"));
  }
}

TEST_F(WatchRulesTest, FromAVersionOnlyWhatCameLaterIsTold) {
  make("a");
  const auto revision = now();
  make("b");
  ASSERT_TRUE(remove("configmaps", "default", "a").ok());
  auto watch = *this->watch("configmaps", "default", from(revision));

  EXPECT_THAT(next(*watch, 2), ElementsAre("+b", "-a"));
  EXPECT_LT(revisions_[0], revisions_[1]);
}

TEST_F(WatchRulesTest, InitialEventsAreLeftOutOrAskedForWhateverTheVersion) {
  make("a");
  const auto revision = now();
  auto options = from(revision);
  options.at.match = "NotOlderThan";
  options.sends_initial_events = true;
  auto told = *watch("configmaps", "default", options);
  options.at.resource_version = "0";
  options.sends_initial_events = false;
  auto untold = *watch("configmaps", "default", options);
  make("b");

  EXPECT_THAT(next(*told, 3), ElementsAre("+a", "=", "+b"));
  EXPECT_THAT(next(*untold, 1), ElementsAre("+b"));
}

TEST_F(WatchRulesTest, AWatchGoesOnInTheMiddleOfABatch) {
  for (const auto* name : {"a", "b", "c", "d"}) {
    make(name);
  }
  auto whole = *watch("configmaps", "default", from(now()));
  ASSERT_TRUE(run(registry_->remove_collection(call("configmaps", "default"), {}, {})).ok());
  EXPECT_THAT(next(*whole, 4), ElementsAre("-a", "-b", "-c", "-d"));

  auto rest = *watch("configmaps", "default", from(Revision{revisions_[1]}));
  EXPECT_THAT(next(*rest, 2), ElementsAre("-c", "-d"));
}

TEST_F(WatchRulesTest, ADeletedObjectCarriesTheVersionOfItsEnd) {
  make("a");
  auto watch = *this->watch("configmaps", "default", from(now()));
  ASSERT_TRUE(remove("configmaps", "default", "a").ok());

  EXPECT_THAT(next(*watch, 1), ElementsAre("-a"));
  EXPECT_EQ(revisions_.back(), now().number);
}

TEST_F(WatchRulesTest, SelectorsNarrowWhatIsThereAndWhatComes) {
  make("a", R"({"k":"x"})");
  make("b", R"({"k":"y"})");
  WatchOptions options;
  options.select.labels = "k=x";
  auto labelled = *watch("configmaps", "default", options);
  options.select = {"", "metadata.name=b"};
  auto named = *watch("configmaps", "", options);
  make("c", R"({"k":"x"})");
  ASSERT_TRUE(merge("configmaps", "default", "b", R"({"data":{"n":"1"}})").ok());

  EXPECT_THAT(next(*labelled, 2), ElementsAre("+a", "+c"));
  EXPECT_THAT(next(*named, 2), ElementsAre("+b", "~b"));
  options.select = {"", "data.n=1"};
  EXPECT_THAT(text_of(watch("configmaps", "default", options)),
              StartsWith("malformed: \"data.n\" is not a known field selector"));
  options.select = {"k in", ""};
  EXPECT_THAT(text_of(watch("configmaps", "default", options)),
              StartsWith("malformed: unable to parse requirement"));
}

TEST_F(WatchRulesTest, AVersionThatTheHistoryHasForgottenIsExpired) {
  store::Options small;
  small.history_events_max = 8;
  registry_.reset();
  store_.reset();
  store_ = *store::Store::open(store::make_memory_journal(disk_), small);
  restart(Options());
  const auto old = now();
  auto early = *watch("configmaps", "default", from(old));
  for (int i = 0; i < 40; ++i) {
    make("c" + std::to_string(i));
  }

  EXPECT_THAT(text_of(watch("configmaps", "default", from(old))),
              StartsWith("expired: too old resource version: " + std::to_string(old.number)));
  auto list = this->list("configmaps", "default");
  auto later = *watch("configmaps", "default", from(list->revision));
  make("last");
  EXPECT_THAT(next(*later, 1), ElementsAre("+last"));
}

TEST_F(WatchRulesTest, AVersionOfTheFutureIsToldApart) {
  const auto refused = watch("configmaps", "default", from(Revision{1'000'000}));

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::timeout);
  EXPECT_EQ(refused.error().retry_after_s, 1);
  ASSERT_EQ(refused.error().fields.size(), 1U);
  EXPECT_EQ(refused.error().fields[0].reason, "ResourceVersionTooLarge");
  EXPECT_EQ(refused.error().fields[0].message, "Too large resource version");
}

TEST_F(WatchRulesTest, AQuietWatchGetsBookmarksWhereItAskedForThem) {
  Options options;
  options.bookmark_interval = std::chrono::seconds(0);
  restart(options);
  auto asked = from(now());
  asked.wants_bookmarks = true;
  auto watch = *this->watch("configmaps", "default", asked);
  ASSERT_TRUE(create("secrets", "default", R"({"metadata":{"name":"s"}})").ok());

  // What happens elsewhere moves the bookmark on.
  EXPECT_THAT(next(*watch, 1), ElementsAre("="));
  EXPECT_EQ(revisions_.back(), now().number);
}

TEST_F(WatchRulesTest, WhatDoesNotMatchPutsOffNoBookmark) {
  auto asked = from(now());
  asked.wants_bookmarks = true;
  asked.select.labels = "app=rare";
  auto watch = *this->watch("configmaps", "default", asked);
  clock_.advance(std::chrono::seconds(61));
  make("b", R"({"app":"frequent"})");

  EXPECT_THAT(next(*watch, 1), ElementsAre("="));
  EXPECT_EQ(revisions_.back(), now().number);

  make("c", R"({"app":"rare"})");
  EXPECT_THAT(next(*watch, 1), ElementsAre("+c")) << "the next one is a minute away";
}

}  // namespace
}  // namespace tetrarch::registry
