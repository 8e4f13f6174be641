// SPDX-License-Identifier: Apache-2.0
// What every answer has beside its body: ids, compression, warnings, when to come again.
#include "api/kubernetes/answer.h"

#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::MatchesRegex;
using ::testing::StartsWith;

/// Source: RFC 1952 section 2.3.1: the last four bytes are the size of what was compressed.
std::size_t unzipped_size(std::string_view bytes) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    size |= std::size_t{static_cast<unsigned char>(bytes[bytes.size() - 4 + i])} << (8 * i);
  }
  return size;
}

class AnswerTest : public ApiTest {
 protected:
  /// A list whose items together have about that many bytes.
  void fill_page(std::size_t bytes) {
    client::ListPage page;
    const std::string data(1000, 'x');
    for (std::size_t i = 0; i < bytes / 1000; ++i) {
      page.items.push_back(
          stored("configmaps",
                 R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c"},"data":{"k":")" +
                     data + R"("}})",
                 41));
    }
    registry_.page = std::move(page);
  }

  FakeExchange& list(std::string_view encoding) {
    exchange_ = std::make_unique<FakeExchange>();
    auto question = request("GET", "/api/v1/namespaces/a/configmaps");
    question.headers.add("Accept-Encoding", std::string(encoding));
    return call(std::move(question));
  }
};

TEST_F(AnswerTest, NamesEveryRequest) {
  const auto& first = get("/version");
  const std::string id(first.headers.get("Audit-Id"));
  EXPECT_THAT(id, MatchesRegex("[0-9a-f-]{36}"));

  EXPECT_NE(get("/version").headers.get("Audit-Id"), id);
}

TEST_F(AnswerTest, TakesTheNameThatTheClientGave) {
  auto question = request("GET", "/api/v1/namespaces/a/configmaps/none");
  question.headers.add("Audit-ID", "mine-1");

  const auto& answer = call(std::move(question));

  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.headers.get("Audit-Id"), "mine-1");
}

TEST_F(AnswerTest, TakesNoNameOfAnyLength) {
  auto question = request("GET", "/version");
  question.headers.add("Audit-ID", std::string(1000, 'a'));

  EXPECT_EQ(call(std::move(question)).headers.get("Audit-Id").size(), 36U);
}

TEST_F(AnswerTest, IsCompressedWhereItIsLargeAndTheClientTakesIt) {
  fill_page(2'000'000);
  const auto plain = list("br").body;
  ASSERT_GT(plain.size(), 2'000'000U);

  const auto& answer = list("gzip");

  EXPECT_EQ(answer.headers.get("Content-Encoding"), "gzip");
  EXPECT_EQ(answer.headers.get("Vary"), "Accept-Encoding");
  EXPECT_TRUE(answer.is_finished);
  EXPECT_LT(answer.body.size(), plain.size() / 10);
  EXPECT_THAT(answer.body, StartsWith("\x1f\x8b"));
  EXPECT_EQ(unzipped_size(answer.body), plain.size());
}

TEST_F(AnswerTest, IsNotCompressedWhereItIsSmall) {
  fill_page(100'000);

  const auto& answer = list("gzip");

  EXPECT_EQ(answer.headers.get("Content-Encoding"), "");
  EXPECT_THAT(answer.body, StartsWith("{"));
}

TEST_F(AnswerTest, IsNotCompressedForAWatch) {
  registry_.next_watch = std::make_unique<FakeWatch>();
  registry_.next_watch->error = Error{Code::expired, "too old resource version: 1 (2)"};
  auto question = request("GET", "/api/v1/namespaces/a/configmaps?watch=true");
  question.headers.add("Accept-Encoding", "gzip");

  const auto& answer = call(std::move(question));

  EXPECT_EQ(answer.headers.get("Content-Encoding"), "");
  EXPECT_THAT(answer.body, StartsWith(R"({"type":"ERROR")"));
  EXPECT_NE(answer.headers.get("Audit-Id"), "");
}

TEST_F(AnswerTest, SaysWhenToComeAgainWhereTheServerIsNotReady) {
  registry_.object = Error{Code::unavailable, "the store is not ready"};

  const auto& answer = get("/api/v1/namespaces/a/configmaps/c");

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.get("Retry-After"), "1");
  EXPECT_EQ(answer.json()->root().find("details.retryAfterSeconds").integer(), 1);
}

TEST_F(AnswerTest, WarnsOfEndpoints) {
  EXPECT_EQ(
      get("/api/v1/namespaces/a/endpoints").headers.get("Warning"),
      R"(299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")");
  EXPECT_EQ(get("/api/v1/namespaces/a/services").headers.get("Warning"), "");
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
