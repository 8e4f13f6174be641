// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes 1.20 and later, remote command protocol v1 to v4; Seen: kubectl 1.20 exec -it.
#include "api/kubernetes/exec_spdy.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "api/kubernetes/frames.h"
#include "async/timer.h"
#include "async/together.h"
#include "net/spdy.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kV4 = "v4.channel.k8s.io";
constexpr auto kPreferred = std::to_array<std::string_view>(
    {kV4, "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"});

constexpr std::chrono::seconds kStreamsDeadline{
    30};  // Source: Kubernetes kubelet, stream creation timeout
constexpr std::size_t kChunk = 32768;
constexpr std::size_t kInboxMax = 16;

bool has_resize(std::string_view protocol) {
  return protocol == kV4 || protocol.starts_with("v3");
}

/// The client's end of one session. Lives on the connection's strand, as its streams do.
class SpdyClient final : public RemoteClient {
 public:
  explicit SpdyClient(std::string protocol) : protocol_(std::move(protocol)) {}

  Status take(std::unique_ptr<net::SpdyStream> stream) {
    const auto type = stream->headers().get("streamtype");
    auto* place = type == "error"    ? &error_
                  : type == "stdin"  ? &stdin_
                  : type == "stdout" ? &stdout_
                  : type == "stderr" ? &stderr_
                  : type == "resize" ? &resize_
                                     : nullptr;
    if (place == nullptr || *place != nullptr) {
      return Error{Code::malformed, "a SPDY stream of an unknown or repeated streamtype"};
    }
    *place = std::move(stream);
    return ok();
  }

  /// Reads the client's streams into the inbox; never ends by itself, but is cancelled with the
  /// session.
  Task<void> pump() {
    co_await async::both(pump_stdin(), pump_resize());
    async::Event never;
    co_await never.wait();
  }

  Task<Result<Frame>> read() override {
    while (inbox_.empty()) {
      co_await filled_.wait();
    }
    auto out = std::move(inbox_.front());
    inbox_.pop_front();
    stdin_room_.raise();
    resize_room_.raise();
    co_return out;
  }

  Task<Status> write(Frame frame) override {
    if (frame.channel == Channel::status && protocol_ != kV4) {
      frame.payload = plain_error(frame.payload);
    }
    auto* stream = frame.channel == Channel::out      ? stdout_.get()
                   : frame.channel == Channel::err    ? stderr_.get()
                   : frame.channel == Channel::status ? error_.get()
                                                      : nullptr;
    if (stream == nullptr || frame.payload.empty()) {
      co_return ok();
    }
    co_return co_await stream->write(frame.payload);
  }

  Task<void> finish() override {
    const std::array<net::SpdyStream*, 3> outputs{stdout_.get(), stderr_.get(), error_.get()};
    for (auto* stream : outputs) {
      if (stream != nullptr) {
        (void)co_await stream->shut_write();  // the session may have ended already
      }
    }
  }

  /// Its session sees to it.
  Task<Status> sign() override { co_return ok(); }

 private:
  Task<void> push(Frame frame, async::Event& room) {
    while (inbox_.size() >= kInboxMax) {
      co_await room.wait();
    }
    inbox_.push_back(std::move(frame));
    filled_.raise();
  }

  Task<void> pump_stdin() {
    if (!stdin_) {
      co_return;
    }
    std::string buffer(kChunk, '\0');
    while (true) {
      const auto count = co_await stdin_->read(buffer.data(), buffer.size());
      const bool is_end = !count.ok() || *count == 0;
      Frame frame;
      frame.channel = is_end ? Channel::close : Channel::in;
      frame.payload = is_end ? std::string(1, '\0') : buffer.substr(0, *count);
      co_await push(std::move(frame), stdin_room_);
      if (is_end) {
        co_return;
      }
    }
  }

  /// One JSON object a line.
  Task<void> pump_resize() {
    std::string line;
    char c = 0;
    while (resize_) {
      const auto count = co_await resize_->read(&c, 1);
      if (!count.ok() || *count == 0) {
        co_return;
      }
      if (c == '\n' && !line.empty()) {
        Frame frame;
        frame.channel = Channel::resize;
        frame.payload = std::exchange(line, "");
        co_await push(std::move(frame), resize_room_);
      } else if (line.size() < 1024) {
        line += c;
      }
    }
  }

  const std::string protocol_;
  std::unique_ptr<net::SpdyStream> error_;
  std::unique_ptr<net::SpdyStream> stdin_;
  std::unique_ptr<net::SpdyStream> stdout_;
  std::unique_ptr<net::SpdyStream> stderr_;
  std::unique_ptr<net::SpdyStream> resize_;
  std::deque<Frame> inbox_;
  async::Event filled_;
  async::Event stdin_room_;
  async::Event resize_room_;
};

Task<void> relay_and_keep(RemoteClient& client, net::Stream& agent) {
  (void)co_await relay(client, agent);
}

struct Session {
  net::SpdySession& spdy;
  net::Stream& agent;
  SpdyStreams expected;
  std::string protocol;
};

Task<void> talk(Session& session) {
  SpdyClient client(session.protocol);
  const auto& expected = session.expected;
  const bool is_resized = expected.has_resize && has_resize(session.protocol);
  int missing = 1 + expected.has_stdin + expected.has_stdout + expected.has_stderr + is_resized;
  for (; missing > 0; --missing) {
    auto stream = co_await session.spdy.accept(kStreamsDeadline);
    if (!stream.ok() || !client.take(std::move(*stream)).ok()) {
      co_return;
    }
  }
  co_await async::first_of(client.pump(), relay_and_keep(client, session.agent));
  co_await session.spdy.close();
}

}  // namespace

Result<std::string> choose_spdy_protocol(const std::vector<std::string_view>& offered) {
  for (const auto candidate : kPreferred) {
    if (std::find(offered.begin(), offered.end(), candidate) != offered.end()) {
      return std::string(candidate);
    }
  }
  if (offered.empty()) {
    return std::string(kPreferred.back());
  }
  return Error{Code::forbidden,
               "unable to upgrade: unable to negotiate protocol: use v4.channel.k8s.io"};
}

Task<Status> relay_spdy(std::unique_ptr<net::Stream> connection,
                        std::unique_ptr<net::Stream> agent,
                        SpdyStreams expected,
                        std::string protocol) {
  net::SpdySession spdy(std::move(connection));
  Session session{spdy, *agent, expected, std::move(protocol)};
  co_await async::first_of(spdy.run(), talk(session));
  agent->close();
  co_return ok();
}

}  // namespace tetrarch::api::kubernetes
