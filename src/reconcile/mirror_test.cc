// SPDX-License-Identifier: Apache-2.0
#include "reconcile/mirror.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::reconcile {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint kStart = TimePoint(seconds(1'000));

Stored object(std::string resource,
              std::string name,
              std::uint64_t revision,
              std::string more = "") {
  const auto json = fmt::format(
      R"({{"kind":"X","apiVersion":"v1","metadata":{{"name":"{}","namespace":"ns","uid":"u-{}"{}}}}})",
      name,
      name,
      more);
  return Stored{
      Key{std::move(resource), "ns", name}, Revision{revision}, Document::from_canonical(json)};
}

Stored pod_on(std::string name, std::string node, std::uint64_t revision) {
  const auto json =
      fmt::format(R"({{"metadata":{{"name":"{}","uid":"u-{}"}},"spec":{{"nodeName":"{}"}}}})",
                  name,
                  name,
                  node);
  return Stored{Key{"pods", "ns", name}, Revision{revision}, Document::from_canonical(json)};
}

std::string owner(std::string_view uid, bool is_controller) {
  return fmt::format(R"(,"ownerReferences":[{{"uid":"{}","controller":{}}}])", uid, is_controller);
}

std::vector<std::string> names(const std::vector<const Stored*>& objects) {
  std::vector<std::string> out;
  for (const auto* each : objects) {
    out.push_back(each->key.name);
  }
  return out;
}

TEST(Mirror, IgnoresWhatIsOlderThanItKnows) {
  Mirror mirror;

  mirror.put(object("pods", "a", 5), kStart);
  mirror.put(object("pods", "a", 3), kStart + seconds(1));
  mirror.erase(object("pods", "a", 4));

  ASSERT_NE(mirror.get("pods", "ns", "a"), nullptr);
  EXPECT_EQ(mirror.get("pods", "ns", "a")->revision, Revision{5});
  EXPECT_EQ(mirror.seen_at(Key{"pods", "ns", "a"}), kStart);
}

TEST(Mirror, ListsInOrderAndByNamespace) {
  Mirror mirror;
  auto other = object("pods", "0", 9);
  other.key.ns = "other";

  mirror.put(object("pods", "b", 1), kStart);
  mirror.put(object("pods", "a", 2), kStart);
  mirror.put(other, kStart);

  EXPECT_THAT(names(mirror.list("pods", "ns")), ElementsAre("a", "b"));
  EXPECT_THAT(names(mirror.list("pods")), ElementsAre("a", "b", "0"));
  EXPECT_THAT(names(mirror.list("pods", "n")), IsEmpty());
  EXPECT_THAT(names(mirror.list("secrets")), IsEmpty());
}

TEST(Mirror, FindsDependentsByOwnerUidAndForgetsThem) {
  Mirror mirror;
  mirror.put(object("pods", "child", 1, owner("u-set", true)), kStart);
  mirror.put(object("pods", "guest", 2, owner("u-set", false)), kStart);
  mirror.put(object("secrets", "key", 3, owner("u-set", true)), kStart);

  EXPECT_THAT(names(mirror.owned_by("u-set")), ElementsAre("child", "guest", "key"));
  EXPECT_THAT(names(mirror.controlled_by("pods", "u-set")), ElementsAre("child"));

  mirror.put(object("pods", "child", 4), kStart);
  mirror.erase(object("secrets", "key", 5));

  EXPECT_THAT(names(mirror.owned_by("u-set")), ElementsAre("guest"));
}

TEST(Mirror, APodThatMovesKeepsItsOwnersAndOneThatIsAdoptedItsNode) {
  const auto pod = [](std::uint64_t revision, std::string_view node, const std::string& more) {
    return Stored{Key{"pods", "ns", "a"},
                  Revision{revision},
                  Document::from_canonical(fmt::format(
                      R"({{"metadata":{{"name":"a","uid":"u-a"{}}},"spec":{{"nodeName":"{}"}}}})",
                      more,
                      node))};
  };
  Mirror mirror;
  mirror.put(pod(1, "n1", ""), kStart);
  EXPECT_THAT(names(mirror.uncontrolled("pods", "ns")), ElementsAre("a"));

  mirror.put(pod(2, "n1", owner("u-set", true)), kStart);
  mirror.put(pod(3, "n2", owner("u-set", true)), kStart);

  EXPECT_THAT(names(mirror.owned_by("u-set")), ElementsAre("a"));
  EXPECT_THAT(names(mirror.uncontrolled("pods", "ns")), IsEmpty());
  EXPECT_THAT(names(mirror.pods_on("n1")), IsEmpty());
  EXPECT_THAT(names(mirror.pods_on("n2")), ElementsAre("a"));
  ASSERT_NE(mirror.by_uid("u-a"), nullptr);
  EXPECT_EQ(mirror.by_uid("u-a")->revision, Revision{3});
}

TEST(Mirror, FindsPodsByNodeAsTheyMove) {
  Mirror mirror;
  mirror.put(pod_on("a", "", 1), kStart);
  EXPECT_THAT(names(mirror.pods_on("n1")), IsEmpty());

  mirror.put(pod_on("a", "n1", 2), kStart);
  EXPECT_THAT(names(mirror.pods_on("n1")), ElementsAre("a"));

  mirror.erase(pod_on("a", "n1", 3));
  EXPECT_THAT(names(mirror.pods_on("n1")), IsEmpty());
}

TEST(Mirror, KeepsTheUidOfASuccessorWithTheSameName) {
  Mirror mirror;
  mirror.put(object("pods", "a", 1), kStart);

  ASSERT_NE(mirror.by_uid("u-a"), nullptr);
  mirror.erase(object("pods", "a", 2));

  EXPECT_EQ(mirror.by_uid("u-a"), nullptr);
}

TEST(Mirror, FindsByUidWhatHasChanged) {
  Mirror mirror;

  mirror.put(object("pods", "a", 1), kStart);
  mirror.put(object("pods", "a", 2), kStart);

  ASSERT_NE(mirror.by_uid("u-a"), nullptr);
  EXPECT_EQ(mirror.by_uid("u-a")->revision, Revision{2});
}

TEST(Mirror, ReplaceTellsOnlyWhatChanged) {
  Mirror mirror;
  mirror.put(object("pods", "gone", 1), kStart);
  mirror.put(object("pods", "same", 2), kStart);
  std::vector<std::string> told;
  mirror.listen([&told](const Observed& change) {
    told.push_back((change.after == nullptr    ? "-"
                    : change.before == nullptr ? "+"
                                               : "~") +
                   change.any().key.name);
  });

  mirror.replace("pods",
                 {object("pods", "new", 7), object("pods", "same", 2)},
                 Revision{8},
                 kStart + seconds(9));

  EXPECT_THAT(told, ElementsAre("-gone", "+new"));
  EXPECT_EQ(mirror.revision("pods"), Revision{8});
  EXPECT_EQ(mirror.seen_at(Key{"pods", "ns", "same"}), kStart);
}

TEST(Mirror, RemembersTheLastSignOfANodeForAsLongAsThereIsOne) {
  Mirror mirror;
  const Stored node{
      {"nodes", "", "n1"}, Revision{1}, Document::from_canonical(R"({"metadata":{}})")};
  mirror.hear("n1", kStart);
  EXPECT_EQ(mirror.heard_at("n1"), std::nullopt) << "nobody knows such a node";

  mirror.put(node, kStart);
  mirror.hear("n1", kStart + seconds(4));
  mirror.hear("n1", kStart + seconds(2));
  EXPECT_EQ(mirror.heard_at("n1"), kStart + seconds(4));

  mirror.forget_silence(kStart + seconds(60));
  EXPECT_EQ(mirror.heard_at("n1"), std::nullopt) << "we were away ourselves";
  mirror.hear("n1", kStart + seconds(61));
  EXPECT_EQ(mirror.heard_at("n1"), kStart + seconds(61));

  mirror.erase({node.key, Revision{2}, node.document});
  EXPECT_EQ(mirror.heard_at("n1"), std::nullopt);
}

TEST(Mirror, SilenceWhileWeWereAwayDoesNotCount) {
  Mirror mirror;
  mirror.put(object("leases", "n1", 1), kStart);

  mirror.forget_silence(kStart + seconds(60));

  EXPECT_EQ(mirror.seen_at(Key{"leases", "ns", "n1"}), kStart + seconds(60));
}

Stored pod_in(std::string name, std::uint64_t revision, std::string phase, std::string more = "") {
  const auto json = fmt::format(
      R"({{"metadata":{{"name":"{0}","uid":"u-{0}"{2}}},"spec":{{"nodeName":"n"}},"status":{{"phase":"{1}"}}}})",
      name,
      phase,
      more);
  return Stored{Key{"pods", "ns", name}, Revision{revision}, Document::from_canonical(json)};
}

TEST(Mirror, KnowsThePodsThatEndOrHaveEnded) {
  Mirror mirror;
  const std::string deleted = R"(,"deletionTimestamp":"2023-01-01T00:00:00Z")";

  mirror.put(pod_in("runs", 1, "Running"), kStart);
  mirror.put(pod_in("done", 2, "Succeeded"), kStart);
  mirror.put(pod_in("ending", 3, "Running"), kStart);
  EXPECT_THAT(names(mirror.ending_pods()), ElementsAre("done"));

  mirror.put(pod_in("ending", 4, "Running", deleted), kStart);
  EXPECT_THAT(names(mirror.ending_pods()), ElementsAre("done", "ending"));

  mirror.put(pod_in("ending", 5, "Failed", deleted + owner("u-set", true)), kStart);
  EXPECT_THAT(names(mirror.ending_pods()), ElementsAre("done", "ending"));

  mirror.put(pod_in("done", 6, "Running"), kStart);
  mirror.erase(pod_in("ending", 7, "Failed"));
  EXPECT_THAT(names(mirror.ending_pods()), IsEmpty());
}

TEST(Mirror, NamesTheNodesThatPodsAreOn) {
  Mirror mirror;

  mirror.put(pod_on("a", "n2", 1), kStart);
  mirror.put(pod_on("b", "n1", 2), kStart);
  mirror.put(pod_on("c", "n1", 3), kStart);
  EXPECT_THAT(mirror.nodes_with_pods(), ElementsAre("n1", "n2"));

  mirror.erase(pod_on("a", "n2", 4));
  EXPECT_THAT(mirror.nodes_with_pods(), ElementsAre("n1"));
}

TEST(Mirror, NamesTheNodesThatAreHeardSinceItObserves) {
  Mirror mirror;
  mirror.put(object("nodes", "a", 1), kStart);
  Stored node = object("nodes", "b", 2);
  node.key.ns = "";
  mirror.put(node, kStart);

  mirror.hear("b", kStart + seconds(1));
  mirror.hear("nobody", kStart + seconds(1));
  EXPECT_THAT(mirror.heard_nodes(), ElementsAre(testing::Pair("b", kStart + seconds(1))));

  mirror.forget_silence(kStart + seconds(2));
  EXPECT_THAT(mirror.heard_nodes(), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::reconcile
