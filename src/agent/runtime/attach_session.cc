// SPDX-License-Identifier: Apache-2.0
// attach with stdin: a container's own streams, as the streaming server inside containerd gives
// them: it holds the container's pipes, so only it can end stdin (stdinOnce) and pass on what no
// newline follows yet, such as a prompt. Two connections, because this form of the protocol ends
// stdin by ending the connection, and the container may still have something to say then.
#include <deque>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/cri_stream.h"
#include "agent/runtime/first_attach.h"
#include "async/timer.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);
// Ours: what is in the log comes through containerd within it, too.
constexpr milliseconds kCatchUp(50);

class AttachSession final : public Session {
 public:
  AttachSession(std::shared_ptr<Services> services, std::string id)
      : services_(std::move(services)), id_(std::move(id)) {}

  Task<Status> open(bool has_tty) {
    cri::AttachRequest outputs;
    outputs.set_container_id(id_);
    outputs.set_tty(has_tty);
    outputs.set_stdin(true);  // Seen: containerd 1.6 takes a stdin not asked for as one that ended
    outputs.set_stdout(true);
    outputs.set_stderr(!has_tty);
    CO_TRY(outputs_, co_await connect(std::move(outputs)));
    cri::AttachRequest input;
    input.set_container_id(id_);
    input.set_tty(has_tty);
    input.set_stdin(true);
    CO_TRY(input_, co_await connect(std::move(input)));
    co_return ok();
  }

  /// To be told first: what the container has printed until now, by its log. Once, before read().
  Task<Status> begin_with(std::unique_ptr<LogFollower> log, bool has_tty) {
    CO_TRY(auto printed, co_await printed_so_far(*log, has_tty));
    co_await async::sleep_for(kCatchUp);
    std::vector<Chunk> live;
    while (true) {
      CO_TRY(auto message, co_await outputs_->read_ready());
      if (!message) {
        break;
      }
      if (auto chunk = chunk_of(std::move(*message))) {
        live.push_back(std::move(*chunk));
      }
    }
    waiting_ = joined(std::move(printed), std::move(live));
    co_return ok();
  }

  Task<Result<Chunk>> read() override {
    if (!waiting_.empty()) {
      auto chunk = std::move(waiting_.front());
      waiting_.pop_front();
      co_return chunk;
    }
    while (true) {
      auto next = co_await outputs_->read();
      if (!next.ok()) {
        outcome_ = next.error();
        co_return next.error();
      }
      if (!next->has_value()) {
        co_return Chunk{};
      }
      if (auto chunk = chunk_of(std::move(**next))) {
        co_return std::move(*chunk);
      }
    }
  }

  Task<Status> write(std::string bytes) override {
    if (!input_) {
      co_return ok();  // what a client still sends after stdin was closed is dropped
    }
    const auto written = co_await input_->write(CriChannel::in, std::move(bytes));
    if (!written.ok()) {
      input_.reset();  // the container has ended: the end of its output says so
    }
    co_return ok();
  }

  Task<Status> close_stdin() override {
    if (ended_input_ || !input_) {
      co_return ok();
    }
    ended_input_ = std::move(input_);
    co_return co_await ended_input_->end();
  }

  Task<Status> resize(TerminalSize size) override {
    native_tasks::ResizePtyRequest request;
    request.set_container_id(id_);
    request.set_width(size.width);
    request.set_height(size.height);
    CO_TRY(const auto reply,
           co_await call<native_tasks::Nothing>(
               TETRARCH_RPC(tasks, ResizePty), std::move(request), kQuick));
    static_cast<void>(reply);
    co_return ok();
  }

  /// Who attached has not started the container: how that ends is no failure of theirs.
  /// Source: Kubernetes, CRI's Attach has no exit code; clients read the pod's status.
  Task<Result<int>> wait() override {
    CO_TRY_STATUS(outcome_);
    co_return 0;
  }

 private:
  static std::optional<Chunk> chunk_of(CriMessage message) {
    const bool is_error = message.channel == CriChannel::err;
    if ((!is_error && message.channel != CriChannel::out) || message.bytes.empty()) {
      return std::nullopt;
    }
    Chunk chunk;
    chunk.is_error_stream = is_error;
    chunk.bytes = std::move(message.bytes);
    return chunk;
  }

  Task<Result<std::unique_ptr<CriStream>>> connect(cri::AttachRequest request) {
    CO_TRY(
        auto reply,
        co_await call<cri::AttachResponse>(TETRARCH_RPC(pods, Attach), std::move(request), kQuick));
    co_return co_await CriStream::open(std::move(*reply.mutable_url()));
  }

  std::shared_ptr<Services> services_;
  std::string id_;
  Status outcome_ = ok();
  std::deque<Chunk> waiting_;  ///< read already
  std::unique_ptr<CriStream> outputs_;
  std::unique_ptr<CriStream> input_;        ///< null: there is none, or it has ended
  std::unique_ptr<CriStream> ended_input_;  ///< what it still holds is on its way
};

}  // namespace

Task<Result<std::unique_ptr<Session>>> Containers::attach(std::string id, bool has_stdin) {
  CO_TRY(const Container found, co_await container(id));
  if (found.state != ContainerState::running) {
    co_return Error{Code::precondition, "container " + found.name + " is not running"};
  }
  native_tasks::GetRequest get;
  get.set_container_id(id);
  CO_TRY(
      const auto task,
      co_await call<native_tasks::GetResponse>(TETRARCH_RPC(tasks, Get), std::move(get), kQuick));
  const bool has_tty = task.process().terminal();
  const bool is_whole = first_attach_.is_at_start(found, system_clock().now());
  if (!has_stdin) {
    co_return co_await observe(found, has_tty, is_whole);
  }
  auto session = std::make_unique<AttachSession>(services_, std::move(id));
  CO_TRY_STATUS(co_await session->open(has_tty));
  if (is_whole) {
    auto log = std::make_unique<LogFollower>(found.log_path, blocking_);
    CO_TRY_STATUS(co_await session->begin_with(std::move(log), has_tty));
  }
  co_return std::unique_ptr<Session>(std::move(session));
}

}  // namespace tetrarch::agent::runtime
