// SPDX-License-Identifier: Apache-2.0
// Logs, exec and attach: what the agent is asked, and what comes through in both directions.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/kubernetes/api_fixture.h"
#include "api/kubernetes/exec_spdy.h"
#include "api/kubernetes/exec_websocket.h"
#include "api/kubernetes/frames.h"
#include "async/timer.h"
#include "net/spdy_codec.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRunning =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"a","uid":"u1"},)"
    R"("spec":{"nodeName":"n1","containers":[{"name":"main"}]},"status":{"phase":"Running"}})";

constexpr std::string_view kTwo =
    R"({"kind":"Pod","metadata":{"name":"web","namespace":"a"},"spec":{"nodeName":"n1",)"
    R"("containers":[{"name":"a"},{"name":"b"}],"initContainers":[{"name":"i"}]}})";

/// Gives messages, then waits; keeps what was written, a line each.
class FakeSocket final : public net::WebSocket {
 public:
  FakeSocket(std::vector<std::string> input, std::vector<std::string>* written)
      : input_(std::move(input)), written_(written) {}

  Task<Result<net::Message>> read() override {
    if (next_ < input_.size()) {
      net::Message out;
      out.bytes = input_[next_++];
      co_return out;
    }
    async::Event never;
    co_await never.wait();
    co_return Error{Code::cancelled, "closed"};
  }

  Task<Status> write(bool /*is_text*/, std::string_view bytes) override {
    written_->emplace_back(bytes);
    co_return ok();
  }

  Task<Status> close(std::uint16_t code, std::string_view /*reason*/) override {
    written_->push_back("closed " + std::to_string(code));
    co_return ok();
  }

 private:
  std::vector<std::string> input_;
  std::size_t next_ = 0;
  std::vector<std::string>* written_;
};

/// Gives frames, each when what came before it has had its effect; then closes.
class FramesSocket final : public net::WebSocket {
 public:
  explicit FramesSocket(std::vector<std::string> frames) : frames_(std::move(frames)) {}

  Task<Result<net::Message>> read() override {
    const auto strand = co_await asio::this_coro::executor;
    for (int turn = 0; turn < 20; ++turn) {
      co_await asio::post(strand, asio::use_awaitable);
    }
    if (next_ == frames_.size()) {
      co_return Error{Code::cancelled, "closed"};
    }
    net::Message out;
    out.bytes = frames_[next_++];
    co_return out;
  }

  Task<Status> write(bool /*is_text*/, std::string_view /*bytes*/) override { co_return ok(); }

  Task<Status> close(std::uint16_t /*code*/, std::string_view /*reason*/) override {
    co_return ok();
  }

 private:
  const std::vector<std::string> frames_;
  std::size_t next_ = 0;
};

std::string frame(Channel channel, std::string payload) {
  return encode_frame({channel, std::move(payload)});
}

class StreamsTest : public ApiTest {
 protected:
  StreamsTest() { registry_.object = stored("pods", kRunning, 5); }

  void agent_says(std::string bytes) {
    reach_stream_ =
        std::unique_ptr<net::Stream>(std::make_unique<FakeStream>(std::move(bytes), &agent_heard_));
  }

  FakeExchange& exec(std::string query, std::string subprotocols, std::vector<std::string> input) {
    return connect("exec?" + query, std::move(subprotocols), std::move(input));
  }

  FakeExchange& forward(std::string query,
                        std::string subprotocols,
                        std::vector<std::string> input) {
    return connect("portforward?" + query, std::move(subprotocols), std::move(input));
  }

  /// Of SPDY, through a WebSocket.
  FakeExchange& forward_frames(std::vector<std::string> frames) {
    exchange_ = std::make_unique<FakeExchange>();
    exchange_->web_socket = std::make_unique<FramesSocket>(std::move(frames));
    return ask_for_socket("portforward", "SPDY/3.1+portforward.k8s.io");
  }

  FakeExchange& connect(std::string what,
                        std::string subprotocols,
                        std::vector<std::string> input) {
    exchange_ = std::make_unique<FakeExchange>();
    exchange_->web_socket = std::make_unique<FakeSocket>(std::move(input), &client_heard_);
    return ask_for_socket(what, std::move(subprotocols));
  }

  FakeExchange& ask_for_socket(const std::string& what, std::string subprotocols) {
    auto question = request("GET", "/api/v1/namespaces/a/pods/web/" + what);
    question.headers.add("Upgrade", "websocket");
    question.headers.add("Sec-WebSocket-Protocol", std::move(subprotocols));
    return call(std::move(question));
  }

  FakeExchange& log_over_websocket(std::string subprotocol) {
    exchange_ = std::make_unique<FakeExchange>();
    exchange_->web_socket =
        std::make_unique<FakeSocket>(std::vector<std::string>{}, &client_heard_);
    auto question = request("GET", "/api/v1/namespaces/a/pods/web/log");
    question.headers.add("Upgrade", "websocket");
    question.headers.add("Sec-WebSocket-Protocol", std::move(subprotocol));
    return call(std::move(question));
  }

  std::string agent_heard_;
  std::vector<std::string> client_heard_;
};

TEST_F(StreamsTest, LogsPassTheAgentsBytesOn) {
  agent_says("one\ntwo\n");

  const auto& answer =
      get("/api/v1/namespaces/a/pods/web/log?tailLines=2&timestamps=true&sinceSeconds=60");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("Content-Type"), "text/plain");
  EXPECT_EQ(answer.body, "one\ntwo\n");
  EXPECT_TRUE(answer.is_finished);
  EXPECT_EQ(reach_node_, "n1");
  EXPECT_EQ(
      reach_request_,
      R"({"kind":"logs","namespace":"a","pod":"web","uid":"u1","container":"main","follow":false,)"
      R"("previous":false,"timestamps":true,"tailLines":2,"sinceSeconds":60})");
  EXPECT_EQ(registry_.authorized.subresource, "log");
  EXPECT_EQ(registry_.authorized.verb, "get");
}

TEST_F(StreamsTest, LogsGoOverAWebSocketAsBytesOrText) {
  agent_says("one\n");
  EXPECT_EQ(log_over_websocket("binary.k8s.io").subprotocol, "binary.k8s.io");
  EXPECT_THAT(client_heard_, testing::ElementsAre("", "one\n", "closed 1000"));

  client_heard_.clear();
  agent_says("one\n");
  EXPECT_EQ(log_over_websocket("base64.binary.k8s.io").subprotocol, "base64.binary.k8s.io");
  EXPECT_THAT(client_heard_, testing::ElementsAre("", "b25lCg==", "closed 1000"));
}

TEST_F(StreamsTest, LogsRefuseAnUnknownSubprotocol) {
  agent_says("one\n");

  EXPECT_EQ(log_over_websocket("chat").status, 400);
}

TEST_F(StreamsTest, LogsOfAPodWithoutANodeAreEmpty) {
  registry_.object =
      stored("pods", R"({"metadata":{"name":"web"},"spec":{"containers":[{"name":"main"}]}})", 5);

  const auto& answer = get("/api/v1/namespaces/a/pods/web/log");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
}

TEST_F(StreamsTest, LogsNeedAContainerWhereThereAreSeveral) {
  registry_.object = stored("pods", kTwo, 5);

  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/log").status, 400);
  EXPECT_EQ(exchange_->json()->root()["message"].string(),
            "a container name must be specified for pod web, choose one of: [a b] or one of the "
            "init containers: [i]");
  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/log?container=z").status, 400);
  EXPECT_EQ(exchange_->json()->root()["message"].string(), "container z is not valid for pod web");
  agent_says("x");
  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/log?container=i").status, 200);
}

TEST_F(StreamsTest, LogsRefuseBadOptionsBeforeTheAgentIsAsked) {
  for (const auto* query :
       {"tailLines=-1", "tailLines=x", "limitBytes=0", "sinceSeconds=0", "sinceTime=now"}) {
    const auto status = get(std::string("/api/v1/namespaces/a/pods/web/log?") + query).status;
    EXPECT_TRUE(status == 400 || status == 422) << query << " " << status;
  }
  EXPECT_EQ(reach_request_, "");
}

TEST_F(StreamsTest, TheAgentsRefusalIsAPlainAnswer) {
  reach_stream_ = Error{Code::malformed,
                        "container \"main\" in pod \"web\" is waiting to start: ContainerCreating"};

  const auto& answer = get("/api/v1/namespaces/a/pods/web/log");

  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("is waiting to start: ContainerCreating"));
}

TEST_F(StreamsTest, LogsAreForbiddenWithoutTheRight) {
  registry_.refusal = Error{Code::forbidden, "pods \"web\" is forbidden"};

  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/log").status, 403);
}

TEST_F(StreamsTest, ExecRelaysBothWaysUntilTheStatus) {
  constexpr std::string_view kExit =
      R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":)"
      R"("ExitCode","message":"3"}]}})";
  agent_says(frame(Channel::out, "hello") + frame(Channel::err, "oops") +
             frame(Channel::status, std::string(kExit)));

  const auto& answer = exec("command=sh&command=-c&command=ls&stdin=true&stdout=true&stderr=true",
                            "v5.channel.k8s.io, v4.channel.k8s.io",
                            {});

  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.subprotocol, "v5.channel.k8s.io");
  EXPECT_EQ(client_heard_,
            (std::vector<std::string>{
                "\x01", "\x01hello", "\x02oops", "\x03" + std::string(kExit), "closed 1000"}));
  EXPECT_EQ(
      reach_request_,
      R"({"kind":"exec","namespace":"a","pod":"web","uid":"u1","container":"main","command":[)"
      R"("sh","-c","ls"],)"
      R"("stdin":true,"stdout":true,"stderr":true,"tty":false})");
  EXPECT_EQ(registry_.authorized.verb, "create");
}

TEST_F(StreamsTest, ExecSendsInputAndResizesAsFrames) {
  agent_says(frame(Channel::status, R"({"status":"Success"})"));

  exec("command=sh&stdin=1&stdout=1&tty=1",
       "v5.channel.k8s.io",
       {std::string("\0ls\n", 4),
        "\x04{\"Width\":80,\"Height\":24}",
        std::string("\xff\0", 2),
        "\x02not yours"});

  EXPECT_EQ(agent_heard_,
            frame(Channel::in, "ls\n") + frame(Channel::resize, R"({"Width":80,"Height":24})") +
                frame(Channel::close, std::string(1, '\0')));
}

/// Of a command that reads no input: nothing comes, and nothing is taken.
class FullStream final : public net::Stream {
 public:
  Task<Result<std::size_t>> read(char* /*into*/, std::size_t /*size*/) override {
    co_await read_.wait();
    co_return 0;
  }

  Task<Status> write(std::string_view /*bytes*/) override {
    co_await written_.wait();
    co_return ok();
  }

  Task<Status> shut_write() override { co_return ok(); }

  void close() override { is_closed = true; }

  bool is_closed = false;

 private:
  async::Event read_;  // never raised, as the other
  async::Event written_;
};

/// Has sent one frame, and is gone when it is signed to for the third time.
class GoneClient final : public RemoteClient {
 public:
  Task<Result<Frame>> read() override { co_return Frame{Channel::in, "x"}; }

  Task<Status> write(Frame /*frame*/) override { co_return ok(); }

  Task<void> finish() override { co_return; }

  Task<Status> sign() override {
    co_return ++signs < 3 ? ok() : Status{Error{Code::cancelled, "gone"}};
  }

  int signs = 0;
};

Task<void> relay_fast(RemoteClient& client, net::Stream& agent) {
  (void)co_await relay(client, agent, std::chrono::milliseconds(1));
}

TEST_F(StreamsTest, ExecEndsWhenAClientWhoseInputWaitsHasGone) {
  GoneClient client;
  FullStream agent;
  asio::io_context context;
  asio::co_spawn(context, relay_fast(client, agent), [](const std::exception_ptr& error) {
    EXPECT_EQ(error, nullptr);
  });

  context.run();

  EXPECT_EQ(client.signs, 3);
  EXPECT_TRUE(agent.is_closed);
}

TEST_F(StreamsTest, ExecSaysSoWhenTheNodeIsLost) {
  agent_says(frame(Channel::out, "half"));

  exec("command=sh&stdout=1", "v4.channel.k8s.io", {});

  EXPECT_THAT(client_heard_.at(2), HasSubstr("the connection to the node ended"));
}

/// The agent's end of a command that has ended: takes nothing; what it said is still on its way.
class DeafStream final : public net::Stream {
 public:
  explicit DeafStream(std::string input) : input_(std::move(input)) {}

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    if (!is_refused_) {
      co_await refused_.wait();
    }
    const auto count = input_.copy(into, size);
    input_.erase(0, count);
    co_return count;
  }

  Task<Status> write(std::string_view /*bytes*/) override {
    is_refused_ = true;
    refused_.raise();
    co_return Error{Code::cancelled, "closed"};
  }

  Task<Status> shut_write() override { co_return ok(); }

  void close() override {}

 private:
  std::string input_;
  bool is_refused_ = false;
  async::Event refused_;
};

TEST_F(StreamsTest, ExecTellsTheExitCodeOfACommandThatDidNotReadAllItsInput) {
  reach_stream_ = std::unique_ptr<net::Stream>(std::make_unique<DeafStream>(
      frame(Channel::out, "five") + frame(Channel::status, R"({"status":"Success"})")));

  exec("command=head&stdin=1&stdout=1", "v5.channel.k8s.io", {std::string("\0more", 5)});

  EXPECT_EQ(client_heard_,
            (std::vector<std::string>{"\x01",
                                      "\x01"
                                      "five",
                                      "\x03{\"status\":\"Success\"}",
                                      "closed 1000"}));
}

TEST_F(StreamsTest, OldWebSocketClientsGetPlainErrors) {
  agent_says(frame(Channel::status,
                   R"({"status":"Failure","message":"command terminated with exit code 3"})"));

  const auto& answer = exec("command=sh&stdout=1", "channel.k8s.io", {});

  EXPECT_EQ(answer.subprotocol, "channel.k8s.io");
  EXPECT_EQ(client_heard_.at(1),
            "\x03"
            "command terminated with exit code 3");
}

struct ExecRefusal {
  std::string_view query;
  std::string_view message;
};

TEST_F(StreamsTest, ExecRefusesBeforeItUpgrades) {
  constexpr ExecRefusal kRows[] = {
      {"stdout=1", "you must specify at least 1 command for the container"},
      {"command=ls", "you must specify at least 1 of stdin, stdout, stderr"},
      {"command=ls&stdout=1&container=z", "container z is not valid for pod web"},
  };
  for (const auto& row : kRows) {
    const auto& answer = exec(std::string(row.query), "v4.channel.k8s.io", {});
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.json()->root()["message"].string(), row.message);
  }
  EXPECT_EQ(exec("command=ls&stdout=1", "v9.channel.k8s.io", {}).status, 400);
  EXPECT_EQ(get("/api/v1/namespaces/a/pods/web/exec?command=ls&stdout=1").status, 400);
  EXPECT_EQ(reach_request_, "");
}

TEST_F(StreamsTest, ExecNeedsARunningPod) {
  registry_.object =
      stored("pods",
             R"({"metadata":{"name":"web"},"spec":{"nodeName":"n1","containers":[{"name":"c"}]},)"
             R"("status":{"phase":"Failed"}})",
             5);

  EXPECT_EQ(exec("command=ls&stdout=1", "v4.channel.k8s.io", {}).json()->root()["message"].string(),
            "cannot exec into a container in a completed pod; current phase is Failed");
}

TEST_F(StreamsTest, PortForwardNeedsARunningPodAndAnUpgrade) {
  EXPECT_EQ(send("POST", "/api/v1/namespaces/a/pods/web/portforward", "").status, 400);
  registry_.object =
      stored("pods", R"({"metadata":{"name":"web"},"spec":{},"status":{"phase":"Pending"}})", 5);
  EXPECT_THAT(send("POST", "/api/v1/namespaces/a/pods/web/portforward", "").body,
              HasSubstr("pod is not running"));
}

/// A client's half of a forwarded connection.
std::string half(net::spdy::HeaderBlocks& blocks, std::uint32_t id, std::string type) {
  net::Headers headers;
  headers.add("streamtype", std::move(type));
  headers.add("requestid", "7");
  headers.add("port", "8080");
  std::string payload;
  net::spdy::append_u32(payload, id);
  payload += std::string(6, '\0');
  payload += blocks.encode(headers);
  return net::spdy::control_frame(net::spdy::Type::syn_stream, 0, payload);
}

std::string reset(std::uint32_t id) {
  std::string payload;
  net::spdy::append_u32(payload, id);
  net::spdy::append_u32(payload, static_cast<std::uint32_t>(net::spdy::Reset::cancel));
  return net::spdy::control_frame(net::spdy::Type::rst_stream, 0, payload);
}

TEST_F(StreamsTest, ForwardingEndsWithItsClientWhileAConnectionIsOpen) {
  net::spdy::HeaderBlocks blocks;
  agent_says("world");

  const auto& answer = forward_frames({half(blocks, 1, "error"), half(blocks, 3, "data")});

  EXPECT_EQ(answer.status, 101);
  EXPECT_THAT(reach_request_, HasSubstr(R"("port":8080)"));
}

TEST_F(StreamsTest, ForwardingForgetsAHalfThatWasReset) {
  for (const bool comes_again : {false, true}) {
    net::spdy::HeaderBlocks blocks;
    std::vector<std::string> frames = {half(blocks, 1, "error"), reset(1), half(blocks, 3, "data")};
    if (comes_again) {
      frames.push_back(half(blocks, 5, "error"));
    }
    agent_says("world");
    forward_frames(std::move(frames));

    EXPECT_EQ(reach_request_.empty(), !comes_again);
  }
}

struct ForwardRefusal {
  std::string_view query;
  std::string_view message;
};

TEST_F(StreamsTest, ForwardingByChannelsCarriesBytesAfterThePortsNumber) {
  agent_says("world");

  const auto& answer = forward("ports=8080",
                               "v5.channel.k8s.io, v4.channel.k8s.io",
                               {std::string("\0hello", 6), "\x01not yours", "\x04no such port"});

  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.subprotocol, "v4.channel.k8s.io");
  EXPECT_EQ(
      client_heard_,
      (std::vector<std::string>{
          std::string("\0\x90\x1f", 3), "\x01\x90\x1f", std::string("\0world", 6), "closed 1000"}));
  EXPECT_EQ(agent_heard_, "hello");
  EXPECT_THAT(reach_request_, HasSubstr(R"("kind":"portforward")"));
  EXPECT_THAT(reach_request_, HasSubstr(R"("port":8080)"));
}

TEST_F(StreamsTest, ForwardingByChannelsTellsWhyAPortIsNotReached) {
  reach_stream_ = Error{Code::unavailable, "Connection refused"};  // it says so once

  forward("ports=80,81", "v4.channel.k8s.io", {});

  EXPECT_EQ(client_heard_.size(), 7U);
  EXPECT_THAT(client_heard_,
              testing::IsSupersetOf(
                  {std::string("\0P\0", 3),
                   std::string("\x01P\0", 3),
                   std::string("\x02Q\0", 3),
                   std::string("\x03Q\0", 3),
                   std::string("\x01") + "error forwarding port 80 to pod web: Connection refused",
                   std::string("\x03") + "error forwarding port 81 to pod web: "}));
  EXPECT_EQ(client_heard_.back(), "closed 1000");
}

TEST_F(StreamsTest, ForwardingByChannelsRefusesBeforeItUpgrades) {
  std::string many = "ports=1";
  for (int port = 2; port <= 101; ++port) {
    many += "," + std::to_string(port);
  }
  const ForwardRefusal rows[] = {
      {"", "query parameter \"ports\" is required"},
      {"ports=0", "\"0\" is no port: it must be 1 to 65535"},
      {"ports=80,x", "\"x\" is no port: it must be 1 to 65535"},
      {"ports=70000", "\"70000\" is no port: it must be 1 to 65535"},
      {"ports=", "\"\" is no port: it must be 1 to 65535"},
      {many, "101 ports were asked for; at most 100 fit"},
  };
  for (const auto& row : rows) {
    const auto& answer = forward(std::string(row.query), "v4.channel.k8s.io", {});
    EXPECT_EQ(answer.status, 400) << row.query;
    EXPECT_EQ(answer.json()->root()["message"].string(), row.message);
  }
  EXPECT_EQ(forward("ports=80", "v4.base64.channel.k8s.io", {}).status, 400);
  EXPECT_EQ(reach_request_, "");
}

TEST(Frames, AreCutWhereThePayloadIsLong) {
  const auto bytes = encode_frame({Channel::in, std::string(70000, 'x')});

  EXPECT_EQ(bytes.size(), 70000U + 10U);
  EXPECT_EQ(bytes.substr(0, 5), std::string("\0\0\1\0\0", 5));
}

TEST(SpdyProtocol, IsTheBestThatBothKnow) {
  EXPECT_EQ(*choose_spdy_protocol({"channel.k8s.io", "v4.channel.k8s.io"}), "v4.channel.k8s.io");
  EXPECT_EQ(*choose_spdy_protocol({}), "channel.k8s.io");
  EXPECT_EQ(choose_spdy_protocol({"v9"}).error().code, Code::forbidden);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
