// SPDX-License-Identifier: Apache-2.0
// What the agent tells agent/network: the objects that the feed brings, and where the pods of this
// node are. Changes are gathered and made true one batch after the other; a pod's containers start
// when the batch with its address is true.
#include <algorithm>
#include <array>
#include <utility>

#include "agent/agent_impl.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kLookAgain{60};
// Ours: everything is written anew at each try, which costs a large cluster's node some CPU.
constexpr seconds kRetryFirst{1};
constexpr seconds kRetryLast{30};

constexpr std::string_view kPolicyPods = "policypods.network.tetrarch.dev";
// Resources that the network is made of.
constexpr std::array<std::string_view, 7> kOfNetwork{"services",
                                                     "endpointslices.discovery.k8s.io",
                                                     "noderoutes.network.tetrarch.dev",
                                                     "nodepolicies.network.tetrarch.dev",
                                                     kPolicyPods,
                                                     "nodes",
                                                     "pods"};

std::vector<network::Change> all_network_objects(const Objects& objects) {
  std::vector<network::Change> out;
  for (const auto resource : kOfNetwork) {
    for (auto& stored : objects.all(resource)) {
      out.push_back({stored.key, stored.document});
    }
  }
  return out;
}

std::vector<network::Change> listed(const std::map<Key, DocumentPtr>& changes) {
  std::vector<network::Change> out;
  out.reserve(changes.size());
  for (const auto& [key, document] : changes) {
    out.push_back({key, document});
  }
  return out;
}

}  // namespace

void Agent::Impl::note_network_change(const Key& key, const DocumentPtr& document) {
  if (std::ranges::find(kOfNetwork, key.resource) != kOfNetwork.end()) {
    network_changes[key] = document;
    has_network_changes.raise();
  }
}

Task<void> Agent::Impl::set_up_network() {
  const auto node = objects.document("nodes", "", options.node_name);
  const std::string cidr(node == nullptr ? std::string_view()
                                         : node->root().find("spec.podCIDR").string());
  if (cidr.empty() || cidr == network_cidr) {
    co_return;
  }
  const auto made = co_await node_network.set_up(cidr, registrar->machine().address);
  if (!made.ok()) {
    log::error("agent", "network of this node: {}", made.error().message);
    co_return;
  }
  network_cidr = cidr;
  registrar->wake();
}

/// Those of an earlier process run on: their limits must hold from the first batch on, which takes
/// the place of that process' rules.
Task<Status> Agent::Impl::admit_running() {
  CO_TRY(const auto sandboxes, co_await runtime->sandboxes(""));
  for (const auto& listed : sandboxes) {
    if (!listed.is_ready) {
      continue;
    }
    const auto sandbox = co_await runtime->sandbox(listed.id);
    if (sandbox.ok() && !sandbox->addresses.empty()) {
      node_network.admit({listed.uid, listed.ns, listed.name, sandbox->addresses.front()});
    }
  }
  co_return ok();
}

/// The feed brings a pod's policies before the pod. Of an older pod of that name: it may have some.
bool Agent::Impl::may_be_limited(const network::LocalPod& pod) const {
  const auto* peer = objects.find(Key{std::string(kPolicyPods), pod.ns, pod.name});
  const auto spec = peer == nullptr ? object::View{} : peer->root()["spec"];
  return peer != nullptr && (spec["policies"].size() > 0 || spec["uid"].string() != pod.uid);
}

/// A pod that nothing limits does not wait for the network: it may never come up on this machine.
Task<Status> Agent::Impl::admit(network::LocalPod pod) {
  const auto uid = pod.uid;
  const bool waits = may_be_limited(pod);
  if (!node_network.admit(pod)) {
    co_return ok();
  }
  auto admission = std::make_shared<Admission>();
  admissions.push_back(admission);
  has_network_changes.raise();
  if (!waits) {
    co_return ok();
  }
  co_await admission->decided.wait();
  if (!admission->outcome.ok() && node_network.is_limited(uid)) {
    node_network.release(uid);  // asked again, it waits again
    co_return admission->outcome;
  }
  co_return ok();
}

void Agent::Impl::release_address(const std::string& uid) {
  node_network.release(uid);
  has_released = true;
  has_network_changes.raise();
}

Task<void> Agent::Impl::keep_health_ports(bool is_healthy) {
  auto wanted = node_network.health_ports();
  co_await health_ports.keep(std::move(wanted), is_healthy);
}

/// What another program has done to our routes is nothing that anybody tells us of.
Task<void> Agent::Impl::keep_routes() {
  const auto now = with.clock.steady();
  if (now - routes_looked < kLookAgain) {
    co_return;
  }
  routes_looked = now;
  if (const auto kept = co_await node_network.keep_routes(); !kept.ok()) {
    log::warning("agent", "routes to other machines' pods: {}", kept.error().message);
  }
}

Task<void> Agent::Impl::keep_network() {
  bool is_first = true;
  bool is_retry = false;  // what could not be made true is tried again, whatever changes
  seconds pause = kLookAgain;
  seconds retry = kRetryFirst;
  while (true) {
    co_await has_network_changes.wait_for(pause);
    co_await set_up_network();
    const bool has_work =
        is_retry || !network_changes.empty() || !admissions.empty() || has_released;
    if (network_cidr.empty() || !has_work) {
      pause = network_cidr.empty() ? seconds(1) : kLookAgain;
      co_await keep_routes();
      co_await keep_health_ports(!is_first);
      continue;
    }
    auto changes = is_first ? all_network_objects(objects) : listed(network_changes);
    network_changes.clear();
    has_released = false;
    const auto admitted = std::exchange(admissions, {});
    const auto applied = co_await node_network.apply(std::move(changes), is_first);
    for (const auto& admission : admitted) {
      admission->outcome = applied;
      admission->decided.raise();
    }
    co_await keep_health_ports(applied.ok());
    is_retry = !applied.ok();
    is_first = is_retry;  // after an error everything is said again
    pause = is_retry ? retry : kLookAgain;
    retry = is_retry ? std::min(retry * 2, kRetryLast) : kRetryFirst;
    if (is_retry) {
      log::error("agent", "tables of services and policies: {}", applied.error().message);
      co_await async::sleep_for(seconds(1));
    } else {
      co_await keep_routes();  // also where changes never end
    }
  }
}

}  // namespace tetrarch::agent
