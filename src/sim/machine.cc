// SPDX-License-Identifier: Apache-2.0
#include "sim/machine.h"

#include <fmt/format.h>

#include "async/timer.h"

namespace tetrarch::sim {
namespace {

// Source: docs/adr/0041-beats.md, and src/agent/registrar.cc.
constexpr seconds kBeat{2};
constexpr seconds kSilence{8};
constexpr seconds kLeaseInterval{10};
constexpr seconds kLookInterval{10};
constexpr seconds kRetry{1};
constexpr const char* kLeases = "leases.coordination.k8s.io";
constexpr const char* kLeaseNamespace = "kube-node-lease";
constexpr int kPodsMax = 110;

trust::Identity identity_of(const std::string& name) {
  return {.user = std::string(trust::kNodeUserPrefix) + name,
          .groups = {std::string(trust::kNodes), std::string(trust::kAuthenticated)}};
}

agent::Options options_of(const Machine::Shape& shape) {
  agent::Options out;
  out.node_name = shape.name;
  out.node_address = shape.address;
  out.labels = {{"topology.kubernetes.io/zone", shape.zone}};
  out.pods_max = kPodsMax;
  return out;
}

agent::Machine machine_of(const Machine::Shape& shape) {
  agent::Machine out;
  out.cpus = shape.cpus;
  out.memory_bytes = shape.memory_bytes;
  out.disk_bytes = std::int64_t{100} << 30;
  out.architecture = "amd64";
  out.kernel = "simulated";
  out.os_image = "simulated";
  out.machine_id = shape.name;
  out.host_name = shape.name;
  out.address = shape.address;
  return out;
}

}  // namespace

Machine::Machine(Parts parts, const Shape& shape, Chance chance)
    : parts_(parts),
      name_(shape.name),
      options_(options_of(shape)),
      machine_(machine_of(shape)),
      chance_(chance),
      client_(parts.network, parts.ledger, shape.name, identity_of(shape.name)),
      pods_({client_, parts.network.clock(), parts.history, parts.invariants, parts.executor},
            shape.name,
            shape.address,
            chance_.branch()) {}

void Machine::boot() {
  if (is_on_) {
    return;
  }
  is_on_ = true;
  machine_.boot_id = fmt::format("{}-{}", name_, ++boots_);
  begin_agent();
}

void Machine::begin_agent() {
  agent_ = std::make_unique<async::TaskGroup>(parts_.executor, "sim");
  agent_->spawn(keep_node(life_));
  agent_->spawn(keep_lease(life_));
  agent_->spawn(beat(life_));
  agent_->spawn(follow(life_));
  pods_.begin_agent();
}

Task<void> Machine::power_off(bool loses_disk) {
  if (!is_on_) {
    co_return;
  }
  is_on_ = false;
  ++life_;
  if (agent_) {
    co_await agent_->stop();
    agent_.reset();
  }
  co_await pods_.end_agent();
  co_await pods_.power_off(loses_disk);
  node_.reset();
  lease_.reset();
}

Task<void> Machine::restart_agent(milliseconds away) {
  if (!is_on_ || !agent_) {
    co_return;
  }
  const auto life = ++life_;
  co_await agent_->stop();
  agent_.reset();
  co_await pods_.end_agent();
  node_.reset();
  lease_.reset();
  co_await async::sleep_for(away);
  if (is_on_ && life == life_) {
    begin_agent();
  }
}

Task<Result<Stored>> Machine::get_or_create() {
  Key key{"nodes", "", name_};
  auto found = co_await client_.get(key);
  if (found.ok() || found.error().code != Code::not_found) {
    co_return found;
  }
  auto fresh = Document::from_canonical(agent::node_document(options_, machine_));
  client::WriteOptions none;
  auto made = co_await client_.create("nodes", "", std::move(fresh), std::move(none));
  co_return made;
}

/// The feed keeps `node_` fresh, so that a node that is as it should be costs no request.
Task<Status> Machine::write_node() {
  if (!node_) {
    auto found = co_await get_or_create();
    if (!found.ok()) {
      co_return found.error();
    }
    node_ = *std::move(found);
  }
  agent::NodeState state;
  state.runtime_version = "simulated";
  state.is_ready = true;
  const Stored node = *node_;
  const auto before = node.root()["status"];
  auto status = agent::node_status(options_, machine_, state, before, parts_.network.clock().now());
  const auto fresh = Document::from_canonical(std::string(status));
  if (agent::is_same_status(fresh->root(), before)) {
    co_return ok();
  }
  client::WriteOptions options;
  options.subresource = "status";
  options.expected = node.revision;
  auto document = agent::with_member(node.root(), "status", status);
  auto written = co_await client_.update(node.key, std::move(document), std::move(options));
  if (!written.ok()) {
    node_.reset();
    co_return written.error();
  }
  if (!node_ || node_->revision < written->revision) {
    node_ = *std::move(written);
  }
  co_return ok();
}

Task<void> Machine::keep_node(std::uint64_t life) {
  while (life == life_) {
    const auto written = co_await write_node();
    co_await async::sleep_for(written.ok() ? kLookInterval : kRetry);
  }
}

Task<Status> Machine::renew_lease() {
  Key key{kLeases, kLeaseNamespace, name_};
  if (!lease_) {
    auto found = co_await client_.get(key);
    if (found.ok()) {
      lease_ = *std::move(found);
    } else if (found.error().code != Code::not_found) {
      co_return found.error();
    }
  }
  const auto spec =
      fmt::format(R"({{"holderIdentity":"{}","leaseDurationSeconds":40,"renewTime":"{}"}})",
                  name_,
                  format_micro_time(parts_.network.clock().now()));
  client::WriteOptions options;
  Result<Stored> written = Error(Code::internal, "");
  if (lease_) {
    options.expected = lease_->revision;
    auto document = agent::with_member(lease_->root(), "spec", spec);
    written = co_await client_.update(key, std::move(document), std::move(options));
  } else {
    auto document = Document::from_canonical(fmt::format(
        R"({{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{{"name":"{}","namespace":"{}"}},"spec":{}}})",
        name_,
        kLeaseNamespace,
        spec));
    written =
        co_await client_.create(kLeases, kLeaseNamespace, std::move(document), std::move(options));
  }
  lease_.reset();
  if (!written.ok()) {
    co_return written.error();
  }
  lease_ = *std::move(written);
  co_return ok();
}

Task<void> Machine::keep_lease(std::uint64_t life) {
  while (life == life_) {
    const auto renewed = co_await renew_lease();
    co_await async::sleep_for(renewed.ok() ? kLeaseInterval : kRetry);
  }
}

/// On the connection that the agent keeps; without an answer for long it is given up and made anew.
Task<void> Machine::beat(std::uint64_t life) {
  auto& network = parts_.network;
  std::uint64_t connected = 0;  // to which life of the server; 0: not
  auto answered = network.clock().now();
  co_await async::sleep_for(chance_.between(milliseconds(0), milliseconds(kBeat)));
  while (life == life_) {
    auto& server = network.server();
    const bool is_cut_up = network.link(name_).is_cut_up;
    const bool is_cut_down = network.link(name_).is_cut_down;
    if (!server.is_listening() || connected != server.number()) {
      connected = 0;
    }
    if (connected == 0 && server.is_listening() && !is_cut_up && !is_cut_down) {
      connected = server.number();
      answered = network.clock().now();
    }
    if (connected != 0 && !is_cut_up) {
      server.hear(name_);
      answered = is_cut_down || server.is_paused() ? answered : network.clock().now();
    }
    if (network.clock().now() - answered > kSilence) {
      connected = 0;
    }
    co_await async::sleep_for(kBeat);
  }
}

void Machine::take(const client::WatchEvent& event) {
  const auto& object = event.object;
  if (event.type == client::EventType::bookmark || object.key.resource == "pods") {
    pods_.apply(event);
  } else if (object.key.resource == "nodes" && object.key.name == name_) {
    if (event.type == client::EventType::deleted) {
      node_.reset();
      return;
    }
    if (!node_ || node_->revision < object.revision) {
      node_ = object;
    }
    if (const auto cidr = object.root()["spec"]["podCIDR"].string(); !cidr.empty()) {
      pods_.set_cidr(cidr);
    }
  }
}

Task<void> Machine::follow(std::uint64_t life) {
  NodeName node(name_);
  while (life == life_) {
    auto feed = co_await client_.feed(node);
    if (feed.ok() && life == life_) {
      pods_.begin_relist();
    }
    while (feed.ok() && life == life_) {
      auto batch = co_await (*feed)->next();
      if (!batch.ok() || life != life_) {
        break;
      }
      for (const auto& event : *batch) {
        take(event);
      }
    }
    co_await async::sleep_for(chance_.between(milliseconds(500), milliseconds(3000)));
  }
}

}  // namespace tetrarch::sim
