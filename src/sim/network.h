// SPDX-License-Identifier: Apache-2.0
// Network: what becomes of a message between a place (a machine, a user) and the server. Each place
// has a link: slow, lossy, cut in one direction or both. A message that is lost is sent again by
// the transport and comes late; over a cut link nothing comes, and whoever asked gives up.
// RemoteClient is the Client of such a place.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "sim/chance.h"
#include "sim/server.h"

namespace tetrarch::sim {

struct Link {
  bool is_cut_up = false;    ///< nothing reaches the server
  bool is_cut_down = false;  ///< nothing comes back
  milliseconds delay_min{1};
  milliseconds delay_max{5};
  int loss_per_mille = 0;
  int repeat_per_mille = 0;  ///< requests that reach the server twice

  bool is_cut() const { return is_cut_up || is_cut_down; }
};

class Network {
 public:
  Network(Server& server, const Clock& clock, Chance chance)
      : server_(server), clock_(clock), chance_(chance) {}

  Link& link(const std::string& place) { return links_[place]; }

  /// How long a message takes; none: it never comes.
  std::optional<milliseconds> up(const std::string& place);
  std::optional<milliseconds> down(const std::string& place);
  bool repeats(const std::string& place);

  Chance& chance() { return chance_; }

  Server& server() { return server_; }

  const Clock& clock() const { return clock_; }

 private:
  milliseconds delay_of(const Link& link);

  Server& server_;
  const Clock& clock_;
  Chance chance_;
  std::map<std::string, Link> links_;
};

/// Answers of writes go into the ledger as acknowledged.
class RemoteClient final : public client::Client {
 public:
  RemoteClient(Network& network, Ledger& ledger, std::string place, trust::Identity identity)
      : network_(network),
        ledger_(ledger),
        place_(std::move(place)),
        identity_(std::move(identity)) {}

  Task<Result<Stored>> get(Key key) override;
  Task<Result<client::ListPage>> list(client::ListQuery query) override;
  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery query) override;
  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              client::WriteOptions options) override;
  Task<Result<Stored>> update(Key key, DocumentPtr document, client::WriteOptions options) override;
  Task<Result<Stored>> patch(Key key,
                             client::PatchType type,
                             std::string body,
                             client::WriteOptions options) override;
  Task<Result<Stored>> remove(Key key, client::DeleteOptions options) override;
  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> changes) override;
  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName node) override;

 private:
  template <class T>
  Task<Result<T>> ask(Serve<T> what);
  Task<Result<Stored>> write(Serve<Stored> what, bool is_of_object);
  Task<Result<std::unique_ptr<client::Watch>>> open(
      std::function<Task<Result<std::unique_ptr<client::Watch>>>(client::Client&)> what,
      bool is_feed);

  Network& network_;
  Ledger& ledger_;
  const std::string place_;
  const trust::Identity identity_;
};

}  // namespace tetrarch::sim
