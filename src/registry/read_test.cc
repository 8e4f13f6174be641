// SPDX-License-Identifier: Apache-2.0
// Get, list and watch: resource versions, pages, selectors, bookmarks; the node feed.
#include <algorithm>

#include "registry/fixture.h"
#include "registry/store_double.h"

namespace tetrarch::registry {
namespace {

using client::EventType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class ReadTest : public RegistryTest {
 protected:
  ReadTest() { open_namespace("default"); }

  void make(const std::string& name, const std::string& label = "x") {
    ASSERT_TRUE(
        create("configmaps",
               "default",
               R"({"metadata":{"name":")" + name + R"(","labels":{"app":")" + label + R"("}}})")
            .ok());
  }

  void bind(const std::string& pod, const std::string& node) {
    auto where = call("pods", "default", pod);
    where.subresource = "binding";
    ASSERT_TRUE(create_in(where, R"({"target":{"kind":"Node","name":")" + node + R"("}})").ok());
  }

  static std::vector<std::string> names(const std::vector<Stored>& items) {
    std::vector<std::string> out;
    for (const auto& item : items) {
      out.push_back(item.key.name);
    }
    return out;
  }

  /// "ADDED configmaps/a": what the next events say, `count` of them.
  std::vector<std::string> next(client::Watch& watch, std::size_t count) {
    constexpr const char* kWords[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    return next_events(watch, count, [&](const client::WatchEvent& event) {
      const std::string word = kWords[static_cast<int>(event.type)];
      const auto& key = event.object.key;
      return event.type == EventType::bookmark ? word : word + " " + key.resource + "/" + key.name;
    });
  }
};

/// A snapshot shows a commit a moment before its events come.
TEST_F(ReadTest, ThePodsOfANodeAreAsNewAsTheRevisionThatIsTold) {
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  StoreDouble store(*store_);
  restart_on(store, Options());
  ListOptions options;
  options.select.fields = "spec.nodeName=n1";
  ASSERT_THAT(names(list("pods", "default", options)->items), IsEmpty());
  store.holds_events = true;
  bind("p", "n1");

  const auto page = list("pods", "default", options);
  auto feed = *run(registry_->client(masters())->feed(NodeName("n1")));

  EXPECT_THAT(names(page->items), ElementsAre("p"));
  EXPECT_THAT(next(*feed, 1), testing::Contains("ADDED pods/p"));
  feed.reset();
  registry_.reset();
}

TEST_F(ReadTest, PagesComeFromOneSnapshot) {
  for (const auto* name : {"a", "b", "c", "d"}) {
    make(name);
  }
  ListOptions options;
  options.limit = 2;

  const auto first = list("configmaps", "default", options);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(names(first->items), ElementsAre("a", "b"));
  EXPECT_EQ(first->remaining, 2U);
  make("bb");
  ASSERT_TRUE(remove("configmaps", "default", "c").ok());
  options.continue_token = first->continue_token;
  const auto second = list("configmaps", "default", options);

  ASSERT_TRUE(second.ok()) << text_of(second);
  EXPECT_THAT(names(second->items), ElementsAre("c", "d"));
  EXPECT_EQ(second->revision, first->revision);
  EXPECT_EQ(second->continue_token, "");
}

TEST_F(ReadTest, AnOldTokenExpiresAndOffersAnother) {
  for (const auto* name : {"a", "b", "c"}) {
    make(name);
  }
  ListOptions options;
  options.limit = 1;
  options.continue_token = list("configmaps", "default", options)->continue_token;
  make("d");
  clock_.advance(std::chrono::seconds(1000));

  const auto expired = list("configmaps", "default", options);
  ASSERT_FALSE(expired.ok());
  EXPECT_EQ(expired.error().code, Code::expired);
  EXPECT_THAT(expired.error().message, StartsWith("The provided continue parameter is too old"));
  ASSERT_EQ(expired.error().fields.at(0).reason, "ListContinue");
  options.continue_token = expired.error().fields.at(0).message;

  EXPECT_THAT(names(list("configmaps", "default", options)->items), ElementsAre("b"));
  options.continue_token = "nonsense";
  EXPECT_THAT(text_of(list("configmaps", "default", options)),
              StartsWith("malformed: continue key is not valid"));
}

struct VersionRow {
  std::string name;
  std::string version;
  std::string match;
  std::string answer;
};

void PrintTo(const VersionRow& row, std::ostream* out) {
  *out << row.name;
}

class VersionTest : public ReadTest, public testing::WithParamInterface<VersionRow> {};

TEST_P(VersionTest, IsAnsweredAsKubernetesDoes) {
  ListOptions options;
  options.at = {GetParam().version, GetParam().match};

  EXPECT_THAT(text_of(list("configmaps", "default", options)), StartsWith(GetParam().answer));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    VersionTest,
    testing::ValuesIn(std::vector<VersionRow>{
        {"unset", "", "", "ok"},
        {"any", "0", "", "ok"},
        {"not_older", "1", "NotOlderThan", "ok"},
        {"exact_gone",
         "1",
         "Exact",
         "expired: The resourceVersion for the provided list is too old"},
        {"future", "999999", "", "timeout: Timeout: Too large resource version: 999999, current: "},
        {"no_number",
         "abc",
         "",
         "invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersion: Invalid value: "
         "\"abc\""},
        {"match_alone",
         "",
         "Exact",
         "invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "resourceVersionMatch is "
         "forbidden unless resourceVersion is provided"},
        {"exact_zero",
         "0",
         "Exact",
         "invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "resourceVersionMatch "
         "\"exact\" is forbidden for resourceVersion \"0\""},
        {"unknown_match",
         "1",
         "Roughly",
         "invalid: ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported "
         "value: \"Roughly\""},
    }),
    [](const auto& row) { return row.param.name; });

TEST_F(ReadTest, SelectorsChooseAndUnknownFieldsAreRefused) {
  make("a", "x");
  make("b", "y");
  ListOptions options;
  options.select.labels = "app in (y,z)";
  EXPECT_THAT(names(list("configmaps", "default", options)->items), ElementsAre("b"));
  options.select = {"", "metadata.name=a"};
  EXPECT_THAT(names(list("configmaps", "default", options)->items), ElementsAre("a"));
  options.select = {"", "data.x=1"};
  EXPECT_EQ(text_of(list("configmaps", "default", options)),
            "malformed: \"data.x\" is not a known field selector: only \"metadata.name\", "
            "\"metadata.namespace\"");
}

TEST_F(ReadTest, PodsAreFoundByNode) {
  for (const auto* name : {"p", "q", "r"}) {
    ASSERT_TRUE(create("pods", "default", pod_json(name)).ok());
  }
  bind("p", "n1");
  bind("q", "n2");
  ListOptions options;
  options.select.fields = "spec.nodeName=n1";

  EXPECT_THAT(names(list("pods", "", options)->items), ElementsAre("p"));
  bind("r", "n1");
  EXPECT_THAT(names(list("pods", "", options)->items), ElementsAre("p", "r"));
  ASSERT_TRUE(remove("pods", "default", "p", {.grace_seconds = 0}).ok());
  EXPECT_THAT(names(list("pods", "", options)->items), ElementsAre("r"));
  options.select.fields = "spec.nodeName=";
  EXPECT_THAT(names(list("pods", "", options)->items), IsEmpty());
}

TEST_F(ReadTest, AWatchSeesObjectsEnterAndLeaveItsSelector) {
  const auto from = list("configmaps", "default")->revision;
  WatchOptions options;
  options.at.resource_version = std::to_string(from.number);
  options.select.labels = "app=x";
  auto watch = *this->watch("configmaps", "default", options);

  make("other", "y");
  make("a", "x");
  ASSERT_TRUE(merge("configmaps", "default", "a", R"({"data":{"k":"v"}})").ok());
  ASSERT_TRUE(merge("configmaps", "default", "a", R"({"metadata":{"labels":{"app":"y"}}})").ok());
  ASSERT_TRUE(merge("configmaps", "default", "a", R"({"metadata":{"labels":{"app":"x"}}})").ok());
  ASSERT_TRUE(remove("configmaps", "default", "a").ok());

  EXPECT_THAT(next(*watch, 5),
              ElementsAre("ADDED configmaps/a",
                          "MODIFIED configmaps/a",
                          "DELETED configmaps/a",
                          "ADDED configmaps/a",
                          "DELETED configmaps/a"));
}

TEST_F(ReadTest, InitialEventsEndInAnAnnotatedBookmark) {
  make("a");
  WatchOptions options;
  options.sends_initial_events = true;
  EXPECT_THAT(text_of(watch("configmaps", "default", options)),
              HasSubstr("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  options.at.match = "NotOlderThan";
  auto opened = watch("configmaps", "default", options);
  ASSERT_TRUE(opened.ok()) << text_of(opened);

  const auto events = run((*opened)->next());
  ASSERT_TRUE(events.ok());
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ(events->at(1).type, EventType::bookmark);
  EXPECT_EQ(events->at(1).object.root().find("metadata.annotations").raw(),
            R"({"k8s.io/initial-events-end":"true"})");
}

TEST_F(ReadTest, AFutureOrForgottenVersionIsRefused) {
  WatchOptions options;
  options.at.resource_version = "999999";
  EXPECT_THAT(text_of(watch("configmaps", "default", options)),
              StartsWith("timeout: Timeout: Too large resource version"));
}

TEST_F(ReadTest, TheFeedBringsWhatANodeNeedsAndNothingElse) {
  make("used");
  make("unused");
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  const auto spec = R"(,"volumes":[{"name":"v","configMap":{"name":"used"}}],)"
                    R"("automountServiceAccountToken":false)";
  ASSERT_TRUE(create("pods", "default", pod_json("p", spec)).ok());
  ASSERT_TRUE(create("pods", "default", pod_json("elsewhere")).ok());
  bind("p", "n1");
  auto client = registry_->client(masters());
  auto feed = *run(client->feed(NodeName("n1")));

  EXPECT_THAT(next(*feed, 6),
              ElementsAre("ADDED nodes/n1",
                          "ADDED services/kubernetes",
                          "ADDED configmaps/used",
                          "ADDED serviceaccounts/default",
                          "ADDED pods/p",
                          "BOOKMARK"));
  ASSERT_TRUE(merge("configmaps", "default", "unused", R"({"data":{"k":"v"}})").ok());
  ASSERT_TRUE(merge("configmaps", "default", "used", R"({"data":{"k":"v"}})").ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("MODIFIED configmaps/used"));
  bind("elsewhere", "n1");
  EXPECT_THAT(next(*feed, 1), ElementsAre("ADDED pods/elsewhere"));
  ASSERT_TRUE(remove("pods", "default", "p", {.grace_seconds = 0}).ok());
  EXPECT_THAT(next(*feed, 2), ElementsAre("DELETED pods/p", "DELETED configmaps/used"));
}

TEST_F(ReadTest, TheFeedBringsWhatSeveralPodsNameUntilTheLastHasGone) {
  make("used");
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  const auto spec = R"(,"volumes":[{"name":"v","configMap":{"name":"used"}}],)"
                    R"("automountServiceAccountToken":false)";
  for (const auto* name : {"p", "q"}) {
    ASSERT_TRUE(create("pods", "default", pod_json(name, spec)).ok());
    bind(name, "n1");
  }
  auto client = registry_->client(masters());
  auto feed = *run(client->feed(NodeName("n1")));
  EXPECT_THAT(next(*feed, 7), testing::Contains("ADDED configmaps/used").Times(1));

  const auto label = R"({"metadata":{"labels":{"a":"b"}}})";
  ASSERT_TRUE(merge("pods", "default", "q", label).ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("MODIFIED pods/q"));
  ASSERT_TRUE(remove("pods", "default", "p", {.grace_seconds = 0}).ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("DELETED pods/p"));
  ASSERT_TRUE(merge("configmaps", "default", "used", R"({"data":{"k":"v"}})").ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("MODIFIED configmaps/used"));
  ASSERT_TRUE(remove("pods", "default", "q", {.grace_seconds = 0}).ok());
  EXPECT_THAT(
      next(*feed, 3),
      ElementsAre("DELETED pods/q", "DELETED configmaps/used", "DELETED serviceaccounts/default"));
}

TEST_F(ReadTest, TheFeedBringsTheBlobsThatANodeIsToKeep) {
  const std::string blobs = "imageblobs.images.tetrarch.dev";
  const auto make_blob = [&](std::string_view name, std::string_view nodes) {
    return create(blobs,
                  "",
                  R"({"metadata":{"name":")" + std::string(name) +
                      R"("},"spec":{"digest":"d","nodes":[)" + std::string(nodes) + "]}}")
        .ok();
  };
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  ASSERT_TRUE(make_blob("ours", R"("n1","n2")"));
  ASSERT_TRUE(make_blob("theirs", R"("n2")"));
  auto client = registry_->client(masters());
  auto feed = *run(client->feed(NodeName("n1")));

  EXPECT_THAT(
      next(*feed, 4),
      ElementsAre(
          "ADDED " + blobs + "/ours", "ADDED nodes/n1", "ADDED services/kubernetes", "BOOKMARK"));
  ASSERT_TRUE(merge(blobs, "", "theirs", R"({"spec":{"nodes":["n1"]}})").ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("ADDED " + blobs + "/theirs"));
  ASSERT_TRUE(merge(blobs, "", "ours", R"({"spec":{"nodes":["n2"]}})").ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("DELETED " + blobs + "/ours"));
  ASSERT_TRUE(remove(blobs, "", "theirs").ok());
  EXPECT_THAT(next(*feed, 1), ElementsAre("DELETED " + blobs + "/theirs"));
}

TEST_F(ReadTest, TheFeedBringsPoliciesBeforeTheirPodsAndTakesThemAfter) {
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  ASSERT_TRUE(
      create("pods", "default", pod_json("p", R"(,"automountServiceAccountToken":false)")).ok());
  auto client = registry_->client(masters());
  auto feed = *run(client->feed(NodeName("n1")));
  EXPECT_THAT(next(*feed, 3),
              ElementsAre("ADDED nodes/n1", "ADDED services/kubernetes", "BOOKMARK"));

  ASSERT_TRUE(create("networkpolicies.networking.k8s.io",
                     "default",
                     R"({"metadata":{"name":"np"},"spec":{"podSelector":{}}})")
                  .ok());
  bind("p", "n1");
  EXPECT_THAT(next(*feed, 4),
              ElementsAre("ADDED nodepolicies.network.tetrarch.dev/np",
                          "ADDED policypods.network.tetrarch.dev/p",
                          "ADDED serviceaccounts/default",
                          "ADDED pods/p"));
  ASSERT_TRUE(remove("pods", "default", "p", {.grace_seconds = 0}).ok());
  const auto ends = next(*feed, 4);
  EXPECT_LT(std::find(ends.begin(), ends.end(), "DELETED pods/p"),
            std::find(ends.begin(), ends.end(), "DELETED policypods.network.tetrarch.dev/p"));
  EXPECT_THAT(ends, testing::Contains("DELETED nodepolicies.network.tetrarch.dev/np"));
}

TEST_F(ReadTest, AFeedThatBeginsLaterHasThePoliciesToo) {
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  ASSERT_TRUE(create("networkpolicies.networking.k8s.io",
                     "default",
                     R"({"metadata":{"name":"np"},"spec":{"podSelector":{}}})")
                  .ok());
  ASSERT_TRUE(
      create("pods", "default", pod_json("p", R"(,"automountServiceAccountToken":false)")).ok());
  bind("p", "n1");
  auto client = registry_->client(masters());
  for (int i = 0; i < 2; ++i) {
    auto feed = *run(client->feed(NodeName("n1")));
    EXPECT_THAT(next(*feed, 7),
                ElementsAre("ADDED nodes/n1",
                            "ADDED services/kubernetes",
                            "ADDED nodepolicies.network.tetrarch.dev/np",
                            "ADDED policypods.network.tetrarch.dev/p",
                            "ADDED serviceaccounts/default",
                            "ADDED pods/p",
                            "BOOKMARK"));
  }
}

TEST_F(ReadTest, ABatchOfTheClientIsAnsweredOneByOne) {
  make("there");
  auto client = registry_->client(masters());
  std::vector<client::Change> changes(3);
  changes[0].verb = client::Change::Verb::create;
  changes[0].key = {"configmaps", "default", "fresh"};
  changes[0].document = *Document::parse(R"({"metadata":{"name":"fresh"}})");
  changes[1] = changes[0];
  changes[1].key.name = "there";
  changes[1].document = *Document::parse(R"({"metadata":{"name":"there"}})");
  changes[2].verb = client::Change::Verb::remove;
  changes[2].key = {"configmaps", "default", "there"};

  const auto answers = run(client->apply(changes));

  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(text_of(answers[0]), "ok");
  EXPECT_EQ(text_of(answers[1]), "already exists: configmaps \"there\" already exists");
  EXPECT_EQ(text_of(answers[2]), "ok");
}

}  // namespace
}  // namespace tetrarch::registry
