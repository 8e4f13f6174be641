// SPDX-License-Identifier: Apache-2.0
// `tetrarch status`: one screen of what runs where.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "app/command.h"
#include "app/connect.h"
#include "app/node_words.h"
#include "object/document.h"
#include "schema/views/apps.h"
#include "schema/views/core.h"

namespace tetrarch::app {
namespace {

/// Why a pod does not run, as kubectl would say it; empty: it does.
std::string trouble_of(const views::PodView& pod) {
  for (const auto container : pod.status().container_statuses()) {
    if (!container.state().waiting().reason().empty()) {
      return std::string(container.state().waiting().reason());
    }
  }
  const auto phase = pod.status().phase();
  bool is_ready = false;
  for (const auto condition : pod.status().conditions()) {
    is_ready = is_ready || (condition.type() == "Ready" && condition.status() == "True");
    if (condition.type() == "PodScheduled" && condition.status() == "False") {
      return std::string(condition.message());
    }
  }
  return is_ready || phase == "Succeeded" ? ""
         : phase == "Running"             ? "not ready"
                                          : std::string(phase);
}

void print_nodes(object::View nodes, const std::map<std::string, int>& pods_on) {
  fmt::print("{:<28} {:<20} {:>5}  {:<16} {}\n", "NODE", "STATUS", "PODS", "ADDRESS", "POD RANGE");
  for (const auto item : nodes["items"].elements()) {
    const views::NodeView node(item);
    const std::string name(node.metadata().name());
    const auto found = pods_on.find(name);
    fmt::print("{:<28} {:<20} {:>5}  {:<16} {}\n",
               name,
               state_of(node),
               found == pods_on.end() ? 0 : found->second,
               address_of(node),
               node.spec().pod_cidr());
  }
}

void print_deployments(object::View deployments) {
  if (deployments["items"].size() == 0) {
    return;
  }
  fmt::print("\n{:<40} {:>7}  {}\n", "DEPLOYMENT", "READY", "");
  for (const auto item : deployments["items"].elements()) {
    const views::DeploymentView deployment(item);
    const auto wanted = deployment.spec().replicas();
    const auto ready = deployment.status().ready_replicas();
    fmt::print(
        "{:<40} {:>7}  {}\n",
        fmt::format("{}/{}", deployment.metadata().namespace_(), deployment.metadata().name()),
        fmt::format("{}/{}", ready, wanted),
        ready >= wanted ? "healthy" : "not yet");
  }
}

void print_troubles(object::View pods) {
  constexpr int kShown = 10;
  int count = 0;
  for (const auto item : pods["items"].elements()) {
    const views::PodView pod(item);
    const auto trouble = trouble_of(pod);
    if (!trouble.empty() && ++count <= kShown) {
      fmt::print("{}{:<40} {}\n",
                 count == 1 ? "\nNOT HEALTHY\n" : "",
                 fmt::format("{}/{}", pod.metadata().namespace_(), pod.metadata().name()),
                 trouble);
    }
  }
  if (count > kShown) {
    fmt::print("… and {} more\n", count - kShown);
  }
}

Status show(const std::string& data_dir) {
  TRY(const auto connection, Connection::as_admin(data_dir));
  TRY(const auto nodes, connection->ask_api("GET", "/api/v1/nodes"));
  TRY(const auto pods, connection->ask_api("GET", "/api/v1/pods"));
  TRY(const auto deployments, connection->ask_api("GET", "/apis/apps/v1/deployments"));
  std::map<std::string, int> pods_on;
  for (const auto item : pods->root()["items"].elements()) {
    ++pods_on[std::string(views::PodView(item).spec().node_name())];
  }
  print_nodes(nodes->root(), pods_on);
  print_deployments(deployments->root());
  print_troubles(pods->root());
  return ok();
}

}  // namespace

int run_status(const Config& config, const std::vector<std::string>& rest) {
  if (!rest.empty()) {
    return fail(fmt::format("unknown flag or word '{}'", rest[0]));
  }
  const auto shown = show(config.data_dir);
  if (!shown.ok()) {
    return fail(
        fmt::format("no cluster answers for {}: {}", config.data_dir, shown.error().message));
  }
  return 0;
}

}  // namespace tetrarch::app
