// SPDX-License-Identifier: Apache-2.0
// `tetrarch up`, `server` and `agent`: one process per data directory, until a signal ends it.
#include <atomic>
#include <csignal>
#include <future>
#include <optional>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "app/command.h"
#include "app/config_values.h"
#include "app/control_plane.h"
#include "app/leave.h"
#include "app/machine.h"
#include "app/node.h"
#include "app/ownership.h"
#include "app/start_memory.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/log.h"
#include "base/metrics.h"

namespace tetrarch::app {
namespace {

constexpr std::string_view kRoom = "app";
constexpr timespec kSettled{.tv_sec = 20, .tv_nsec = 0};  // what a start takes, and its pods
constexpr timespec kTidied{.tv_sec = 60, .tv_nsec = 0};   // from one look at free heap to the next

/// Runs one task to its end from the main thread.
template <class T>
T run_to_end(async::IoPool& pool, Task<T> task) {
  std::promise<T> promise;
  async::TaskGroup group(pool.strand(), std::string(kRoom));
  auto body = [](Task<T> inner, std::promise<T>& out) -> Task<void> {
    out.set_value(co_await std::move(inner));
  };
  group.spawn(body(std::move(task), promise));
  T value = promise.get_future().get();
  group.stop_and_wait();
  return value;
}

Task<Unit> as_unit(Task<void> task) {
  co_await std::move(task);
  co_return Unit{};
}

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/// Where leaving is forced, pods that did not go have had their time.
constexpr std::chrono::seconds kForcedDrain{1};

struct Wanted {
  bool server = false;
  bool agent = false;
};

/// The parts of a process and the order in which they start and stop.
class Process {
 public:
  Process(const Config& config, Wanted wanted)
      : config_(config), wanted_(wanted), pool_(config.io_threads), blocking_(8) {}

  Status start() {
    if (wanted_.server) {
      plane_.emplace(config_, pool_, blocking_, metrics_);
      TRY_STATUS(run_to_end(pool_, plane_->start()));
    }
    if (wanted_.agent) {
      TRY(auto keys, node_keys());
      node_.emplace(config_, std::move(keys), pool_, blocking_, metrics_);
      if (!plane_) {
        node_->on_leave([this](bool is_forced) { leave(is_forced); });
      }
      TRY_STATUS(run_to_end(pool_, node_->start()));
    }
    return ok();
  }

  /// On SIGHUP: `tetrarch rotate` has changed a file of keys.
  void reload() {
    if (!plane_) {
      return;
    }
    if (const auto done = plane_->reload_keys(); !done.ok()) {
      log::error(kRoom, "the keys stay as they are: {}", done.error().message);
    }
  }

  void stop() {
    if (node_) {
      run_to_end(pool_, as_unit(node_->stop()));
    }
    if (plane_) {
      run_to_end(pool_, as_unit(plane_->stop()));
    }
  }

  /// How the machine leaves when the process ends; nothing: its pods run on.
  std::optional<Leave::Terms> leaving() const {
    if (leave_ == Wish::stay && config_.leave_on_stop != "true") {
      return std::nullopt;
    }
    return leave_ == Wish::leave_anyway ? Leave::Terms{kForcedDrain, true} : Leave::Terms{};
  }

 private:
  enum class Wish : std::uint8_t { stay, leave, leave_anyway };

  /// Whoever wants it has drained the machine already.
  void leave(bool is_forced) {
    leave_ = is_forced ? Wish::leave_anyway : Wish::leave;
    ::kill(::getpid(), SIGTERM);
  }

  Result<NodeAccessKeys> node_keys() {
    if (!plane_) {
      return run_to_end(pool_, join(config_));
    }
    TRY(auto pair, plane_->node_credentials(config_.node_name));
    return NodeAccessKeys{local_url(config_, plane_->port()), plane_->ca_pem(), std::move(pair)};
  }

  const Config& config_;
  const Wanted wanted_;
  Metrics metrics_;
  async::IoPool pool_;
  async::BlockingPool blocking_;
  std::optional<ControlPlane> plane_;
  std::optional<Node> node_;
  std::atomic<Wish> leave_{Wish::stay};
};

/// The signal that ends the process.
int wait_for_end(const sigset_t& signals, Process& process) {
  int signal = sigtimedwait(&signals, nullptr, &kSettled);
  if (signal < 0) {
    give_back_start_memory();
  }
  while (signal < 0 || signal == SIGHUP) {
    if (signal == SIGHUP) {
      process.reload();
    }
    signal = sigtimedwait(&signals, nullptr, &kTidied);
    if (signal < 0) {
      give_back_free_heap();
    }
  }
  return signal;
}

/// The end of a process whose machine leaves with it: while it runs, its work moves elsewhere.
Status leave_and_stop(const Config& config, Process& process, const Leave::Terms& terms) {
  const auto leaving = Leave::prepare(config);
  auto done = leaving.ok() ? (*leaving)->move_work(terms) : Status(leaving.error());
  process.stop();
  if (done.ok()) {
    done = (*leaving)->forget();
  }
  return done;
}

Status end(const Config& config, Process& process) {
  if (const auto terms = process.leaving()) {
    log::info(kRoom, "leaving the cluster");
    return leave_and_stop(config, process, *terms);
  }
  log::info(kRoom, "ending; containers go on");
  process.stop();
  return ok();
}

int run_process(const Config& config, Wanted wanted) {
  if (const auto checked = check_config(config); !checked.ok()) {
    return fail(checked.error().message);
  }
  if (wanted.server && config.leave_on_stop == "true") {
    return fail("leave-on-stop: a machine that runs the control plane cannot leave");
  }
  if (wanted.agent && geteuid() != 0) {
    return fail("containers, bridges and packet filter rules need root");
  }
  const sigset_t signals = block_signals();
  raise_file_limit();
  umask(0022);  // what containers inherit; our own files are made private one by one
  const auto owned = Ownership::take(config.data_dir);
  if (!owned.ok()) {
    return fail(owned.error().message);
  }
  if (!wanted.server) {
    share_heaps();
  }
  Process process(config, wanted);
  const auto started = process.start();
  if (!started.ok()) {
    process.stop();
    return fail(started.error().message);
  }
  sd_notify(0, "READY=1");
  log::info(kRoom, "ready; data in {}", config.data_dir);
  const int signal = wait_for_end(signals, process);
  log::info(kRoom, "{}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  sd_notify(0, "STOPPING=1");
  const auto ended = end(config, process);
  return ended.ok() ? 0 : fail(ended.error().message);
}

int refuse_words(const std::vector<std::string>& rest) {
  return fail(fmt::format("unknown flag or word '{}'; `tetrarch help` lists them", rest[0]));
}

}  // namespace

int run_up(const Config& config, const std::vector<std::string>& rest) {
  return rest.empty() ? run_process(config, {true, true}) : refuse_words(rest);
}

int run_server(const Config& config, const std::vector<std::string>& rest) {
  return rest.empty() ? run_process(config, {true, false}) : refuse_words(rest);
}

int run_agent(const Config& config, const std::vector<std::string>& rest) {
  if (!rest.empty()) {
    return refuse_words(rest);
  }
  if (config.server.empty()) {
    return fail("agent: --server https://HOST:PORT is missing");
  }
  return run_process(config, {false, true});
}

}  // namespace tetrarch::app
