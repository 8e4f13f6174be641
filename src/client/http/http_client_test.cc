// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_client.h"

#include <future>
#include <map>

#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "net/server.h"

namespace tetrarch::client {
namespace {

/// Plays back one answer per "METHOD target", and writes down what was asked.
class ScriptedApi final : public net::Handler {
 public:
  struct Answer {
    int status = 200;
    std::string body;
    bool is_stream = false;
  };

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    std::string asked =
        request.method + " " + request.path + (request.query.empty() ? "" : "?" + request.query);
    log.push_back(asked + (request.body.empty() ? "" : " " + request.body));
    media_type = request.headers.get("content-type");
    auto answer =
        answers.contains(asked) ? answers[asked] : Answer{404, "nothing scripted for " + asked};
    if (!answer.is_stream) {
      (void)co_await exchange.respond(answer.status, {}, std::move(answer.body));
      co_return;
    }
    (void)co_await exchange.start(answer.status, {});
    const auto half = answer.body.size() / 2;  // events arrive in pieces
    net::Body first;
    first.pieces = {std::string_view(answer.body).substr(0, half)};
    (void)co_await exchange.write(std::move(first));
    net::Body second;
    second.pieces = {std::string_view(answer.body).substr(half)};
    (void)co_await exchange.write(std::move(second));
    (void)co_await exchange.finish();
  }

  std::map<std::string, Answer> answers;
  std::vector<std::string> log;
  std::string media_type;
};

template <class T>
Task<void> into(Task<T> task, std::promise<T>& out) {
  out.set_value(co_await std::move(task));
}

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() {
    const auto port = server_.listen("127.0.0.1", 0, nullptr);
    server_.run();
    transport_ =
        std::move(net::Client::make({.url = "http://127.0.0.1:" + std::to_string(*port)}, nullptr))
            .value();
    catalog_ = std::move(schema::Catalog::load_builtin()).value();
    client_ = make_http_client(*transport_, *catalog_);
  }

  ~HttpClientTest() override {
    transport_.reset();
    server_.stop_and_wait();
    group_.stop_and_wait();
  }

  template <class T>
  T run(Task<T> task) {
    std::promise<T> out;
    group_.spawn(into(std::move(task), out));
    return out.get_future().get();
  }

  async::IoPool pool_{2};
  async::TaskGroup group_{pool_.strand(), "test"};
  ScriptedApi api_;
  net::Server server_{pool_, api_, net::ServerOptions{}};
  std::unique_ptr<net::Client> transport_;
  std::unique_ptr<schema::Catalog> catalog_;
  std::unique_ptr<Client> client_;
};

std::string pod(const std::string& name, int version) {
  return R"({"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":")" +
         std::to_string(version) + R"(","name":")" + name + R"(","namespace":"n"}})";
}

std::string event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

TEST_F(HttpClientTest, GetsAnObject) {
  api_.answers["GET /api/v1/namespaces/n/pods/a"] = {200, pod("a", 7)};

  const auto stored = run(client_->get(Key{"pods", "n", "a"}));

  ASSERT_TRUE(stored.ok()) << stored.error().message;
  EXPECT_EQ(stored->revision.number, 7U);
  EXPECT_EQ(stored->metadata()["name"].string(), "a");
}

TEST_F(HttpClientTest, SaysWhatTheServerSays) {
  api_.answers["GET /apis/apps/v1/namespaces/n/deployments/d"] = {
      404,
      R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound",)"
      R"("message":"gone","code":404})"};

  EXPECT_EQ(run(client_->get(Key{"deployments.apps", "n", "d"})).error(),
            (Error{Code::not_found, "gone"}));
  EXPECT_EQ(run(client_->get(Key{"unicorns", "n", "d"})).error().code, Code::not_found);
}

TEST_F(HttpClientTest, ListsWithSelectorsAndPages) {
  api_.answers["GET /api/v1/pods?labelSelector=app%3Da&limit=2&continue=tok"] = {
      200,
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[)" +
          pod("a", 3) + "]}"};
  ListQuery query;
  query.resource = "pods";
  query.select.labels = "app=a";
  query.limit = 2;
  query.continue_token = "tok";

  const auto page = run(client_->list(query));

  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->revision.number, 9U);
  EXPECT_EQ(page->items.size(), 1U);
}

Task<std::string> read_watch(Client& client, WatchQuery query) {
  auto watch = co_await client.watch(std::move(query));
  if (!watch.ok()) {
    co_return watch.error().message;
  }
  std::string out;
  while (true) {
    const auto events = co_await (*watch)->next();
    if (!events.ok()) {
      co_return out + std::string(to_string(events.error().code));
    }
    for (const auto& one : *events) {
      out += std::to_string(static_cast<int>(one.type)) + one.object.key.name + "@" +
             std::to_string(one.object.revision.number) + " ";
    }
  }
}

TEST_F(HttpClientTest, WatchesFromARevision) {
  api_.answers
      ["GET /api/v1/namespaces/n/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true"] = {
      200,
      event("ADDED", pod("a", 6)) + event("DELETED", pod("a", 7)) + event("BOOKMARK", pod("", 8)),
      true};
  WatchQuery query;
  query.resource = "pods";
  query.ns = "n";
  query.from = {5};

  EXPECT_EQ(run(read_watch(*client_, query)), "0a@6 2a@7 3@8 unavailable");
}

TEST_F(HttpClientTest, BeginsAWatchWithThePresentState) {
  api_.answers["GET /api/v1/pods"] = {
      200,
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[)" +
          pod("a", 3) + "]}"};
  api_.answers["GET /api/v1/pods?watch=true&resourceVersion=9&allowWatchBookmarks=true"] = {
      200, event("MODIFIED", pod("a", 10)), true};
  WatchQuery query;
  query.resource = "pods";

  EXPECT_EQ(run(read_watch(*client_, query)), "0a@3 3@9 1a@10 unavailable");
}

TEST_F(HttpClientTest, TellsAnExpiredWatchFromALostOne) {
  api_.answers["GET /api/v1/pods?watch=true&resourceVersion=1&allowWatchBookmarks=true"] = {
      200,
      event("ADDED", pod("a", 2)) +
          event("ERROR", R"({"kind":"Status","reason":"Expired","code":410})"),
      true};
  api_.answers["GET /api/v1/pods?watch=true&resourceVersion=2&allowWatchBookmarks=true"] = {
      410, R"({"kind":"Status","reason":"Expired","code":410,"message":"too old"})", false};
  WatchQuery query;
  query.resource = "pods";
  query.from = {1};

  EXPECT_EQ(run(read_watch(*client_, query)), "0a@2 expired");
  query.from = {2};
  EXPECT_EQ(run(read_watch(*client_, query)), "too old");
}

Task<std::string> read_feed(Client& client) {
  auto feed = co_await client.feed(NodeName("n1"));
  if (!feed.ok()) {
    co_return feed.error().message;
  }
  std::string out;
  while (true) {
    const auto events = co_await (*feed)->next();
    if (!events.ok()) {
      co_return out;
    }
    for (const auto& one : *events) {
      out += one.object.key.resource + "/" + one.object.key.name + " ";
    }
  }
}

TEST_F(HttpClientTest, ReadsAFeedOfManyKinds) {
  api_.answers["GET /tetrarch/v1/nodes/n1/feed"] = {
      200,
      event("ADDED", pod("a", 6)) +
          event("ADDED",
                R"({"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",)"
                R"("metadata":{"name":"e","namespace":"n"}})") +
          event("BOOKMARK", pod("", 8)),
      true};

  EXPECT_EQ(run(read_feed(*client_)), "pods/a endpointslices.discovery.k8s.io/e / ");
}

TEST_F(HttpClientTest, WritesWithPreconditions) {
  const auto document = object::Document::from_canonical(
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n"}})");
  api_.answers["POST /api/v1/namespaces/n/pods?dryRun=All&fieldManager=me"] = {201, pod("a", 1)};
  api_.answers["PUT /api/v1/namespaces/n/pods/a/status"] = {200, pod("a", 8)};
  api_.answers["PATCH /api/v1/namespaces/n/pods/a"] = {200, pod("a", 9)};
  api_.answers["PATCH /api/v1/namespaces/n/pods/a?fieldManager=me&force=true"] = {200, pod("a", 9)};
  api_.answers["DELETE /api/v1/namespaces/n/pods/a"] = {
      200,
      R"({"kind":"Status","apiVersion":"v1","status":"Success","details":{"name":"a","uid":"u"}})"};
  WriteOptions creating;
  creating.is_dry_run = true;
  creating.field_manager = "me";
  WriteOptions status;
  status.subresource = "status";
  status.expected = {7};
  const Key key{"pods", "n", "a"};

  EXPECT_TRUE(run(client_->create("pods", "n", document, creating)).ok());
  EXPECT_EQ(run(client_->update(key, document, status))->revision.number, 8U);
  EXPECT_TRUE(run(client_->patch(key, PatchType::strategic, R"({"a":1})", {})).ok());
  EXPECT_EQ(api_.media_type, "application/strategic-merge-patch+json");
  WriteOptions applying;
  applying.field_manager = "me";
  applying.is_forced = true;
  EXPECT_TRUE(run(client_->patch(key, PatchType::apply, "a: 1", applying)).ok());
  EXPECT_EQ(api_.media_type, "application/apply-patch+yaml");
  EXPECT_EQ(run(client_->remove(key, {}))->uid(), "u");

  EXPECT_THAT(
      api_.log,
      ::testing::ElementsAre(
          "POST /api/v1/namespaces/n/pods?dryRun=All&fieldManager=me " + document->bytes(),
          "PUT /api/v1/namespaces/n/pods/a/status "
          R"({"kind":"Pod","apiVersion":"v1",)"
          R"("metadata":{"resourceVersion":"7","name":"a","namespace":"n"}})",
          R"(PATCH /api/v1/namespaces/n/pods/a {"a":1})",
          "PATCH /api/v1/namespaces/n/pods/a?fieldManager=me&force=true a: 1",
          R"(DELETE /api/v1/namespaces/n/pods/a {"kind":"DeleteOptions","apiVersion":"v1"})"));
}

TEST_F(HttpClientTest, AppliesChangesOneByOneAndAnswersEach) {
  const auto document = object::Document::from_canonical(
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"n"}})");
  api_.answers["POST /api/v1/namespaces/n/pods"] = {201, pod("a", 1)};
  std::vector<Change> changes(2);
  changes[0].verb = Change::Verb::create;
  changes[0].key = {"pods", "n", "a"};
  changes[0].document = document;
  changes[1].verb = Change::Verb::remove;
  changes[1].key = {"pods", "n", "missing"};

  const auto answers = run(client_->apply(changes));

  ASSERT_EQ(answers.size(), 2U);
  EXPECT_TRUE(answers[0].ok());
  EXPECT_EQ(answers[1].error().code, Code::not_found);
}

}  // namespace
}  // namespace tetrarch::client
