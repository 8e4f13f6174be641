// SPDX-License-Identifier: Apache-2.0
#include "reach/hub.h"

#include <utility>

#include "async/timer.h"
#include "async/together.h"
#include "base/log.h"
#include "reach/answer.h"

namespace tetrarch::reach {

namespace {
/// How long an agent may take to say that it can do what was asked.
constexpr auto kAnswerLimit = std::chrono::seconds(30);

Task<void> read_into(net::Stream& stream, Result<std::string>& line) {
  line = co_await read_line(stream);
}

Task<void> expire() {
  co_await async::sleep_for(kAnswerLimit);
}
}  // namespace

Task<void> Hub::attach(NodeName node,
                       std::unique_ptr<net::Stream> connection,
                       Mux::OnOpen on_open) {
  MuxOptions options = options_;
  options.is_dialer = false;
  const auto mux =
      std::make_shared<Mux>(std::move(connection), options, std::move(on_open), clock_);
  std::shared_ptr<Mux> earlier;
  {
    const std::lock_guard lock(mutex_);
    earlier = std::exchange(connections_[node], mux);
  }
  if (earlier) {
    earlier->close();
  }

  struct Leaving {
    Hub& hub;
    const NodeName& node;
    const std::shared_ptr<Mux>& mux;

    ~Leaving() {  // also when the task is cancelled
      const std::lock_guard lock(hub.mutex_);
      const auto at = hub.connections_.find(node);
      if (at != hub.connections_.end() && at->second == mux) {
        hub.connections_.erase(at);
      }
    }
  };

  const Leaving leaving{*this, node, mux};
  log::info("reach", "node {} is connected", node.text);
  const auto ended = co_await mux->run();
  log::info("reach",
            "node {} is no longer connected: {}",
            node.text,
            ended.ok() ? "closed" : ended.error().message);
}

std::shared_ptr<Mux> Hub::find(const NodeName& node) const {
  const std::lock_guard lock(mutex_);
  const auto at = connections_.find(node);
  return at == connections_.end() ? nullptr : at->second;
}

bool Hub::is_connected(const NodeName& node) const {
  return find(node) != nullptr;
}

std::vector<Hub::Sign> Hub::signs() const {
  std::vector<Sign> out;
  const auto now = clock_.steady();
  const std::lock_guard lock(mutex_);
  out.reserve(connections_.size());
  for (const auto& [node, mux] : connections_) {
    out.push_back({node.text, now - mux->last_heard()});
  }
  return out;
}

Task<Result<std::unique_ptr<net::Stream>>> Hub::open(NodeName node, std::string request_json) {
  const auto mux = find(node);
  if (!mux) {
    co_return Error{Code::unavailable, "node " + node.text + " is not connected"};
  }
  co_return mux->open(std::move(request_json));
}

Task<Result<std::unique_ptr<net::Stream>>> Hub::open_checked(NodeName node,
                                                             std::string request_json) {
  CO_TRY(auto stream, co_await open(node, std::move(request_json)));
  Result<std::string> line = Error{Code::timeout, "node " + node.text + " did not answer in time"};
  co_await async::first_of(read_into(*stream, line), expire());
  if (!line.ok()) {
    co_return std::move(line).error();
  }
  CO_TRY_STATUS(parse_answer(*line));
  co_return stream;
}

void Hub::close_all() {
  std::map<NodeName, std::shared_ptr<Mux>> open;
  {
    const std::lock_guard lock(mutex_);
    open = connections_;
  }
  for (const auto& [node, mux] : open) {
    mux->close();
  }
}

}  // namespace tetrarch::reach
