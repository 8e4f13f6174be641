// SPDX-License-Identifier: Apache-2.0
// Users: who ask the cluster for things: deployments that they scale and roll out, stateful and
// daemon sets, jobs, pods, services, and nodes that they drain. Each asks again until it is
// answered, with preconditions, so that a request that comes twice does nothing the second time.
// What was acknowledged last is what they expect in the end.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/task_group.h"
#include "object/tree.h"
#include "sim/chance.h"
#include "sim/invariants.h"
#include "sim/network.h"

namespace tetrarch::sim {

inline constexpr const char* kNamespace = "work";

/// What somebody wants to run, as it was acknowledged last.
struct App {
  enum class Kind : std::uint8_t { deployment, stateful, daemon };
  Kind kind = Kind::deployment;
  std::string name;
  std::int64_t replicas = 1;
  int version = 1;
  std::string zone = {};  ///< of a daemon set: where it runs
  bool is_there = false;
  bool has_budget = false;
  int host_port = 0;
  bool has_node_port = false;

  Key key() const;
  std::string image() const;
};

class Users {
 public:
  /// All outlive it.
  struct Parts {
    Network& network;
    Ledger& ledger;
    Invariants& invariants;
    asio::any_io_executor executor;
  };

  struct Size {
    std::size_t machines;
    std::size_t zones;
  };

  Users(Parts parts, Size size, Chance chance);
  ~Users();

  /// They change things until then, and end what they have begun after it.
  void begin(TimePoint until);

  bool are_done() const { return group_->size() == 0; }

  async::TaskGroup& group() { return *group_; }

  const std::deque<App>& apps() const { return apps_; }

  const std::vector<std::string>& jobs() const { return jobs_; }

  /// Places in the network.
  const std::vector<std::string>& places() const { return places_; }

 private:
  using Edit = std::function<void(object::TreeObject&)>;

  client::Client& client(std::size_t user) { return *clients_[user % clients_.size()]; }

  bool has_time() const;
  App make_app(std::size_t number);
  Task<void> open();
  Task<void> drive(App& app, std::size_t user);
  Task<void> make_app_objects(App& app, client::Client& client);
  Task<void> change(App& app, client::Client& client);
  Task<void> drain_nodes(std::size_t user);
  Task<void> drain(std::string node, client::Client& client);
  Task<void> evict(Key pod, client::Client& client);
  Task<void> run_jobs(std::size_t user);
  Task<void> run_pods(std::size_t user);

  static Task<void> make(client::Client& client, std::string resource, std::string json);
  static Task<void> edit(client::Client& client, Key key, Edit change);
  static Task<void> unmake(client::Client& client, Key key);

  const Parts parts_;
  const Size size_;
  Chance chance_;
  TimePoint until_;
  std::deque<App> apps_;  // stay where they are
  std::vector<std::string> jobs_;
  std::vector<std::string> places_;
  std::vector<std::unique_ptr<client::Client>> clients_;
  std::unique_ptr<async::TaskGroup> group_;
};

}  // namespace tetrarch::sim
