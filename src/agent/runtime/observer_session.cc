// SPDX-License-Identifier: Apache-2.0
// attach without stdin: what the container prints from now on, as its log records it: a line at a
// time. It holds nothing of the container's: an observer that leaves changes nothing, while one
// that came through containerd would end the stdin of a container with stdinOnce.
#include "agent/runtime/containers_impl.h"
#include "agent/runtime/log_chunks.h"
#include "agent/runtime/log_file.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kQuick = seconds(20);

class ObserverSession final : public Session {
 public:
  ObserverSession(std::shared_ptr<Services> services,
                  std::string id,
                  std::unique_ptr<LogFollower> log,
                  bool has_tty)
      : services_(std::move(services)),
        id_(std::move(id)),
        log_(std::move(log)),
        chunks_(has_tty) {}

  Task<Result<Chunk>> read() override {
    while (true) {
      if (auto chunk = chunks_.take()) {
        co_return std::move(*chunk);
      }
      CO_TRY(const std::string more, co_await log_->read());
      if (!more.empty()) {
        chunks_.feed(more);
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

  Task<Status> write(std::string) override { co_return ok(); }

  Task<Status> close_stdin() override { co_return ok(); }

  Task<Status> resize(TerminalSize) override { co_return ok(); }

  /// Source: Kubernetes, CRI's Attach has no exit code; clients read the pod's status.
  Task<Result<int>> wait() override { co_return 0; }

 private:
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
  LogChunks chunks_;
  bool is_over_ = false;
};

}  // namespace

Task<Result<std::unique_ptr<Session>>> Containers::observe(Container found,
                                                           bool has_tty,
                                                           bool is_whole) {
  auto log = std::make_unique<LogFollower>(found.log_path, blocking_);
  if (!is_whole) {
    CO_TRY_STATUS(co_await log->skip_to_end());
  }
  auto session =
      std::make_unique<ObserverSession>(services_, std::move(found.id), std::move(log), has_tty);
  co_return std::unique_ptr<Session>(std::move(session));
}

}  // namespace tetrarch::agent::runtime
