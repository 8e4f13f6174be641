// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;

client::WatchEvent event(client::EventType type, std::uint64_t revision) {
  return {type,
          stored("configmaps",
                 R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"}})",
                 revision)};
}

std::unique_ptr<FakeWatch> a_watch(std::vector<std::vector<client::WatchEvent>> batches) {
  auto out = std::make_unique<FakeWatch>();
  for (auto& batch : batches) {
    out->batches.push_back(std::move(batch));
  }
  out->error = Error{Code::expired, "too old resource version: 1 (5)"};
  return out;
}

constexpr std::string_view kPath = "/api/v1/namespaces/a/configmaps?watch=true&resourceVersion=5";

constexpr std::string_view kExpired =
    R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":)"
    R"("Failure",)"
    R"x("message":"too old resource version: 1 (5)","reason":"Expired","details":{},"code":410}})x"
    "\n";

TEST_F(ApiTest, WatchPrintsALinePerEventAndOneWritePerBatch) {
  using client::EventType;
  registry_.next_watch = a_watch({{event(EventType::added, 6), event(EventType::modified, 7)},
                                  {event(EventType::deleted, 8)}});

  const auto& answer = get(std::string(kPath));

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(answer.body,
            R"({"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{)"
            R"("resourceVersion":"6","name":"c"}}})"
            "\n"
            R"({"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{)"
            R"("resourceVersion":"7","name":"c"}}})"
            "\n"
            R"({"type":"DELETED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{)"
            R"("resourceVersion":"8","name":"c"}}})"
            "\n" +
                std::string(kExpired));
  EXPECT_EQ(answer.writes, 3U);
  EXPECT_TRUE(answer.is_finished);
  EXPECT_EQ(registry_.asked_watch.at.resource_version, "5");
}

TEST_F(ApiTest, WatchPassesOnWhatAnInformerAsks) {
  registry_.next_watch = a_watch({});

  get("/api/v1/"
      "configmaps?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch="
      "NotOlderThan"
      "&fieldSelector=metadata.name%3Dc");

  EXPECT_TRUE(registry_.asked_watch.wants_bookmarks);
  EXPECT_EQ(registry_.asked_watch.sends_initial_events, true);
  EXPECT_EQ(registry_.asked_watch.at.match, "NotOlderThan");
  EXPECT_EQ(registry_.asked_watch.select.fields, "metadata.name=c");
}

TEST_F(ApiTest, LegacyWatchOfOneObjectSelectsIt) {
  registry_.next_watch = a_watch({});

  get("/api/v1/watch/namespaces/a/configmaps/c");

  EXPECT_EQ(registry_.asked_verb, "watch");
  EXPECT_EQ(registry_.asked_watch.select.fields, "metadata.name=c");
  EXPECT_EQ(registry_.asked.name, "");
}

TEST_F(ApiTest, WatchOfTablesNamesTheColumnsOnce) {
  using client::EventType;
  registry_.next_watch = a_watch({{event(EventType::added, 6), event(EventType::modified, 7)}});

  const auto& answer = get(std::string(kPath), "application/json;as=Table;v=v1;g=meta.k8s.io");
  const auto first = answer.body.find("\"columnDefinitions\":[{");

  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(answer.body.find("\"columnDefinitions\":[{", first + 1), std::string::npos);
  EXPECT_THAT(answer.body, HasSubstr(R"("rows":[{"cells":["c",0,"<unknown>"])"));
}

TEST_F(ApiTest, WatchThatIsRefusedAnswersWithTheStatus) {
  registry_.watch_error = Error{Code::expired, "too old resource version: 1 (5)"};

  EXPECT_EQ(get(std::string(kPath)).status, 410);
}

TEST_F(ApiTest, WatchEndsCleanlyWhenItsTimeIsUp) {
  auto watch = std::make_unique<FakeWatch>();
  watch->on_drained = [this] { clock_.advance(std::chrono::seconds(31)); };
  registry_.next_watch = std::move(watch);

  const auto& answer = get(std::string(kPath) + "&timeoutSeconds=30");

  EXPECT_TRUE(answer.is_finished);
  EXPECT_EQ(answer.body, "");
}

TEST_F(ApiTest, WatchEndsWhenTheClientHasGone) {
  auto watch = std::make_unique<FakeWatch>();
  watch->on_drained = [this] { exchange_->is_gone = true; };
  registry_.next_watch = std::move(watch);

  const auto& answer = get(std::string(kPath));

  EXPECT_FALSE(answer.is_finished);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
