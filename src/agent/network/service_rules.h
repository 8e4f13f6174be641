// SPDX-License-Identifier: Apache-2.0
// ServiceRules: the table of the packet filter for what a ServiceTable holds. A change is worked
// out from the ports that it touched. Two services may claim one address and port, two pods one
// host port: the kernel would refuse the second, so one has it, and the other gets it when it is
// free. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/network/nft_book.h"
#include "agent/network/nft_rules.h"

namespace tetrarch::agent::network {

class ServiceRules {
 public:
  explicit ServiceRules(NftOptions options);

  /// `touched`: ids of ports that came, went or changed in `table` since the last call.
  void update(const ServiceTable& table, const std::set<std::string>& touched);

  /// Replaces whatever the table held.
  std::string take_whole();

  /// From what was taken last to what is wanted; empty where nothing differs.
  std::string take_change() { return book_.take_change(); }

  /// Whether services of datagrams have changed since the last call.
  bool take_moved_datagrams() { return std::exchange(has_moved_datagrams_, false); }

  /// Protocols of which services have lost endpoints that clients may stick to.
  const std::set<std::string>& parted() const { return parted_; }

  void clear_parted() { parted_.clear(); }

  /// The port that has that address, or that node port; null: none.
  const ServicePort* at(const std::string& address, const std::string& protocol, int port) const;
  const ServicePort* at_node_port(const std::string& protocol, int port) const;

  const NftOptions& options() const { return options_; }

  const NftBook& book() const { return book_; }

 private:
  using Place = std::tuple<std::string, std::string, int>;  // address or kNode, protocol, port
  using Claim = std::pair<int, std::string>;                // cluster addresses first, then by id

  void claim(const std::string& id, const ServicePort* wanted, std::set<std::string>& stale);
  const std::string& owner(const Place& place) const;
  std::optional<ServicePort> granted(const std::string& id, const ServicePort* wanted) const;
  void put(const ServicePort& port);
  void retract(const ServicePort& port);
  void join(const Among& among);
  void leave(const Among& among);
  void join(const Recall& recall);
  void leave(const Recall& recall);
  void update_host_ports(const std::set<PodHostPort>& wanted);
  void lead_anew();

  const NftOptions options_;
  NftBook book_;
  std::map<std::string, ServicePort> ports_;  // by id, with what is theirs
  std::map<Place, std::set<Claim>> claims_;
  std::map<std::string, std::set<std::pair<Place, int>>> claims_of_;  // by id
  std::map<Among, int> among_;                                        // users of each
  std::map<Recall, int> recalls_;                                     // likewise
  std::map<std::string, int> hairpins_;                               // likewise
  std::set<PodHostPort> host_ports_;                                  // as wanted
  std::vector<NftElement> host_elements_;                             // as granted
  std::set<std::string> parted_;
  bool is_lead_stale_ = true;
  bool has_moved_datagrams_ = false;
};

}  // namespace tetrarch::agent::network
