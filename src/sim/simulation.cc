// SPDX-License-Identifier: Apache-2.0
#include "sim/simulation.h"

#include <algorithm>

#include <fmt/format.h>

#include "async/timer.h"
#include "sim/convergence.h"
#include "sim/domain.h"
#include "sim/faults.h"
#include "sim/machine.h"
#include "sim/users.h"

namespace tetrarch::sim {
namespace {

constexpr TimePoint kBeginning = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);
constexpr std::size_t kZonesMin = 2;
constexpr std::size_t kMachinesPerZone = 20;
constexpr seconds kJoining{15};
constexpr seconds kLookInterval{2};
constexpr seconds kAfterwards{30};
constexpr seconds kCalmEnough{90};  // by then no fault is a cause for anything

/// Of the document's bytes, so that two runs that differ in one of them differ in the history.
/// Source: FNV-1a, 32 bits, taken over eight bytes at a time.
std::uint64_t digest(std::string_view bytes) {
  std::uint64_t out = 0xcbf29ce484222325ULL;
  for (const char c : bytes) {
    out = (out ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return out;
}

/// A daemon set has one zone: large enough to roll out over several machines, one by one.
std::size_t zones(const Options& options) {
  return std::max(kZonesMin, options.machines / kMachinesPerZone);
}

class Simulation {
 public:
  Simulation(const schema::Catalog& catalog, const Options& options)
      : options_(options),
        chance_(options.seed),
        history_(world_.clock(), kBeginning, options.log),
        server_({.catalog = catalog,
                 .history = history_,
                 .ledger = ledger_,
                 .written = [this](const auto& batch) { take(batch); },
                 .clock = world_.clock()},
                chance_.branch()),
        network_(server_, world_.clock(), chance_.branch()),
        users_({network_, ledger_, invariants_, world_.executor()},
               {options.machines, zones(options)},
               chance_.branch()),
        faults_({.network = network_,
                 .server = server_,
                 .invariants = invariants_,
                 .history = history_,
                 .machines = machines_,
                 .users = users_,
                 .executor = world_.executor()},
                chance_.branch()) {
    for (std::size_t i = 0; i < options.machines; ++i) {
      machines_.push_back(make_machine(i));
    }
  }

  Outcome run() {
    join();
    const auto storm_ends = world_.now() + options_.storm;
    users_.begin(storm_ends);
    faults_.begin(storm_ends);
    go_on_until(storm_ends);
    make_mistake();
    come_right();
    kill_once_more();
    auto outcome = tell();
    take_apart();
    return outcome;
  }

 private:
  std::unique_ptr<Machine> make_machine(std::size_t number) {
    Machine::Shape shape;
    shape.name = fmt::format("m{:04}", number);
    shape.zone = fmt::format("zone-{}", number % zones(options_));
    shape.address = fmt::format("192.168.{}.{}", number / 250, 1 + number % 250);
    shape.cpus = std::int64_t{2} << chance_.below(4);
    return std::make_unique<Machine>(
        Machine::Parts{network_, ledger_, history_, invariants_, world_.executor()},
        shape,
        chance_.branch());
  }

  void take(const std::vector<Written>& batch) {
    for (const auto& written : batch) {
      ++writes_;
      history_.note(fmt::format("{} {} {}/{} {:x}",
                                written.revision.number,
                                written.key.resource,
                                written.key.ns,
                                written.key.name,
                                written.document ? digest(written.document->bytes()) : 0));
    }
    invariants_.take(batch);
  }

  /// The next moment at which anything happens; false: none before `end`.
  bool step(TimePoint end) {
    while (world_.settle() | server_.settle()) {
    }
    auto next = world_.next();
    if (const auto other = server_.next(); other && (!next || *other < *next)) {
      next = other;
    }
    const bool is_in_time = next && *next <= end;
    const auto time = std::max(is_in_time ? *next : end, world_.now());
    world_.move_to(time);
    server_.move_to(time);
    return is_in_time;
  }

  void go_on_until(TimePoint end) {
    while (history_.is_clean() && step(end)) {
    }
  }

  void go_on_for(std::chrono::milliseconds time) { go_on_until(world_.now() + time); }

  void join() {
    server_.start();
    const auto pause = kJoining * 2 / 3 / std::max<std::size_t>(machines_.size(), 1);
    for (const auto& machine : machines_) {
      machine->boot();
      go_on_for(std::chrono::duration_cast<milliseconds>(pause));
    }
    go_on_for(kJoining / 3);
  }

  void make_mistake() {
    switch (options_.mistake) {
      case Mistake::none:
      case Mistake::lose_a_write:
        break;
      case Mistake::delete_a_pod:
        is_pod_to_go_ = true;
        break;
      case Mistake::stop_a_container:
        for (const auto& machine : machines_) {
          if (machine->pods().stop_one()) {
            break;
          }
        }
        break;
    }
  }

  /// Faults end with the storm; users end what they have begun; from then on there is a limit.
  void come_right() {
    const auto storm_ended = world_.now();
    while (history_.is_clean() && !(faults_.are_over() && users_.are_done())) {
      go_on_for(seconds(1));
    }
    const auto limit = world_.now() + options_.calm;
    history_.note("calm");
    std::vector<std::string> words;
    while (history_.is_clean()) {
      words = missing(server_.snapshot(), users_, machines_);
      if (words.empty() || world_.now() > limit) {
        break;
      }
      history_.note("not yet right: " + words.front());
      go_on_for(kLookInterval);
    }
    recovery_ = std::chrono::duration_cast<milliseconds>(world_.now() - storm_ended);
    for (const auto& word : words) {
      history_.violate(fmt::format("{} s after the last change: {}", options_.calm.count(), word));
    }
    if (is_pod_to_go_) {
      delete_a_pod();
    }
  }

  void delete_a_pod() {
    go_on_for(kCalmEnough);
    Key key;
    server_.snapshot().scan("pods", kNamespace, {}, [&](const Stored& pod) {
      key = pod.key;
      return pod.metadata()["ownerReferences"].at(0)["kind"].string() != "ReplicaSet";
    });
    submit([key](client::Client& client) { return client.remove(key, {}); });
  }

  /// By nobody that the rules know of.
  void submit(Serve<Stored> what) {
    server_.submit<Stored>({.user = "nobody", .groups = {std::string(trust::kMasters)}},
                           std::move(what),
                           std::make_shared<Call<Stored>>());
  }

  /// One that nothing is written over.
  void lose_a_write() {
    const auto map = Document::from_canonical(R"({"metadata":{"name":"lost"}})");
    server_.lose_a_write();
    submit(
        [map](client::Client& client) { return client.create("configmaps", kNamespace, map, {}); });
    go_on_for(milliseconds(20));
  }

  /// Nothing that is right may change by that.
  void kill_once_more() {
    go_on_for(kLookInterval);
    if (!history_.is_clean()) {
      return;
    }
    if (options_.mistake == Mistake::lose_a_write) {
      lose_a_write();
    }
    server_.end(Server::End::killed);
    go_on_for(seconds(1));
    server_.start();
    go_on_for(kAfterwards);
    if (!history_.is_clean()) {
      return;
    }
    for (const auto& word : missing(server_.snapshot(), users_, machines_)) {
      history_.violate(fmt::format("after a start when all was right: {}", word));
    }
  }

  Outcome tell() const {
    Outcome out;
    out.hash = history_.hash();
    out.lines = history_.size();
    out.writes = writes_;
    out.faults = faults_.count();
    out.starts = server_.number();
    out.judged = invariants_.judged();
    out.simulated = std::chrono::duration_cast<milliseconds>(world_.now() - kBeginning);
    out.recovery = recovery_;
    out.violations = history_.violations();
    out.last_lines = {history_.last_lines().begin(), history_.last_lines().end()};
    return out;
  }

  Task<void> stop_all() {
    co_await faults_.group().stop();
    co_await users_.group().stop();
    for (const auto& machine : machines_) {
      co_await machine->power_off(false);
    }
  }

  void take_apart() {
    server_.resume();
    async::TaskGroup last(world_.executor(), "sim");
    last.spawn(stop_all());
    while (last.size() > 0) {
      step(world_.now() + seconds(10));
    }
    if (server_.is_up()) {
      server_.end(Server::End::killed);
    }
    while (world_.settle()) {
    }
  }

  const Options options_;
  Chance chance_;
  Domain world_{kBeginning};
  History history_;
  Ledger ledger_{history_};
  Invariants invariants_{history_, world_.clock()};
  Server server_;
  Network network_;
  std::vector<std::unique_ptr<Machine>> machines_;
  Users users_;
  Faults faults_;
  std::size_t writes_ = 0;
  bool is_pod_to_go_ = false;
  milliseconds recovery_{0};
};

}  // namespace

Outcome simulate(const schema::Catalog& catalog, const Options& options) {
  return Simulation(catalog, options).run();
}

}  // namespace tetrarch::sim
