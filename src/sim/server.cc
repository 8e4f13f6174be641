// SPDX-License-Identifier: Apache-2.0
#include "sim/server.h"

#include <fmt/format.h>

#include "async/task_group.h"
#include "async/together.h"
#include "base/check.h"
#include "base/metrics.h"
#include "control/controller_manager.h"
#include "control/scheduler_loop.h"
#include "reconcile/every_controller.h"
#include "registry/registry.h"

namespace tetrarch::sim {
namespace {

// How long the journal takes for a batch.
constexpr milliseconds kSyncMin{1};
constexpr milliseconds kSyncMax{4};

trust::Identity acting_as(std::string user) {
  return {.user = std::move(user),
          .groups = {std::string(trust::kMasters), std::string(trust::kAuthenticated)}};
}

reconcile::ClusterSettings settings() {
  reconcile::ClusterSettings out;
  out.ca_pem = "simulated";
  out.advertise_address = "192.0.2.1";
  out.pod_cidr = "10.32.0.0/12";  // room for 4,096 nodes
  return out;
}

/// A disk that says it took a batch and did not.
class LosingJournal final : public store::Journal {
 public:
  LosingJournal(std::unique_ptr<store::Journal> inner, bool& is_to_lose)
      : inner_(std::move(inner)), is_to_lose_(is_to_lose) {}

  Status load(const Visit& visit) override { return inner_->load(visit); }

  Status begin() override { return inner_->begin(); }

  Status append(const std::vector<Write>& writes, bool is_durable) override {
    if (is_durable && std::exchange(is_to_lose_, false)) {
      return ok();
    }
    return inner_->append(writes, is_durable);
  }

  std::string place() const override { return inner_->place(); }

 private:
  const std::unique_ptr<store::Journal> inner_;
  bool& is_to_lose_;
};

}  // namespace

/// One life of the process. Taken apart in the opposite order.
struct Server::Run {
  Run(TimePoint start, const Clock& wall, Chance& from)
      : domain(start),
        clock(wall),
        chance(from.branch()),
        turns(domain.executor(), "sim"),
        group(domain.executor(), "sim") {}

  Task<void> stop() {
    co_await scheduling->stop();
    co_await manager->stop();
    co_await group.stop();
    co_await turns.stop();  // last: who waits for a commit is not cancelled
  }

  Domain domain;
  const Clock& clock;
  Chance chance;
  Metrics metrics;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<client::Client> controllers;
  std::unique_ptr<client::Client> scheduler;
  std::unique_ptr<control::ControllerManager> manager;
  std::unique_ptr<control::EventRecorder> scheduler_events;
  std::unique_ptr<control::SchedulerLoop> scheduler_loop;
  std::unique_ptr<async::TaskGroup> scheduling;
  async::TaskGroup turns;  // of the committer
  async::TaskGroup group;  // calls and watches of others
  bool is_listening = false;
  std::map<std::string, TimePoint> heard;            // by node; by the world's time
  std::vector<std::weak_ptr<Waiting>> waiting = {};  // pruned now and then
  std::size_t waiting_max = 1024;
};

Server::Server(Parts parts, Chance chance)
    : parts_(std::move(parts)), chance_(chance), disk_(std::make_shared<store::MemoryDisk>()) {}

Server::~Server() {
  if (run_) {
    end(End::stopped);
  }
}

std::unique_ptr<store::Journal> Server::journal() {
  auto losing = std::make_unique<LosingJournal>(store::make_memory_journal(disk_), is_to_lose_);
  return make_watched_journal(
      std::move(losing),
      [this, number = number_](const auto& batch, Revision last, bool is_durable) {
        if (number != number_) {
          return;  // of a process that is gone: its disk is not the one that counts
        }
        parts_.ledger.take(batch, last, is_durable);
        parts_.written(batch);
      });
}

store::Options Server::store_options() {
  store::Options options;
  options.clock = &run_->domain.clock();
  options.revision_block = 500;
  options.turns = [run = run_.get()](std::function<void()> turn) {
    struct Later {
      static Task<void> have(milliseconds pause, std::function<void()> work) {
        co_await async::sleep_for(pause);
        work();
      }
    };

    run->turns.spawn(Later::have(run->chance.between(kSyncMin, kSyncMax), std::move(turn)));
  };
  return options;
}

void Server::start() {
  CHECK(!run_);
  ++number_;
  run_ = std::make_unique<Run>(parts_.clock.now(), wall_, chance_);
  Run& run = *run_;
  auto opened = store::Store::open(journal(), store_options());
  if (!opened.ok()) {
    parts_.history.violate(
        fmt::format("the store does not open any more: {}", opened.error().message));
    run_.reset();
    return;
  }
  run.store = *std::move(opened);
  if (number_ > 1) {
    parts_.ledger.compare(run.store->snapshot(), std::exchange(has_lost_power_, false));
  }
  run.registry = registry::make_registry(
      {.catalog = parts_.catalog, .store = *run.store, .clock = run.clock, .random = run.chance},
      registry::Options());
  run.controllers = run.registry->client(acting_as("system:kube-controller-manager"));
  run.scheduler = run.registry->client(acting_as("system:kube-scheduler"));
  control::ControllerManager::Options options;
  options.resources = control::mirrored_resources(parts_.catalog);
  options.election.identity = "server";
  options.signs = [this] { return signs(); };
  run.manager = std::make_unique<control::ControllerManager>(
      control::ControllerManager::Parts{*run.controllers, run.clock, run.chance, run.metrics},
      std::move(options),
      reconcile::every_controller(parts_.catalog, settings()),
      run.domain.executor());
  run.scheduler_events = std::make_unique<control::EventRecorder>(
      *run.scheduler, run.clock, run.chance, run.metrics, "default-scheduler");
  run.scheduler_loop = std::make_unique<control::SchedulerLoop>(control::SchedulerLoop::Parts{
      *run.scheduler, run.manager->cache(), *run.scheduler_events, run.clock, run.metrics});
  run.scheduling = std::make_unique<async::TaskGroup>(run.domain.executor(), "scheduler");
  run.group.spawn(begin(run));
  parts_.history.note(fmt::format("server {} starts", number_));
}

Task<void> Server::begin(Run& run) {
  const auto made = co_await run.registry->bootstrap();
  CHECK(made.ok());
  run.manager->run();
  run.scheduler_loop->run(*run.scheduling);
  run.scheduling->spawn(run.scheduler_events->run());
  run.is_listening = true;
  parts_.history.note(fmt::format("server {} listens", number_));
}

/// What a process that was killed still does is done to a copy of its disk, unseen by anybody.
void Server::end(End how) {
  constexpr const char* kWords[] = {"stops", "is killed", "loses power"};
  parts_.history.note(fmt::format("server {} {}", number_, kWords[static_cast<int>(how)]));
  resume();
  auto run = std::move(run_);
  for (const auto& each : run->waiting) {
    if (const auto waiting = each.lock()) {
      waiting->fail({Code::unavailable, "the server has gone"});
    }
  }
  if (how != End::stopped) {
    disk_ = how == End::killed ? disk_->after_kill() : disk_->after_power_loss();
    has_lost_power_ = how == End::power_lost;
    ++number_;
  }
  // Its time runs by itself until all has ended; nothing of it is seen.
  async::TaskGroup last(run->domain.executor(), "sim");
  last.spawn(run->stop());
  while (last.size() > 0) {
    while (run->domain.settle()) {
    }
    if (const auto next = run->domain.next(); last.size() > 0 && next) {
      run->domain.move_to(*next);
    }
  }
  while (run->domain.settle()) {
  }
}

void Server::pause() {
  is_paused_ = true;
  parts_.history.note("server stands still");
}

void Server::resume() {
  if (std::exchange(is_paused_, false)) {
    parts_.history.note("server goes on");
    if (run_) {
      run_->domain.move_to(parts_.clock.now());  // all that was due meanwhile is due at once
    }
  }
}

void Server::set_clock_by(seconds by) {
  wall_.set_by(by);
  parts_.history.note(fmt::format("server's clock is set by {} s", by.count()));
}

bool Server::is_listening() const {
  return run_ && run_->is_listening;
}

void Server::hear(const std::string& node) {
  if (is_listening() && !is_paused_) {
    run_->heard[node] = parts_.clock.now();
  }
}

std::vector<std::pair<std::string, std::chrono::nanoseconds>> Server::signs() const {
  std::vector<std::pair<std::string, std::chrono::nanoseconds>> out;
  if (!run_) {
    return out;
  }
  out.reserve(run_->heard.size());
  for (const auto& [node, time] : run_->heard) {
    out.emplace_back(node, parts_.clock.now() - time);
  }
  return out;
}

void Server::remember(const std::shared_ptr<Waiting>& waiting) {
  auto& all = run_->waiting;
  all.push_back(waiting);
  if (all.size() > run_->waiting_max) {
    std::erase_if(all, [](const auto& each) { return each.expired(); });
    run_->waiting_max = 1024 + 2 * all.size();
  }
}

void Server::spawn(Task<void> task) {
  run_->group.spawn(std::move(task));
}

Server::Client Server::client_of(trust::Identity who) {
  return run_->registry->client(std::move(who));
}

namespace {

Task<void> pump(std::unique_ptr<client::Watch> watch, std::shared_ptr<Pipe> pipe) {
  while (!pipe->end && !pipe->is_abandoned) {
    auto batch = co_await watch->next();
    if (!batch) {
      pipe->fail(batch.error());
      co_return;
    }
    if (pipe->wants) {
      std::erase_if(*batch, [&](const auto& event) { return !pipe->wants(event); });
    }
    if (pipe->batches.size() >= Pipe::kBatchesMax) {
      pipe->fail({Code::expired, "too slow a reader"});
      co_return;
    }
    if (!batch->empty()) {
      pipe->batches.push_back(std::move(*batch));
      pipe->filled.raise();
    }
    if (pipe->pace.count() > 0) {
      co_await async::sleep_for(pipe->pace);
    }
  }
}

Task<void> await_end(std::shared_ptr<Pipe> pipe) {
  co_await pipe->abandoned.wait();
}

}  // namespace

void Server::follow(std::unique_ptr<client::Watch> watch, const std::shared_ptr<Pipe>& pipe) {
  if (!run_) {
    pipe->fail({Code::unavailable, "the server has gone"});
    return;
  }
  remember(pipe);
  spawn(async::first_of(pump(std::move(watch), pipe), await_end(pipe)));
}

store::Snapshot Server::snapshot() const {
  return run_->store->snapshot();
}

bool Server::settle() {
  return run_ && !is_paused_ && run_->domain.settle();
}

std::optional<TimePoint> Server::next() {
  return run_ && !is_paused_ ? run_->domain.next() : std::nullopt;
}

void Server::move_to(TimePoint time) {
  if (run_ && !is_paused_) {
    run_->domain.move_to(time);
  }
}

}  // namespace tetrarch::sim
