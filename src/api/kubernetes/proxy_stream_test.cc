// SPDX-License-Identifier: Apache-2.0
// Requests that are passed on while they arrive, and answers while they are made: what the backend
// hears by when, and what becomes of both sides where one of them ends.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include "api/kubernetes/api_fixture.h"
#include "async/timer.h"
#include "net/pipe.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"a","uid":"u1"},)"
    R"("spec":{"nodeName":"n1"},"status":{"phase":"Running","podIP":"10.42.0.2"}})";
constexpr std::string_view kHello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A body of which the test says when what comes.
class Arriving final : public net::BodyReader {
 public:
  Task<Result<std::string>> read_body() override {
    while (pieces_.empty() && !is_over_) {
      co_await more_.wait();
    }
    if (!pieces_.empty()) {
      auto piece = std::move(pieces_.front());
      pieces_.pop_front();
      co_return piece;
    }
    if (failure_) {
      co_return *failure_;
    }
    co_return std::string();
  }

  bool is_whole() const override { return is_over_ && !failure_ && pieces_.empty(); }

  void come(std::string piece) {
    pieces_.push_back(std::move(piece));
    more_.raise();
  }

  void end(std::optional<Error> failure = {}) {
    is_over_ = true;
    failure_ = std::move(failure);
    more_.raise();
  }

 private:
  std::deque<std::string> pieces_;
  bool is_over_ = false;
  std::optional<Error> failure_;
  async::Event more_;
};

class ProxyStreamTest : public ApiTest {
 protected:
  ProxyStreamTest() {
    exchange_ = std::make_unique<FakeExchange>();
    auto pod = stored("pods", kPod, 5);
    const auto key = pod.key;
    registry_.objects.insert_or_assign(key, std::move(pod));
    pieces_ = make_kubernetes_api(make_parts());
  }

  /// Everything that the test has left open ends.
  ~ProxyStreamTest() override {
    body_.end(Error{Code::unavailable, "the test is over"});
    exchange_->is_gone = true;
    if (exchange_->gone_notice) {
      exchange_->gone_notice();
    }
    if (backend_) {
      backend_->close();
    }
    settle();
  }

  static net::Request put(std::string path, std::string early = "") {
    auto out = request("PUT", std::move(path));
    out.body = std::move(early);
    return out;
  }

  /// Begins a request to a backend at the other end of a pipe that holds `window` bytes.
  void begin(net::Request request, std::size_t window = 1024) {
    auto [ours, theirs] = net::make_pipe(window);
    reach_stream_ = std::move(ours);
    backend_ = std::move(theirs);
    exchange_ = std::make_unique<FakeExchange>();
    spawn(pieces_->handle(std::move(request), *exchange_, body_));
    settle();
  }

  void spawn(Task<void> task) {
    asio::co_spawn(strand_, std::move(task), [this](const std::exception_ptr& error) {
      EXPECT_EQ(error, nullptr);
      ++ended_;
    });
  }

  /// Until everybody waits for something that the test has not done yet.
  void settle() {
    context_.restart();
    while (context_.poll() > 0) {
    }
  }

  void arrives(std::string piece) {
    body_.come(std::move(piece));
    settle();
  }

  /// What the backend can read now.
  std::string heard() {
    std::string out;
    spawn(hear(*backend_, out));
    settle();
    return out;
  }

  static Task<void> hear(net::Stream& stream, std::string& out) {
    std::string buffer(4096, '\0');
    const auto count = co_await stream.read(buffer.data(), buffer.size());
    out = count.ok() ? buffer.substr(0, *count) + (*count == 0 ? "(end)" : "") : "(end)";
  }

  void says(std::string_view bytes) {
    spawn(say(*backend_, std::string(bytes)));
    settle();
  }

  static Task<void> say(net::Stream& stream, std::string bytes) {
    (void)co_await stream.write(bytes);
  }

  asio::io_context context_;
  asio::strand<asio::io_context::executor_type> strand_ = asio::make_strand(context_);
  std::unique_ptr<Api> pieces_;
  Arriving body_;
  std::unique_ptr<net::Stream> backend_;
  int ended_ = 0;
};

constexpr auto kPath = "/api/v1/namespaces/a/pods/web:80/proxy/x";

TEST_F(ProxyStreamTest, TakesInPiecesWhatItPassesOnOnly) {
  for (const auto* path :
       {kPath, "/api/v1/nodes/n1:80/proxy", "/api/v1/namespaces/a/services/s/proxy/"}) {
    EXPECT_TRUE(pieces_->takes(request("PUT", path))) << path;
  }
  for (const auto* path : {"/api/v1/namespaces/a/pods",
                           "/api/v1/namespaces/a/configmaps/proxy",
                           "/apis/apps/v1/namespaces/a/deployments",
                           "/proxy",
                           "/%zz/proxy"}) {
    EXPECT_FALSE(pieces_->takes(request("PUT", path))) << path;
  }
}

TEST_F(ProxyStreamTest, PassesABodyOnAsItArrives) {
  begin(put(kPath, "early"));
  EXPECT_THAT(heard(), EndsWith("\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n"));

  arrives("more");
  EXPECT_EQ(heard(), "4\r\nmore\r\n");

  body_.end();
  settle();
  EXPECT_EQ(heard(), "0\r\n\r\n");
  says(kHello);
  EXPECT_EQ(exchange_->body, "hello");
  EXPECT_TRUE(exchange_->is_finished);
}

TEST_F(ProxyStreamTest, ADeclaredLengthStays) {
  auto request = put(kPath, "early");
  request.headers.add("Content-Length", "9");
  begin(std::move(request));
  arrives("more");

  EXPECT_THAT(heard(), EndsWith("\r\nContent-Length: 9\r\n\r\nearlymore"));
}

TEST_F(ProxyStreamTest, WhatHasArrivedAlreadyIsNotChunked) {
  body_.end();
  begin(put(kPath, "all"));
  EXPECT_THAT(heard(), EndsWith("\r\nContent-Length: 3\r\n\r\nall"));
}

TEST_F(ProxyStreamTest, WhereThereIsNoBodyNoneIsAnnounced) {
  body_.end();
  begin(request("GET", kPath));

  EXPECT_THAT(heard(), AllOf(Not(HasSubstr("Content-Length")), Not(HasSubstr("chunked"))));
}

TEST_F(ProxyStreamTest, ABackendThatDoesNotReadStopsTheClient) {
  begin(put(kPath), 1024);
  for (int i = 0; i < 5; ++i) {
    arrives(std::string(1000, 'x'));
  }

  EXPECT_FALSE(body_.is_whole());
  std::string all;
  while (all.find(std::string(1000, 'x')) == std::string::npos) {
    all += heard();
  }
  EXPECT_LT(all.size(), 3000U) << "the rest has not been taken from the client";
}

TEST_F(ProxyStreamTest, AnswersWhileTheBodyStillArrives) {
  begin(put(kPath, "a"));
  (void)heard();

  says("HTTP/1.1 200 OK\r\n\r\nheard a");
  EXPECT_EQ(exchange_->body, "heard a");
  arrives("b");
  EXPECT_EQ(heard(), "1\r\nb\r\n");
  says(", b");

  EXPECT_EQ(exchange_->body, "heard a, b");
  EXPECT_FALSE(exchange_->is_finished);
}

TEST_F(ProxyStreamTest, ABodyThatBreaksOffBreaksOffAtTheBackend) {
  begin(put(kPath, "half"));
  (void)heard();

  body_.end(Error{Code::unavailable, "the request broke off"});
  settle();

  EXPECT_EQ(heard(), "(end)");
  EXPECT_EQ(ended_, 3) << "the handler, and who heard";
  EXPECT_NE(exchange_->status, 503) << "it is not the backend that failed";
}

TEST_F(ProxyStreamTest, ABodyThatCannotBeReadIsTheClientsFault) {
  begin(put(kPath, "half"));

  body_.end(Error{Code::malformed, "no chunk"});
  settle();

  EXPECT_EQ(exchange_->status, 400);
}

TEST_F(ProxyStreamTest, AnAnswerEndsTheRequest) {
  begin(put(kPath, "half"));
  (void)heard();

  says("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");

  EXPECT_EQ(exchange_->status, 413);
  EXPECT_TRUE(exchange_->is_finished);
  EXPECT_EQ(ended_, 3) << "nobody waits for the rest of the body";
  EXPECT_EQ(heard(), "(end)");
}

TEST_F(ProxyStreamTest, AClientThatLeavesBeforeTheAnswerEndsItAtTheBackend) {
  body_.end();
  begin(request("GET", kPath));
  (void)heard();
  ASSERT_TRUE(exchange_->gone_notice);

  exchange_->is_gone = true;
  exchange_->gone_notice();
  settle();

  EXPECT_EQ(heard(), "(end)");
}

TEST_F(ProxyStreamTest, AnUpgradeHasItsBodyWhole) {
  auto question = put(kPath, "ab");
  question.headers.add("Connection", "Upgrade");
  question.headers.add("Upgrade", "echo");
  begin(std::move(question));
  arrives("cd");
  EXPECT_EQ(ended_, 0);
  body_.end();
  settle();

  EXPECT_THAT(heard(), EndsWith("\r\nContent-Length: 4\r\n\r\nabcd"));
}

TEST_F(ProxyStreamTest, OtherBodiesHaveTheirLimit) {
  const auto too_much = std::string(4'000'000, 'x');
  arrives(too_much);
  begin(put("/api/v1/namespaces/a/configmaps/c"));

  EXPECT_EQ(exchange_->status, 413);
  EXPECT_THAT(exchange_->body, HasSubstr("Request entity too large: limit is 3145728"));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
