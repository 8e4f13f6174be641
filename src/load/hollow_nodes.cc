// SPDX-License-Identifier: Apache-2.0
#include "load/hollow_nodes.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "async/timer.h"
#include "base/clock.h"
#include "base/log.h"
#include "load/workload.h"

namespace tetrarch::load {
namespace {

constexpr std::string_view kNodes = "/api/v1/nodes";
constexpr std::string_view kLeases =
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
constexpr std::chrono::seconds kRenewal{10};  // Source: kubelet's own interval

constexpr int kClientsMax = 8;

std::string node_body(const std::string& name, bool is_cordoned) {
  const auto now = format_time(system_clock().now());
  return fmt::format(
      R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{}","labels":{{"kubernetes.io/hostname":"{}"}}}},)"
      R"("spec":{{"unschedulable":{}}},)"
      R"("status":{{"capacity":{{"cpu":"1k","memory":"1Ti","pods":"1M"}},)"
      R"("allocatable":{{"cpu":"1k","memory":"1Ti","pods":"1M"}},)"
      R"("conditions":[{{"type":"Ready","status":"True","reason":"KubeletReady",)"
      R"("lastHeartbeatTime":"{}","lastTransitionTime":"{}"}}]}}}})",
      name,
      name,
      is_cordoned,
      now,
      now);
}

std::string lease_body(const std::string& name) {
  return fmt::format(
      R"({{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{{"name":"{}"}},)"
      R"("spec":{{"holderIdentity":"{}","leaseDurationSeconds":40,"renewTime":"{}"}}}})",
      name,
      name,
      format_micro_time(system_clock().now()));
}

Task<Status> send(net::Client& client,
                  std::string method,
                  std::string path,
                  std::string body,
                  int tolerated = 0) {
  auto request = json_request(std::move(method), std::move(path), std::move(body));
  const auto answer = co_await client.request(std::move(request));
  if (!answer.ok()) {
    co_return answer.error();
  }
  if (answer->status >= 300 && answer->status != tolerated) {
    co_return Error{Code::unavailable, fmt::format("{} {}", answer->status, answer->body)};
  }
  co_return ok();
}

}  // namespace

Result<std::unique_ptr<HollowNodes>> HollowNodes::make(async::IoPool& pool,
                                                       const Arguments& arguments,
                                                       bool is_cordoned) {
  TRY(auto clients, make_clients(arguments, std::min(arguments.nodes, kClientsMax)));
  auto made = std::make_unique<HollowNodes>(pool, arguments, std::move(clients));
  made->is_cordoned_ = is_cordoned;
  TRY_STATUS(made->for_all(&HollowNodes::announce));
  for (std::size_t i = 0; i < made->clients_.size(); ++i) {
    made->group_.spawn_on(pool.strand(), made->renew_for_ever(i));
  }
  return made;
}

HollowNodes::HollowNodes(async::IoPool& pool,
                         const Arguments& arguments,
                         std::vector<std::unique_ptr<net::Client>> clients)
    : pool_(pool),
      arguments_(arguments),
      clients_(std::move(clients)),
      group_(pool.strand(), "load") {}

HollowNodes::~HollowNodes() {
  group_.stop_and_wait();
  if (arguments_.keeps) {
    return;
  }
  const auto left = for_all(&HollowNodes::leave);
  if (!left.ok()) {
    log::warning("load", "nodes stay: {}", left.error().message);
  }
}

std::string HollowNodes::name_of(const Arguments& arguments, int number) {
  return arguments.nodes == 1 ? arguments.node : fmt::format("{}-{}", arguments.node, number);
}

Task<void> HollowNodes::for_share(std::size_t client, Step step, Status& outcome) {
  for (auto i = static_cast<int>(client); i < arguments_.nodes && outcome.ok();
       i += static_cast<int>(clients_.size())) {
    outcome = co_await (this->*step)(*clients_[client], name_of(arguments_, i));
  }
}

Status HollowNodes::for_all(Step step) {
  std::vector<Status> outcomes(clients_.size(), ok());
  async::TaskGroup group(pool_.strand(), "load");
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    group.spawn_on(pool_.strand(), for_share(i, step, outcomes[i]));
  }
  wait_until_empty(group);
  for (auto& outcome : outcomes) {
    TRY_STATUS(std::move(outcome));
  }
  return ok();
}

Task<Status> HollowNodes::announce(net::Client& client, std::string name) {
  constexpr int kExists = 409;
  const auto body = node_body(name, is_cordoned_);
  CO_TRY_STATUS(co_await send(client, "POST", std::string(kNodes), body, kExists));
  // A status comes by its own path.
  CO_TRY_STATUS(co_await send(client, "PUT", fmt::format("{}/{}/status", kNodes, name), body));
  co_return co_await send(client, "POST", std::string(kLeases), lease_body(name), kExists);
}

Task<Status> HollowNodes::leave(net::Client& client, std::string name) {
  constexpr int kGone = 404;
  for (const auto path : {kNodes, kLeases}) {
    CO_TRY_STATUS(co_await send(client, "DELETE", fmt::format("{}/{}", path, name), "", kGone));
  }
  co_return ok();
}

/// Evenly over the interval, as the agents of so many machines would.
Task<void> HollowNodes::renew_for_ever(std::size_t client) {
  const auto step = static_cast<int>(clients_.size());
  const auto pause = std::chrono::nanoseconds(kRenewal) * step / arguments_.nodes;
  for (auto i = static_cast<int>(client);;
       i = i + step < arguments_.nodes ? i + step : static_cast<int>(client)) {
    const auto name = name_of(arguments_, i);
    const auto renewed = co_await send(
        *clients_[client], "PATCH", fmt::format("{}/{}", kLeases, name), lease_body(name));
    if (!renewed.ok() && renewed.error().code != Code::cancelled) {
      log::warning("load", "the lease of {} is not renewed: {}", name, renewed.error().message);
    }
    co_await async::sleep_for(pause);
  }
}

}  // namespace tetrarch::load
