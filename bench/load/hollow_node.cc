// SPDX-License-Identifier: Apache-2.0
#include "load/hollow_node.h"

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

std::string node_body(const std::string& name) {
  const auto now = format_time(system_clock().now());
  return fmt::format(
      R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{}","labels":{{"kubernetes.io/hostname":"{}"}}}},)"
      R"("status":{{"capacity":{{"cpu":"1k","memory":"1Ti","pods":"1M"}},)"
      R"("allocatable":{{"cpu":"1k","memory":"1Ti","pods":"1M"}},)"
      R"("conditions":[{{"type":"Ready","status":"True","reason":"KubeletReady",)"
      R"("lastHeartbeatTime":"{}","lastTransitionTime":"{}"}}]}}}})",
      name,
      name,
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

}  // namespace

Result<std::unique_ptr<HollowNode>> HollowNode::make(async::IoPool& pool,
                                                     const Arguments& arguments) {
  TRY(auto clients, make_clients(arguments, 1));
  auto made = std::make_unique<HollowNode>(pool, arguments, std::move(clients.front()));
  Status announced = ok();
  async::TaskGroup group(pool.strand(), "load");
  group.spawn(made->announce(announced));
  wait_until_empty(group);
  TRY_STATUS(std::move(announced));
  made->group_.spawn(made->renew_for_ever());
  return made;
}

HollowNode::HollowNode(async::IoPool& pool,
                       const Arguments& arguments,
                       std::unique_ptr<net::Client> client)
    : pool_(pool),
      arguments_(arguments),
      client_(std::move(client)),
      group_(pool.strand(), "load") {}

HollowNode::~HollowNode() {
  group_.stop_and_wait();
  if (!arguments_.keeps) {
    async::TaskGroup group(pool_.strand(), "load");
    group.spawn(leave());
    wait_until_empty(group);
  }
}

Task<Status> HollowNode::send(std::string method,
                              std::string path,
                              std::string body,
                              int tolerated) {
  // An update of a lease needs its version; a patch does not.
  const auto type = method == "PATCH" ? "application/merge-patch+json" : "application/json";
  net::ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(path);
  request.headers.add("Content-Type", type);
  request.body = std::move(body);
  const auto answer = co_await client_->request(std::move(request));
  if (!answer.ok()) {
    co_return answer.error();
  }
  if (answer->status >= 300 && answer->status != tolerated) {
    co_return Error{Code::unavailable, fmt::format("{} {}", answer->status, answer->body)};
  }
  co_return ok();
}

Task<void> HollowNode::announce(Status& outcome) {
  constexpr int kExists = 409;
  const auto& name = arguments_.node;
  outcome = co_await send("POST", std::string(kNodes), node_body(name), kExists);
  if (outcome.ok()) {
    // A status comes by its own path.
    outcome = co_await send("PUT", fmt::format("{}/{}/status", kNodes, name), node_body(name), 0);
  }
  if (outcome.ok()) {
    outcome = co_await send("POST", std::string(kLeases), lease_body(name), kExists);
  }
}

Task<void> HollowNode::renew_for_ever() {
  const auto path = fmt::format("{}/{}", kLeases, arguments_.node);
  while (true) {
    const auto renewed = co_await send("PATCH", path, lease_body(arguments_.node), 0);
    if (!renewed.ok()) {
      log::warning("load", "the lease is not renewed: {}", renewed.error().message);
    }
    co_await async::sleep_for(kRenewal);
  }
}

Task<void> HollowNode::leave() {
  for (const auto path : {kNodes, kLeases}) {
    const auto left = co_await send("DELETE", fmt::format("{}/{}", path, arguments_.node), "", 404);
    if (!left.ok()) {
      log::warning("load", "{} stays: {}", path, left.error().message);
    }
  }
}

}  // namespace tetrarch::load
