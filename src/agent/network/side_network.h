// SPDX-License-Identifier: Apache-2.0
// SideNetworks: further networks that pods of this machine are in, besides the one that each pod
// has: a bridge of its own, a VXLAN device with a VNI of its own to the other machines, and an
// interface in the pod for each network, added and taken away while the pod runs. Blocking; one
// call at a time.
//
// Who makes such networks gives out ids, VNIs and addresses; this room makes them true on one
// machine. All of it is written down, so that a restarted agent knows it again without touching
// what is right, and a rebooted machine makes the networks anew; interfaces go with their pods.
// Why it is so: docs/adr/0046-side-networks.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/ipv4.h"
#include "base/result.h"

namespace tetrarch::agent::network {

struct SideNetwork {
  std::string id;             ///< of whoever made it; the same on every machine
  std::uint32_t vni = 0;      ///< 24 bits, no other network's; 0: on this machine alone
  Ipv4Range range = {};       ///< what its pods' addresses are of
  std::uint32_t gateway = 0;  ///< an address of the bridge itself; 0: the machine is not in it
  int mtu = 1450;             ///< bytes; the segments between its machines carry 50 more
  std::vector<std::uint32_t> machines = {};  ///< the other ones that have pods in it
  bool operator==(const SideNetwork&) const = default;
};

/// A pod's place in a network.
struct SidePort {
  std::string pod;                    ///< its uid
  std::filesystem::path pod_network;  ///< a name below /run/netns that goes with the pod
  std::string interface;              ///< as the pod sees it: "eth1"
  std::uint32_t address = 0;          ///< of the network's range
  bool operator==(const SidePort&) const = default;
};

struct SideOptions {
  std::string instance;             ///< as in network.h: 6 hex characters
  std::filesystem::path directory;  ///< ours alone: one file per network
  std::uint32_t own_address = 0;    ///< by which other machines reach this one
};

class SideNetworks {
 public:
  explicit SideNetworks(SideOptions options) : options_(std::move(options)) {}

  /// What an earlier process made, made true again; ports of pods that are gone are forgotten.
  /// Called once, first. An error of one network does not keep the others from it.
  Status restore();

  /// Makes the network on this machine, or makes the one that is there be this: machines may come
  /// and go, the rest stays for its life (Code::conflict).
  Status ensure(const SideNetwork& network);
  /// With its ports. No such network is success.
  Status remove(const std::string& id);

  /// Adds the interface to the running pod; what is there already is left alone. Code::not_found:
  /// no such network or pod; Code::conflict: the pod has another interface of that name, or
  /// another pod here has the address.
  Status attach(const std::string& id, const SidePort& port);
  /// Takes it away again. What is gone already is success.
  Status detach(const std::string& id, const std::string& pod);

  struct Entry {
    SideNetwork network;
    std::vector<SidePort> ports = {};
  };

  const std::map<std::string, Entry>& networks() const { return entries_; }  ///< by id

 private:
  Status make(const Entry& entry) const;
  Status make_port(const Entry& entry, const SidePort& port) const;
  Status save(const Entry& entry) const;
  std::filesystem::path note_of(const std::string& id) const;

  const SideOptions options_;
  std::map<std::string, Entry> entries_;
};

/// All links that SideNetworks of that instance made, and its notes: for `tetrarch down`.
Status tear_down_side_networks(const SideOptions& options);

// The names of links, each at most 15 characters.
std::string side_bridge(const std::string& instance, const std::string& id);
std::string side_vxlan(const std::string& instance, const std::string& id);
/// The machine's end of a pod's interface.
std::string side_port(const std::string& instance, const std::string& id, const std::string& pod);

}  // namespace tetrarch::agent::network
