// SPDX-License-Identifier: Apache-2.0
// `tetrarch node ls|cordon|uncordon|drain|leave|rm`: what an operator does with machines.
#include <chrono>
#include <map>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/node.h"
#include "app/command.h"
#include "app/connect.h"
#include "app/drain.h"
#include "app/leave.h"
#include "app/machine.h"
#include "app/node_words.h"
#include "app/options.h"
#include "app/ownership.h"
#include "base/clock.h"
#include "schema/views/core.h"

namespace tetrarch::app {
namespace {

using std::chrono::seconds;

constexpr std::chrono::milliseconds kLook{500};
/// Beyond its last pods' grace, which a drain has waited for.
constexpr seconds kLeaveMax{300};

Status list(Connection& connection) {
  TRY(const auto nodes, connection.ask_api("GET", "/api/v1/nodes"));
  TRY(const auto pods, connection.ask_api("GET", "/api/v1/pods"));
  std::map<std::string_view, int> counts;
  for (const auto pod : pods->root()["items"].elements()) {
    ++counts[pod["spec"]["nodeName"].string()];
  }
  constexpr auto kRow = "{:<28} {:<20} {:>5}  {:<16} {:<18} {}\n";
  fmt::print(kRow, "NAME", "STATE", "PODS", "ADDRESS", "POD RANGE", "VERSION");
  for (const auto item : nodes->root()["items"].elements()) {
    const views::NodeView node(item);
    fmt::print(kRow,
               node.metadata().name(),
               state_of(node),
               counts[node.metadata().name()],
               address_of(node),
               node.spec().pod_cidr(),
               node.status().node_info().kubelet_version());
  }
  return ok();
}

Status remove(Connection& connection, const std::string& name, bool is_forced) {
  TRY(const auto node, connection.ask_api("GET", node_path(name)));
  if (ready_of(views::NodeView(node->root())) == "True" && !is_forced) {
    return Error{Code::invalid,
                 fmt::format("node {} is there and would register again: end its agent first, or "
                             "say --force",
                             name)};
  }
  TRY(const auto gone, connection.ask_api("DELETE", node_path(name)));
  static_cast<void>(gone);
  fmt::print("node {} is forgotten; its pods are made anew elsewhere\n", name);
  return ok();
}

bool is_leave_here(const std::vector<std::string>& words) {
  return words.size() == 1 && words[0] == "leave";
}

/// This machine, with the agent that runs on it.
Status leave(const Config& config, seconds timeout, bool is_forced) {
  if (geteuid() != 0) {
    return Error{Code::forbidden, "leave ends pods on this machine: that needs root"};
  }
  TRY(const auto leaving, Leave::prepare(config));
  TRY_STATUS(leaving->move_work({timeout, is_forced}));
  end_process(config.data_dir);
  // So that no service starts it again meanwhile.
  TRY(const auto owned, Ownership::take(config.data_dir));
  return leaving->forget();
}

/// What leaves is there and can: else what is to be done instead.
Status check_leaving(views::NodeView node) {
  const auto name = node.metadata().name();
  if (!node.view()["metadata"]["annotations"][agent::kControlPlane].string().empty()) {
    return Error{
        Code::invalid,
        fmt::format("node {} runs the control plane and cannot leave: `tetrarch down` there "
                    "ends all of it",
                    name)};
  }
  if (ready_of(node) != "True") {
    return Error{
        Code::invalid,
        fmt::format("node {} does not answer; `tetrarch node rm {}` forgets it", name, name)};
  }
  return ok();
}

/// Until it has taken itself out of the cluster.
Status wait_for_leave(Connection& connection, const std::string& name, const std::string& uid) {
  const auto deadline = system_clock().steady() + kLeaveMax;
  while (system_clock().steady() < deadline) {
    const auto node = connection.ask_api("GET", node_path(name));
    const bool is_gone = node.ok() ? (*node)->root()["metadata"]["uid"].string() != uid
                                   : node.error().code == Code::not_found;
    if (is_gone) {
      fmt::print("node {} has left\n", name);
      return ok();
    }
    std::this_thread::sleep_for(kLook);
  }
  return Error{Code::timeout,
               fmt::format("node {} is told to leave, and has not after {} s: its agent's log says "
                           "why",
                           name,
                           kLeaveMax.count())};
}

/// Another machine: it is drained from here, and told to leave.
Status send_away(Connection& connection, const std::string& name, seconds timeout, bool is_forced) {
  TRY(const auto node, connection.ask_api("GET", node_path(name)));
  TRY_STATUS(check_leaving(views::NodeView(node->root())));
  TRY_STATUS(drain_or_force(connection, name, {timeout, is_forced}));
  TRY(const auto told,
      connection.ask_api("PATCH",
                         node_path(name),
                         fmt::format(R"({{"metadata":{{"annotations":{{"{}":"{}"}}}}}})",
                                     agent::kLeave,
                                     is_forced ? agent::kLeaveForced : agent::kLeaveDrained),
                         "application/merge-patch+json"));
  fmt::print("node {} is told to leave\n", name);
  std::fflush(stdout);
  const std::string uid(told->root()["metadata"]["uid"].string());
  return wait_for_leave(connection, name, uid);
}

Status run(const Config& config, std::vector<std::string> words) {
  const Error usage{Code::invalid,
                    "say what: ls, cordon NAME, uncordon NAME, drain NAME, leave (this machine), "
                    "leave NAME or rm NAME"};
  const bool is_forced = take_switch(words, "force");
  TRY(const auto given, take_option(words, "timeout"));
  const auto timeout = given ? parse_period(*given) : Result<seconds>(kDrainTimeout);
  TRY_STATUS(timeout.ok() ? ok() : Status(timeout.error()));
  const std::string verb = words.empty() ? "" : words[0];
  const bool is_of_this = words.size() == 1;
  if (words.empty() || words.size() > 2 || is_of_this != (verb == "ls" || is_leave_here(words))) {
    return usage;
  }
  if (is_leave_here(words)) {
    return leave(config, *timeout, is_forced);
  }
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  if (verb == "ls") {
    return list(*connection);
  }
  if (verb == "cordon" || verb == "uncordon") {
    return set_cordon(*connection, words[1], verb == "cordon");
  }
  if (verb == "drain") {
    return drain(*connection, words[1], *timeout);
  }
  if (verb == "leave") {
    return send_away(*connection, words[1], *timeout, is_forced);
  }
  return verb == "rm" ? remove(*connection, words[1], is_forced) : Status(usage);
}

}  // namespace

int run_node(const Config& config, const std::vector<std::string>& rest) {
  const auto done = run(config, rest);
  return done.ok() ? 0 : fail("node: " + done.error().message);
}

}  // namespace tetrarch::app
