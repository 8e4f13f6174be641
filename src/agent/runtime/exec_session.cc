// SPDX-License-Identifier: Apache-2.0
// exec with streams: a process added to a container's task, its streams being pipes of ours. CRI's
// own way (a URL to a SPDY server inside containerd) would put a second streaming protocol between
// us and the shim.
#include <boost/asio/write.hpp>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/on_pool.h"
#include "agent/runtime/pipes.h"
#include "agent/runtime/process_spec.h"
#include "base/random.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);
/// An interactive shell may stay open; cancelling ends the wait earlier.
constexpr milliseconds kLong = hours(24 * 30);

template <class Request>
Request about(const std::string& container_id, const std::string& exec_id) {
  Request out;
  out.set_container_id(container_id);
  out.set_exec_id(exec_id);
  return out;
}

/// Kill, wait, delete, for an exec whose session is gone: one call after the other, on gRPC's
/// threads. `services` outlives them: it waits for its calls.
void reap(Services& services, const std::string& container_id, const std::string& exec_id) {
  using Tasks = std::remove_pointer_t<decltype(services.tasks->async())>;
  const auto remove = [&services, container_id, exec_id] {
    post_call<native_tasks::DeleteResponse>(
        services.calls,
        services.tasks->async(),
        &Tasks::DeleteProcess,
        about<native_tasks::DeleteProcessRequest>(container_id, exec_id),
        kQuick,
        {});
  };
  const auto wait = [&services, container_id, exec_id, remove] {
    post_call<native_tasks::WaitResponse>(services.calls,
                                          services.tasks->async(),
                                          &Tasks::Wait,
                                          about<native_tasks::WaitRequest>(container_id, exec_id),
                                          kQuick,
                                          remove);
  };
  auto kill = about<native_tasks::KillRequest>(container_id, exec_id);
  kill.set_signal(9);
  post_call<native_tasks::Nothing>(
      services.calls, services.tasks->async(), &Tasks::Kill, std::move(kill), kQuick, wait);
}

struct ExecPlace {
  std::string container_id;
  std::string exec_id;
  std::filesystem::path directory;  ///< holds the pipes; removed with the session
};

class ExecSession final : public Session {
 public:
  ExecSession(std::shared_ptr<Services> services,
              ExecPlace place,
              std::shared_ptr<PipeReader> reader)
      : services_(std::move(services)), place_(std::move(place)), reader_(std::move(reader)) {}

  ~ExecSession() override {
    reader_->close();
    if (is_made_ && !is_deleted_) {
      reap(*services_, place_.container_id, place_.exec_id);
    }
    std::error_code ignored;
    std::filesystem::remove_all(place_.directory, ignored);
  }

  /// Before containerd is asked: from now on there may be a process.
  void set_made() { is_made_ = true; }

  void set_started(std::unique_ptr<asio::posix::stream_descriptor> stdin_pipe) {
    stdin_ = std::move(stdin_pipe);
    reader_->start();
  }

  Task<Result<Chunk>> read() override { return reader_->read(); }

  Task<Status> write(std::string bytes) override {
    if (!stdin_) {
      co_return ok();  // what a client still sends after stdin was closed is dropped
    }
    const auto [error, n] = co_await asio::async_write(*stdin_, asio::buffer(bytes), kAwait);
    if (error) {
      stdin_.reset();  // the process has closed its stdin or ended; its exit code says the rest
    }
    co_return ok();
  }

  Task<Status> close_stdin() override {
    stdin_.reset();
    native_tasks::CloseIORequest request;
    request.set_container_id(place_.container_id);
    request.set_exec_id(place_.exec_id);
    request.set_stdin(true);
    CO_TRY(const auto reply,
           co_await call<native_tasks::Nothing>(
               TETRARCH_RPC(tasks, CloseIO), std::move(request), kQuick));
    static_cast<void>(reply);
    co_return ok();
  }

  Task<Status> resize(TerminalSize size) override {
    native_tasks::ResizePtyRequest request;
    request.set_container_id(place_.container_id);
    request.set_exec_id(place_.exec_id);
    request.set_width(size.width);
    request.set_height(size.height);
    CO_TRY(const auto reply,
           co_await call<native_tasks::Nothing>(
               TETRARCH_RPC(tasks, ResizePty), std::move(request), kQuick));
    static_cast<void>(reply);
    co_return ok();
  }

  Task<Result<int>> wait() override {
    native_tasks::WaitRequest request;
    request.set_container_id(place_.container_id);
    request.set_exec_id(place_.exec_id);
    CO_TRY(const auto reply,
           co_await call<native_tasks::WaitResponse>(
               TETRARCH_RPC(tasks, Wait), std::move(request), kLong));
    native_tasks::DeleteProcessRequest remove;
    remove.set_container_id(place_.container_id);
    remove.set_exec_id(place_.exec_id);
    const auto removed = co_await call<native_tasks::DeleteResponse>(
        TETRARCH_RPC(tasks, DeleteProcess), std::move(remove), kQuick);
    is_deleted_ = removed.ok();
    co_return static_cast<int>(reply.exit_status());
  }

 private:
  std::shared_ptr<Services> services_;
  ExecPlace place_;
  std::shared_ptr<PipeReader> reader_;  // shared with the reads under way
  std::unique_ptr<asio::posix::stream_descriptor> stdin_;
  bool is_made_ = false;
  bool is_deleted_ = false;
};

struct Prepared {
  ExecPlace place;
  int out = -1;
  int err = -1;  ///< -1 with a terminal
};

Result<Prepared> prepare_pipes(const std::filesystem::path& base,
                               const std::string& container_id,
                               bool has_tty,
                               bool has_stdin) {
  Prepared out;
  out.place.container_id = container_id;
  out.place.exec_id = make_uuid(system_random());
  out.place.directory = base / out.place.exec_id;
  std::error_code error;
  std::filesystem::create_directories(out.place.directory, error);
  if (error) {
    return Error{Code::internal,
                 "cannot make " + out.place.directory.string() + ": " + error.message()};
  }
  TRY(out.out, make_pipe_to_read(out.place.directory / "stdout"));
  if (!has_tty) {
    TRY(out.err, make_pipe_to_read(out.place.directory / "stderr"));
  }
  if (has_stdin) {
    TRY(const int fd, make_pipe_to_read(out.place.directory / "stdin"));
    ::close(fd);  // the shim reads it
  }
  return out;
}

native_tasks::ExecProcessRequest exec_request(const Prepared& prepared,
                                              const ExecOptions& options) {
  native_tasks::ExecProcessRequest out;
  out.set_container_id(prepared.place.container_id);
  out.set_exec_id(prepared.place.exec_id);
  out.set_terminal(options.has_tty);
  out.set_stdout((prepared.place.directory / "stdout").string());
  if (!options.has_tty) {
    out.set_stderr((prepared.place.directory / "stderr").string());
  }
  if (options.has_stdin) {
    out.set_stdin((prepared.place.directory / "stdin").string());
  }
  return out;
}

}  // namespace

Task<Result<std::unique_ptr<Session>>> Containers::start_exec(std::string id, ExecOptions options) {
  native_containers::GetContainerRequest get;
  get.set_id(id);
  CO_TRY(const auto found,
         co_await call<native_containers::GetContainerResponse>(
             TETRARCH_RPC(containers, Get), std::move(get), kQuick));
  CO_TRY(const auto spec,
         process_spec(found.container().spec().value(), options.command, options.has_tty));
  CO_TRY(const auto prepared,
         prepare_pipes(options_.pipe_directory, id, options.has_tty, options.has_stdin));
  auto request = exec_request(prepared, options);
  request.mutable_spec()->set_type_url(kProcessType);
  request.mutable_spec()->set_value(spec);

  const auto executor = co_await asio::this_coro::executor;
  auto reader = std::make_shared<PipeReader>(executor);
  reader->add(prepared.out, false);
  if (prepared.err >= 0) {
    reader->add(prepared.err, true);
  }
  auto session = std::make_unique<ExecSession>(services_, prepared.place, std::move(reader));
  session->set_made();
  CO_TRY(
      const auto made,
      co_await call<native_tasks::Nothing>(TETRARCH_RPC(tasks, Exec), std::move(request), kQuick));
  static_cast<void>(made);
  native_tasks::StartRequest start;
  start.set_container_id(id);
  start.set_exec_id(prepared.place.exec_id);
  CO_TRY(const auto started,
         co_await call<native_tasks::StartResponse>(
             TETRARCH_RPC(tasks, Start), std::move(start), kQuick));
  static_cast<void>(started);
  std::unique_ptr<asio::posix::stream_descriptor> stdin_pipe;
  if (options.has_stdin) {
    CO_TRY(const int fd, open_pipe_to_write(prepared.place.directory / "stdin"));
    stdin_pipe = std::make_unique<asio::posix::stream_descriptor>(executor, fd);
  }
  session->set_started(std::move(stdin_pipe));
  co_return std::unique_ptr<Session>(std::move(session));
}

}  // namespace tetrarch::agent::runtime
