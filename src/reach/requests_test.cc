// SPDX-License-Identifier: Apache-2.0
// An agent's requests, whole: a Server with a Hub, a Dialer, and what is asked over it.
#include "reach/requests.h"

#include <future>
#include <thread>

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "net/server.h"
#include "reach/hub.h"

namespace tetrarch::reach {
namespace {

Task<void> ignore(std::string, std::unique_ptr<net::Stream>) {
  co_return;
}

/// Attaches whoever asks for /reach; else answers with the path and how the request came.
class Api final : public net::Handler {
 public:
  explicit Api(Hub& hub) : hub_(hub) {}

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    net::Headers headers;
    if (request.path.ends_with("/reach")) {
      if (dials_lost-- > 0) {
        co_await wait_for_end(exchange);
        co_return;
      }
      headers.add("Connection", "Upgrade");
      headers.add("Upgrade", "tetrarch-reach");
      auto stream = co_await exchange.upgrade_raw(std::move(headers));
      if (stream.ok()) {
        co_await attach(std::move(*stream));
      }
      co_return;
    }
    const std::string how = request.peer.certificate_common_name.empty() ? "direct" : "reach";
    if (request.path == "/feed") {
      co_await feed(how, exchange);
      co_return;
    }
    auto body = request.method + " " + request.path + " " + how + " " + request.body;
    (void)co_await exchange.respond(200, std::move(headers), std::move(body));
  }

  net::Server* server = nullptr;
  std::atomic<bool> takes_streams = true;
  std::atomic<int> feeds_ended = 0;
  std::atomic<int> dials_lost = 0;  // so many get no answer

 private:
  Task<void> attach(std::unique_ptr<net::Stream> stream) {
    const auto strand = co_await asio::this_coro::executor;
    net::Peer peer;
    peer.certificate_common_name = "n1";
    auto take = [this, strand, peer](std::string_view asked, std::unique_ptr<net::Stream> opened) {
      if (asked == kApiStream && takes_streams) {
        server->take(strand, std::move(opened), peer);
      }
    };
    Mux::OnOpen on_open = std::move(take);
    co_await hub_.attach(NodeName("n1"), std::move(stream), std::move(on_open));
  }

  /// One line, then nothing until the client has gone.
  Task<void> feed(std::string how, net::Exchange& exchange) {
    net::Headers none;
    (void)co_await exchange.start(200, std::move(none));
    net::Body body;
    body.pieces.emplace_back(how);
    (void)co_await exchange.write(std::move(body));
    co_await wait_for_end(exchange);
    ++feeds_ended;
  }

  static Task<void> wait_for_end(net::Exchange& exchange) {
    const auto gone = std::make_shared<async::Event>();
    exchange.on_client_gone([gone] { gone->raise(); });
    if (!exchange.is_client_gone()) {
      co_await gone->wait();
    }
  }

  Hub& hub_;
};

class RequestsTest : public ::testing::Test {
 protected:
  RequestsTest() {
    api_.server = &server_;
    const auto port = server_.listen("127.0.0.1", 0, nullptr);
    EXPECT_TRUE(port.ok());
    server_.run();
    net::ClientOptions to;
    to.url = "http://127.0.0.1:" + std::to_string(*port);
    to.request_limit = std::chrono::hours(1);
    direct_ = net::Client::make(std::move(to), nullptr).value();
    Dialer::Options quick;
    quick.backoff_min = std::chrono::milliseconds(1);
    quick.patience = {};
    make_dialer(quick);
  }

  ~RequestsTest() override {
    hub_.close_all();
    dialer_->stop_and_wait();
    group_.stop_and_wait();
    server_.stop_and_wait();
  }

  void make_dialer(const Dialer::Options& dialling) {
    requests_.reset();
    dialer_ = std::make_unique<Dialer>(pool_, *direct_, NodeName("n1"), ignore, dialling);
    Requests::Options options;
    options.connect_limit = std::chrono::seconds(60);
    requests_ = std::make_unique<Requests>(*dialer_, *direct_, options);
  }

  static net::ServerOptions server_options() {
    net::ServerOptions out;
    out.drain_limit = std::chrono::milliseconds(20);
    return out;
  }

  static net::ClientRequest request_of(std::string method, std::string target, std::string body) {
    net::ClientRequest out;
    out.method = std::move(method);
    out.target = std::move(target);
    out.body = std::move(body);
    return out;
  }

  template <class T>
  static Task<void> into(Task<T> task, std::promise<T>& out) {
    out.set_value(co_await std::move(task));
  }

  template <class T>
  T wait(Task<T> task) {
    std::promise<T> out;
    group_.spawn(into(std::move(task), out));
    return out.get_future().get();
  }

  void dial() {
    dialer_->run();
    while (!dialer_->is_connected()) {
      std::this_thread::yield();
    }
  }

  std::string ask(std::string method, std::string path, std::string body = "") {
    auto answer = wait(requests_->request(request_of(method, path, body)));
    return answer.ok() ? answer->body : answer.error().message;
  }

  std::unique_ptr<net::ResponseStream> feed() {
    auto stream = wait(requests_->stream(request_of("GET", "/feed", "")));
    EXPECT_TRUE(stream.ok());
    return stream.ok() ? std::move(*stream) : nullptr;
  }

  async::IoPool pool_{2};
  async::TaskGroup group_{pool_.strand(), "test"};
  Hub hub_;
  Api api_{hub_};
  net::Server server_{pool_, api_, server_options()};
  std::unique_ptr<net::Client> direct_;
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<Requests> requests_;
};

TEST_F(RequestsTest, GoOverTheConnectionThatIsThere) {
  EXPECT_EQ(ask("GET", "/a"), "GET /a direct ");

  dial();
  EXPECT_EQ(ask("GET", "/b"), "GET /b reach ");
  EXPECT_EQ(ask("PUT", "/c", "text"), "PUT /c reach text");
  const auto long_body = std::string(1'000'000, 'x');
  EXPECT_EQ(ask("POST", "/d", long_body), "POST /d reach " + long_body);

  while (server_.connections() > 1) {  // what was kept is closed: reach is all that is left
    std::this_thread::yield();
  }
  EXPECT_EQ(server_.connections(), 1U);
}

TEST_F(RequestsTest, GoDirectlyToAServerThatTakesNoStreams) {
  api_.takes_streams = false;
  dial();

  EXPECT_EQ(ask("GET", "/a"), "GET /a direct ");
  EXPECT_EQ(ask("POST", "/b", "text"), "POST /b direct text") << "it is not tried again";
  const auto stream = feed();
  ASSERT_TRUE(stream);
  EXPECT_EQ(wait(stream->read()).value_or(""), "direct");
}

TEST_F(RequestsTest, AStreamWaitsForTheConnectionAndEndsWithIt) {
  dialer_->run();

  auto stream = feed();
  ASSERT_TRUE(stream);
  EXPECT_EQ(wait(stream->read()).value_or(""), "reach");

  hub_.close_all();
  EXPECT_FALSE(wait(stream->read()).ok());
  stream = feed();
  ASSERT_TRUE(stream);
  EXPECT_EQ(wait(stream->read()).value_or(""), "reach") << "by the next connection";
}

TEST_F(RequestsTest, AnAnswerTellsADialThatHangsToBeginAnew) {
  Dialer::Options slow;  // at once, not after a pause
  slow.backoff_min = std::chrono::hours(1);
  slow.backoff_max = std::chrono::hours(1);
  slow.patience = {};
  make_dialer(slow);
  api_.dials_lost = 1;
  dialer_->run();
  while (api_.dials_lost > 0) {
    std::this_thread::yield();
  }

  EXPECT_EQ(ask("GET", "/a"), "GET /a direct ");

  while (!dialer_->is_connected()) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ask("GET", "/b"), "GET /b reach ");
}

TEST_F(RequestsTest, OneAnswerIsEnoughForADialThatHangsAgain) {
  api_.dials_lost = 2;
  dialer_->run();
  while (api_.dials_lost > 1) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ask("GET", "/a"), "GET /a direct ");
  while (api_.dials_lost > 0) {
    std::this_thread::yield();
  }

  EXPECT_EQ(ask("GET", "/b"), "GET /b direct ");
  EXPECT_EQ(ask("GET", "/c"), "GET /c direct ");

  EXPECT_EQ(api_.dials_lost, 0) << "no third one";
}

TEST_F(RequestsTest, AStreamThatNobodyReadsAnyMoreEndsAtTheServer) {
  dial();
  auto stream = feed();
  ASSERT_TRUE(stream);
  EXPECT_EQ(wait(stream->read()).value_or(""), "reach");

  stream.reset();

  while (api_.feeds_ended == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(ask("GET", "/a"), "GET /a reach ");
}

}  // namespace
}  // namespace tetrarch::reach
