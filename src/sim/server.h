// SPDX-License-Identifier: Apache-2.0
// Server: the real store, registry, controllers and scheduler on a journal in memory, in a domain
// of its own. It can be killed, lose power, be stopped in an orderly way, stand still, and have its
// clock set; it starts again from what its disk kept. Seen by others only through the network.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "schema/catalog.h"
#include "sim/chance.h"
#include "sim/domain.h"
#include "sim/exchange.h"
#include "sim/history.h"
#include "sim/ledger.h"
#include "store/journal_memory.h"
#include "store/store.h"
#include "trust/identity.h"

namespace tetrarch::sim {

class Server {
 public:
  enum class End : std::uint8_t { stopped, killed, power_lost };

  /// All outlive it.
  struct Parts {
    const schema::Catalog& catalog;
    History& history;
    Ledger& ledger;
    /// Shown each batch that the journal took.
    std::function<void(const std::vector<Written>&)> written;
    /// Of the world.
    const Clock& clock;
  };

  Server(Parts parts, Chance chance);
  ~Server();

  void start();
  void end(End how);
  void pause();
  void resume();
  void set_clock_by(seconds by);

  bool is_up() const { return run_ != nullptr; }

  bool is_paused() const { return is_paused_; }

  /// It takes calls. While it stands still it takes them too, but does not answer.
  bool is_listening() const;

  /// Changes with each start: a connection does not outlive it.
  std::uint64_t number() const { return number_; }

  /// A node's agent gave a sign.
  void hear(const std::string& node);

  template <class T>
  void submit(trust::Identity who, Serve<T> what, const std::shared_ptr<Call<T>>& call) {
    if (is_up()) {
      remember(call);
      spawn(serve<T>(client_of(std::move(who)), std::move(what), call));
    }
  }

  /// Feeds the pipe until either side has gone.
  void follow(std::unique_ptr<client::Watch> watch, const std::shared_ptr<Pipe>& pipe);

  /// What is there now; the server is up.
  store::Snapshot snapshot() const;

  // For the simulation's loop: the time of a server that stands still does not pass.
  bool settle();
  std::optional<TimePoint> next();
  void move_to(TimePoint time);

  /// A fault that the checks must find: the journal says that it took a write, and did not.
  void lose_a_write() { is_to_lose_ = true; }

 private:
  struct Run;

  using Client = std::shared_ptr<client::Client>;

  template <class T>
  static Task<void> serve(Client client, Serve<T> what, std::shared_ptr<Call<T>> call) {
    auto answer = co_await what(*client);
    call->settle(std::move(answer));
  }

  std::unique_ptr<store::Journal> journal();
  store::Options store_options();
  Task<void> begin(Run& run);
  void remember(const std::shared_ptr<Waiting>& waiting);
  void spawn(Task<void> task);
  Client client_of(trust::Identity who);
  std::vector<std::pair<std::string, std::chrono::nanoseconds>> signs() const;

  const Parts parts_;
  Chance chance_;
  std::shared_ptr<store::MemoryDisk> disk_;
  std::unique_ptr<Run> run_;
  SetClock wall_{parts_.clock};  // of the machine: goes on while no server runs
  std::uint64_t number_ = 0;
  bool is_paused_ = false;
  bool has_lost_power_ = false;
  bool is_to_lose_ = false;
};

}  // namespace tetrarch::sim
