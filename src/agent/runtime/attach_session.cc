// SPDX-License-Identifier: Apache-2.0
// attach with stdin: a container's own streams, as the streaming server inside containerd gives
// them: it holds the container's pipes, so only it can end stdin (stdinOnce) and pass on what no
// newline follows yet, such as a prompt. Two connections, because this form of the protocol ends
// stdin by ending the connection, and the container may still have something to say then.
#include "agent/runtime/containers_impl.h"
#include "agent/runtime/cri_stream.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);

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

  Task<Result<Chunk>> read() override {
    while (true) {
      auto next = co_await outputs_->read();
      if (!next.ok()) {
        outcome_ = next.error();
        co_return next.error();
      }
      if (!next->has_value()) {
        co_return Chunk{};
      }
      auto& message = **next;
      const bool is_error = message.channel == CriChannel::err;
      if ((is_error || message.channel == CriChannel::out) && !message.bytes.empty()) {
        Chunk chunk;
        chunk.is_error_stream = is_error;
        chunk.bytes = std::move(message.bytes);
        co_return chunk;
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
  Task<Result<std::unique_ptr<CriStream>>> connect(cri::AttachRequest request) {
    CO_TRY(
        auto reply,
        co_await call<cri::AttachResponse>(TETRARCH_RPC(pods, Attach), std::move(request), kQuick));
    co_return co_await CriStream::open(std::move(*reply.mutable_url()));
  }

  std::shared_ptr<Services> services_;
  std::string id_;
  Status outcome_ = ok();
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
  if (!has_stdin) {
    co_return co_await observe(found, has_tty);
  }
  auto session = std::make_unique<AttachSession>(services_, std::move(id));
  CO_TRY_STATUS(co_await session->open(has_tty));
  co_return std::unique_ptr<Session>(std::move(session));
}

}  // namespace tetrarch::agent::runtime
