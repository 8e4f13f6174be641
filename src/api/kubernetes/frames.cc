// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/frames.h"

#include "api/kubernetes/errors.h"
#include "async/timer.h"
#include "async/together.h"
#include "object/document.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kChunk = 32768;

/// How far the client's input has come.
struct Input {
  bool is_held_up = false;  ///< the agent has no room for the frame
  std::uint64_t passed = 0;
};

/// Ends when the client has gone. Where the agent takes no more, the command has ended: what is
/// still sent is dropped, because the output and the exit code are yet to come down.
Task<void> copy_up(RemoteClient& client, net::Stream& agent, Input& input) {
  bool is_heard = true;
  while (true) {
    auto frame = co_await client.read();
    if (!frame.ok()) {
      co_return;
    }
    if (is_heard) {
      const auto bytes = encode_frame(*frame);
      input.is_held_up = true;
      const auto written = co_await agent.write(bytes);
      input.is_held_up = false;
      ++input.passed;
      is_heard = written.ok();
    }
  }
}

/// Ends when the client is found to have gone. A connection whose input waits tells nothing of its
/// end, unless it is written to: the system of a client that has gone refuses that.
Task<void> watch_held_up(RemoteClient& client, const Input& input, std::chrono::nanoseconds every) {
  while (true) {
    const auto before = input.passed;
    co_await async::sleep_for(every);
    if (input.is_held_up && input.passed == before && !(co_await client.sign()).ok()) {
      co_return;
    }
  }
}

/// Always ends with a Status on the error channel, the agent's or ours.
Task<void> copy_down(RemoteClient& client, net::Stream& agent) {
  FrameReader reader(agent);
  while (true) {
    auto frame = co_await reader.read();
    const bool is_end = !frame.ok() || !frame->has_value();
    Frame out;
    if (is_end) {
      const Error lost(Code::internal, "the connection to the node ended before the command did");
      out = {Channel::status, failure_json(lost, Subject{})};
    } else {
      out = std::move(**frame);
    }
    const bool is_last = out.channel == Channel::status;
    const auto written = co_await client.write(std::move(out));
    if (!written.ok()) {
      co_return;
    }
    if (is_last) {
      co_await client.finish();
      co_return;
    }
  }
}

}  // namespace

std::string encode_frame(const Frame& frame) {
  std::string out;
  reach::append_channel_frame(out, frame.channel, frame.payload);
  return out;
}

Task<Result<std::optional<Frame>>> FrameReader::read() {
  std::string chunk(kChunk, '\0');
  while (true) {
    CO_TRY(auto frame, decoder_.next());
    if (frame) {
      co_return frame;
    }
    CO_TRY(const auto count, co_await stream_.read(chunk.data(), chunk.size()));
    if (count == 0) {
      co_return std::optional<Frame>{};
    }
    decoder_.feed(std::string_view(chunk).substr(0, count));
  }
}

std::string plain_error(std::string_view status_json) {
  const auto status = object::Document::parse(status_json);
  if (!status.ok()) {
    return std::string(status_json);
  }
  const auto root = (*status)->root();
  return std::string(root["status"].string() == "Success" ? "" : root["message"].string("failed"));
}

Task<Status> relay(RemoteClient& client,
                   net::Stream& agent,
                   std::chrono::nanoseconds sign_interval) {
  Input input;
  auto watched = watch_held_up(client, input, sign_interval);
  auto copied = async::first_of(copy_up(client, agent, input), copy_down(client, agent));
  co_await async::first_of(std::move(copied), std::move(watched));
  agent.close();
  co_return ok();
}

}  // namespace tetrarch::api::kubernetes
