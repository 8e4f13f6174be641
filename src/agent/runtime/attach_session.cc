// SPDX-License-Identifier: Apache-2.0
// attach: what the container prints from now on, as its log records it, and its stdin through the
// shim's own pipe.
#include <optional>

#include <boost/asio/write.hpp>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/log_file.h"
#include "agent/runtime/pipes.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);

class AttachSession final : public Session {
 public:
  AttachSession(std::shared_ptr<Services> services,
                std::string id,
                std::unique_ptr<LogFollower> log,
                bool has_tty)
      : services_(std::move(services)),
        id_(std::move(id)),
        log_(std::move(log)),
        has_tty_(has_tty) {}

  void set_stdin(std::unique_ptr<asio::posix::stream_descriptor> pipe) { stdin_ = std::move(pipe); }

  Task<Result<Chunk>> read() override {
    while (true) {
      if (auto chunk = take_line()) {
        co_return std::move(*chunk);
      }
      CO_TRY(const std::string more, co_await log_->read());
      if (!more.empty()) {
        buffer_ += more;
        continue;
      }
      if (is_over_) {
        co_return Chunk{};
      }
      CO_TRY(const bool is_running, co_await is_still_running());
      if (!is_running) {
        is_over_ = true;  // one more read picks up what came before the end
        continue;
      }
      co_await log_->wait();
    }
  }

  Task<Status> write(std::string bytes) override {
    if (!stdin_) {
      co_return ok();
    }
    const auto [error, n] = co_await asio::async_write(*stdin_, asio::buffer(bytes), kAwait);
    if (error) {
      stdin_.reset();
    }
    co_return ok();
  }

  Task<Status> close_stdin() override {
    stdin_.reset();
    co_return ok();  // the container keeps its stdin: others may attach later
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

  Task<Result<int>> wait() override {
    cri::ContainerIdRequest request;
    request.set_container_id(id_);
    CO_TRY(const auto reply,
           co_await call<cri::ContainerStatusResponse>(
               TETRARCH_RPC(pods, ContainerStatus), std::move(request), kQuick));
    co_return reply.status().exit_code();
  }

 private:
  std::optional<Chunk> take_line() {
    const auto end = buffer_.find('\n');
    if (end == std::string::npos) {
      return std::nullopt;
    }
    const auto line = parse_log_line(std::string_view(buffer_).substr(0, end));
    Chunk chunk;
    if (line) {
      chunk.is_error_stream = line->is_error_stream && !has_tty_;
      chunk.bytes = std::string(line->text) + (line->is_partial ? "" : "\n");
    }
    buffer_.erase(0, end + 1);
    if (chunk.bytes.empty()) {
      return take_line();
    }
    return chunk;
  }

  Task<Result<bool>> is_still_running() {
    cri::ContainerIdRequest request;
    request.set_container_id(id_);
    CO_TRY(const auto reply,
           co_await call<cri::ContainerStatusResponse>(
               TETRARCH_RPC(pods, ContainerStatus), std::move(request), kQuick));
    co_return reply.status().state() == cri::CONTAINER_RUNNING;
  }

  std::shared_ptr<Services> services_;
  std::string id_;
  std::unique_ptr<LogFollower> log_;
  bool has_tty_;
  bool is_over_ = false;
  std::string buffer_;
  std::unique_ptr<asio::posix::stream_descriptor> stdin_;
};

}  // namespace

Task<Result<std::unique_ptr<Session>>> Containers::attach(std::string id) {
  CO_TRY(const Container found, co_await container(id));
  if (found.state != ContainerState::running) {
    co_return Error{Code::precondition, "container " + found.name + " is not running"};
  }
  native_tasks::GetRequest get;
  get.set_container_id(id);
  CO_TRY(
      const auto task,
      co_await call<native_tasks::GetResponse>(TETRARCH_RPC(tasks, Get), std::move(get), kQuick));
  auto log = std::make_unique<LogFollower>(found.log_path, blocking_);
  CO_TRY_STATUS(co_await log->skip_to_end());
  auto session = std::make_unique<AttachSession>(
      services_, std::move(id), std::move(log), task.process().terminal());
  if (!task.process().stdin().empty()) {
    if (const auto fd = open_pipe_to_write(task.process().stdin()); fd.ok()) {
      const auto executor = co_await asio::this_coro::executor;
      session->set_stdin(std::make_unique<asio::posix::stream_descriptor>(executor, *fd));
    }
  }
  co_return std::unique_ptr<Session>(std::move(session));
}

}  // namespace tetrarch::agent::runtime
