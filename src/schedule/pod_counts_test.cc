// SPDX-License-Identifier: Apache-2.0
#include "schedule/pod_counts.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

/// Nodes in zones, placed pods, and counters over them, without a cluster around them.
class PodCountsTest : public testing::Test {
 protected:
  Place node(std::string name, std::string_view zone, std::string spec = "{}") {
    NodeSpec out{.name = std::move(name)};
    out.labels = zone.empty() ? "{}" : fmt::format(R"({{"zone":"{}"}})", zone);
    out.spec = std::move(spec);
    bool is_changed = false;
    return nodes_.upsert(a_node(out).root(), is_changed);
  }

  PlacedPod& place(const PodSpec& spec, Place place) {
    const auto pod = a_pod(spec);
    PlacedPod placed;
    placed.document = pod.document;
    placed.place = place;
    placed.anti_affinity = anti_affinity_of(pod.root(), texts_);
    return pods_.put(std::move(placed));
  }

  PodQuestion question(std::string_view app, std::vector<std::string> namespaces = {"default"}) {
    const auto selector =
        Document::parse(fmt::format(R"({{"matchLabels":{{"app":"{}"}}}})", app)).value();
    PodQuestion out;
    out.topology_key = texts_.intern("zone");
    out.namespaces = std::move(namespaces);
    out.selector = *object::LabelSelector::from_object(selector->root());
    return out;
  }

  std::int64_t count(const Counter& counter, std::string_view zone) {
    return counter.count(texts_.intern(zone));
  }

  Interner texts_;
  Dimensions dimensions_;
  Nodes nodes_{dimensions_, texts_};
  PlacedPods pods_;
  PodCounts counts_{nodes_, pods_};
};

TEST_F(PodCountsTest, ANewCounterCountsWhatIsThere) {
  const auto a = node("a1", "a");
  const auto b = node("b1", "b");
  place({.name = "p"}, a);
  place({.name = "q"}, a);
  place({.name = "r"}, b);
  place({.name = "other", .labels = R"({"app":"x"})"}, b);
  place({.name = "nowhere"}, kNowhere);

  const auto counter = counts_.counter(question("a"));

  EXPECT_EQ(count(*counter, "a"), 2);
  EXPECT_EQ(count(*counter, "b"), 1);
  EXPECT_EQ(count(*counter, "c"), 0);
  EXPECT_EQ(counter->total(), 3);
}

TEST_F(PodCountsTest, TheSameQuestionSharesACounterWhileSomebodyAsks) {
  auto first = counts_.counter(question("a"));

  EXPECT_EQ(counts_.counter(question("a")), first);
  EXPECT_NE(counts_.counter(question("b")), first);
  EXPECT_NE(counts_.counter(question("a", {"default", "other"})), first);
  auto skipping = question("a");
  skipping.skips_terminating = true;
  EXPECT_NE(counts_.counter(skipping), first);
}

TEST_F(PodCountsTest, SaysWhetherAnybodyCountsAPod) {
  const auto a = node("a1", "a");
  const auto outside = node("x1", "");
  const auto counter = counts_.counter(question("a"));

  EXPECT_TRUE(counts_.add(place({.name = "p"}, a)));
  EXPECT_FALSE(counts_.add(place({.name = "x", .labels = R"({"app":"x"})"}, a)));
  EXPECT_FALSE(counts_.add(place({.name = "q"}, outside)));
  EXPECT_EQ(counter->total(), 1);
}

TEST_F(PodCountsTest, EndingPodsCountUnlessTheQuestionLeavesThemOut) {
  const auto a = node("a1", "a");
  place({.name = "p", .metadata = R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")"}, a);
  auto living = question("a");
  living.skips_terminating = true;

  EXPECT_EQ(counts_.counter(question("a"))->total(), 1);
  EXPECT_EQ(counts_.counter(living)->total(), 0);
}

TEST_F(PodCountsTest, OfAllNamespacesWhereNoneIsNamed) {
  EXPECT_TRUE(question("a", {}).means("any", a_pod({}).root()["metadata"]["labels"]));
  EXPECT_FALSE(question("a").means("any", a_pod({}).root()["metadata"]["labels"]));
  EXPECT_TRUE(question("a").means("default", a_pod({}).root()["metadata"]["labels"]));
}

TEST_F(PodCountsTest, LabelsThatMustBeThereTooNarrowIt) {
  auto narrow = question("a");
  narrow.also = {{"hash", "1"}};
  const auto one = a_pod({.labels = R"({"app":"a","hash":"1"})"});
  const auto two = a_pod({.labels = R"({"app":"a","hash":"2"})"});

  EXPECT_TRUE(narrow.means("default", one.root()["metadata"]["labels"]));
  EXPECT_FALSE(narrow.means("default", two.root()["metadata"]["labels"]));
}

constexpr std::string_view kApart =
    R"(,"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
    {"topologyKey":"zone","labelSelector":{"matchLabels":{"app":"a"}}}]}})";

TEST_F(PodCountsTest, KnowsWhoIsAgainstWhom) {
  const auto a = node("a1", "a");
  const auto labels = a_pod({});
  const auto against = [&] {
    return counts_.against("default", labels.root()["metadata"]["labels"]);
  };
  EXPECT_TRUE(against().empty());

  auto& loner = place({.name = "loner", .more = std::string(kApart)}, a);
  counts_.add(loner);
  ASSERT_EQ(against().size(), 1U);
  const auto number = against().front()->number();
  EXPECT_EQ(counts_.against("other", labels.root()["metadata"]["labels"]).size(), 0U);

  counts_.remove(loner);
  EXPECT_TRUE(against().empty());
  counts_.add(loner);
  EXPECT_NE(against().front()->number(), number);  // who knew it looks at it anew
}

TEST_F(PodCountsTest, TheSameTermOfManyIsOneCounter) {
  const auto a = node("a1", "a");
  for (int i = 0; i < 5; ++i) {
    counts_.add(place({.name = fmt::format("p{}", i), .more = std::string(kApart)}, a));
  }
  const auto labels = a_pod({});

  const auto against = counts_.against("default", labels.root()["metadata"]["labels"]);

  ASSERT_EQ(against.size(), 1U);
  EXPECT_EQ(count(*against.front(), "a"), 5);
}

struct CountedRow {
  std::string_view name;
  InclusionPolicy policy;
  std::string_view pod;  ///< further members of its spec
  bool counts_plain;
  bool counts_tainted;
  bool counts_other_disk;
};

void PrintTo(const CountedRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr std::string_view kSsd = R"(,"nodeSelector":{"disk":"ssd"})";
constexpr CountedRow kCountedRows[] = {
    {"what_is_usual", {true, false}, kSsd, true, true, false},
    {"all", {false, false}, kSsd, true, true, true},
    {"both", {true, true}, kSsd, true, false, false},
    {"taints_alone", {false, true}, kSsd, true, false, true},
    {"a_taint_that_is_tolerated",
     {true, true},
     R"(,"tolerations":[{"operator":"Exists"}])",
     true,
     true,
     true},
    {"nothing_asked", {true, true}, "", true, false, true},
};

class CountedTest : public PodCountsTest, public testing::WithParamInterface<CountedRow> {};

TEST_P(CountedTest, NodesAreThoseThatThePolicyIncludes) {
  const auto& row = GetParam();
  bool is_changed = false;
  const auto put = [&](std::string name, std::string_view disk, std::string spec) {
    NodeSpec out{.name = std::move(name)};
    out.labels = fmt::format(R"({{"zone":"a","disk":"{}"}})", disk);
    out.spec = std::move(spec);
    return nodes_.upsert(a_node(out).root(), is_changed);
  };
  const auto plain = put("plain", "ssd", "{}");
  const auto tainted = put("tainted", "ssd", R"({"taints":[{"key":"k","effect":"NoSchedule"}]})");
  const auto other = put("other", "hdd", "{}");
  const auto unlabelled = node("unlabelled", "");
  const CountedNodes counted(
      a_pod({.more = std::string(row.pod)}).root(), row.policy, {texts_.intern("zone")}, texts_);

  EXPECT_EQ(counted.counts(nodes_, plain), row.counts_plain);
  EXPECT_EQ(counted.counts(nodes_, tainted), row.counts_tainted);
  EXPECT_EQ(counted.counts(nodes_, other), row.counts_other_disk);
  EXPECT_FALSE(counted.counts(nodes_, unlabelled));
}

INSTANTIATE_TEST_SUITE_P(Table, CountedTest, testing::ValuesIn(kCountedRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST_F(PodCountsTest, QuestionsAboutTheSameNodesAreTheSame) {
  const auto of = [&](std::string_view more, InclusionPolicy policy) {
    auto out = question("a");
    out.nodes = std::make_shared<const CountedNodes>(
        a_pod({.more = std::string(more)}).root(), policy, std::vector<std::uint32_t>(), texts_);
    return out;
  };
  const InclusionPolicy usual;
  const InclusionPolicy ignoring{.honors_affinity = false, .honors_taints = false};

  EXPECT_EQ(of(kSsd, usual), of(kSsd, usual));
  EXPECT_NE(of(kSsd, usual), of("", usual));
  EXPECT_EQ(of(kSsd, ignoring), of("", ignoring));
  EXPECT_NE(of(kSsd, usual), question("a"));
}

/// Pods come, go and end by chance: a counter that was there from the start and one that is made
/// new agree.
TEST_F(PodCountsTest, ACounterThatLivedThroughItAllAgreesWithANewOne) {
  std::mt19937 random(7);
  const std::vector<Place> places = {
      node("a1", "a"), node("a2", "a"), node("b1", "b"), node("x1", "")};
  auto living = question("a");
  living.skips_terminating = true;
  const auto old_counter = counts_.counter(question("a"));
  const auto old_living = counts_.counter(living);

  for (int step = 0; step < 400; ++step) {
    const auto name = fmt::format("p{}", random() % 20);
    if (auto* known = pods_.find("u-" + name); known != nullptr) {
      counts_.remove(*known);
      pods_.erase(*known);
      continue;
    }
    const bool is_ending = random() % 3 == 0;
    counts_.add(
        place({.name = name,
               .labels = random() % 3 == 0 ? R"({"app":"b"})" : R"({"app":"a"})",
               .metadata = is_ending ? R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")" : ""},
              places[random() % places.size()]));
  }

  PodCounts fresh(nodes_, pods_);
  for (const auto zone : {"a", "b", "c"}) {
    EXPECT_EQ(count(*old_counter, zone), count(*fresh.counter(question("a")), zone)) << zone;
    EXPECT_EQ(count(*old_living, zone), count(*fresh.counter(living), zone)) << zone;
  }
}

}  // namespace
}  // namespace tetrarch::schedule
