// SPDX-License-Identifier: Apache-2.0
// `tetrarch node ls|cordon|uncordon|drain|rm`: what an operator does with machines.
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "app/command.h"
#include "app/connect.h"
#include "app/options.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "schema/views/core.h"

namespace tetrarch::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kUsualTimeout{300};
constexpr milliseconds kPause{500};
constexpr std::string_view kMirror = "kubernetes.io/config.mirror";

std::string path_of(const std::string& node) {
  return "/api/v1/nodes/" + percent_encode(node);
}

std::string_view ready_of(views::NodeView node) {
  for (const auto condition : node.status().conditions()) {
    if (condition.type() == "Ready") {
      return condition.status();
    }
  }
  return "Unknown";
}

std::string state_of(views::NodeView node) {
  const auto ready = ready_of(node);
  std::string out = ready == "True" ? "Ready" : ready == "False" ? "NotReady" : "Unreachable";
  return node.spec().unschedulable() ? out + ",cordoned" : out;
}

std::string_view address_of(views::NodeView node) {
  std::string_view out;
  for (const auto entry : node.status().addresses()) {
    out = entry.type() == "InternalIP" ? entry.address() : out;
  }
  return out;
}

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

Status set_cordon(Connection& connection, const std::string& name, bool is_on) {
  TRY(const auto node, connection.ask_api("GET", path_of(name)));
  if (views::NodeView(node->root()).spec().unschedulable() == is_on) {
    fmt::print("node {} is {} already\n", name, is_on ? "cordoned" : "open");
    return ok();
  }
  TRY(const auto written,
      connection.ask_api("PATCH",
                         path_of(name),
                         fmt::format(R"({{"spec":{{"unschedulable":{}}}}})", is_on),
                         "application/merge-patch+json"));
  static_cast<void>(written);
  fmt::print("node {} {}\n", name, is_on ? "takes no further pods" : "takes pods again");
  return ok();
}

/// Those that go: not a DaemonSet's, which would be made again at once, nor a manifest's of the
/// machine.
bool is_to_go(views::PodView pod) {
  const auto phase = pod.status().phase();
  if (phase == "Succeeded" || phase == "Failed" || pod.view()["metadata"]["annotations"][kMirror]) {
    return false;
  }
  for (const auto owner : pod.metadata().owner_references()) {
    if (owner.controller() && owner.kind() == "DaemonSet") {
      return false;
    }
  }
  return true;
}

/// One round: asks each pod that has not been told yet to leave.
class Drain {
 public:
  Drain(Connection& connection, std::string node)
      : connection_(connection), node_(std::move(node)) {}

  /// How many are still there.
  Result<std::size_t> round() {
    TRY(const auto pods,
        connection_.ask_api("GET",
                            "/api/v1/pods?fieldSelector=spec.nodeName%3D" + percent_encode(node_)));
    std::size_t left = 0;
    refusal_.clear();
    std::set<std::string> seen;
    for (const auto item : pods->root()["items"].elements()) {
      const views::PodView pod(item);
      if (!is_to_go(pod)) {
        continue;
      }
      ++left;
      seen.insert(std::string(pod.metadata().uid()));
      if (pod.metadata().deletion_timestamp().empty()) {
        TRY_STATUS(evict(pod));
      }
    }
    for (const auto& [uid, name] : told_) {
      if (!seen.contains(uid)) {
        fmt::print("{} has gone\n", name);
      }
    }
    std::erase_if(told_, [&](const auto& each) { return !seen.contains(each.first); });
    return left;
  }

  /// Why the last round could not evict some pod; empty: it could.
  const std::string& refusal() const { return refusal_; }

 private:
  Status evict(views::PodView pod) {
    const auto name = fmt::format("{}/{}", pod.metadata().namespace_(), pod.metadata().name());
    const auto body =
        fmt::format(R"({{"kind":"Eviction","apiVersion":"policy/v1","metadata":{{"name":"{}"}},)"
                    R"("deleteOptions":{{"preconditions":{{"uid":"{}"}}}}}})",
                    pod.metadata().name(),
                    pod.metadata().uid());
    const auto answer = connection_.ask_api("POST",
                                            fmt::format("/api/v1/namespaces/{}/pods/{}/eviction",
                                                        pod.metadata().namespace_(),
                                                        percent_encode(pod.metadata().name())),
                                            body);
    if (answer.ok()) {
      told_.emplace(pod.metadata().uid(), name);
      return ok();
    }
    if (answer.error().code == Code::exhausted) {  // a disruption budget: later
      refusal_ = fmt::format("{}: {}", name, answer.error().message);
      return ok();
    }
    // Gone, or another pod by now.
    const bool is_over =
        answer.error().code == Code::not_found || answer.error().code == Code::conflict;
    return is_over ? ok() : Status(answer.error());
  }

  Connection& connection_;
  const std::string node_;
  std::map<std::string, std::string> told_;  // uid to name, of those that were asked to leave
  std::string refusal_;
};

Status drain(Connection& connection, const std::string& name, seconds timeout) {
  TRY_STATUS(set_cordon(connection, name, true));
  Drain drain(connection, name);
  const auto deadline = system_clock().steady() + timeout;
  std::string told;
  while (true) {
    TRY(const auto left, drain.round());
    if (left == 0) {
      fmt::print("node {} is drained\n", name);
      return ok();
    }
    const auto now = drain.refusal().empty() ? fmt::format("{} pods are leaving", left)
                                             : fmt::format("waiting: {}", drain.refusal());
    if (now != told) {
      fmt::print("{}\n", now);
      std::fflush(stdout);
      told = now;
    }
    if (timeout.count() > 0 && system_clock().steady() >= deadline) {
      return Error{Code::timeout,
                   fmt::format("{} pods are still on {} after {} s{}{}; it stays cordoned",
                               left,
                               name,
                               timeout.count(),
                               drain.refusal().empty() ? "" : ": ",
                               drain.refusal())};
    }
    std::this_thread::sleep_for(kPause);
  }
}

Status remove(Connection& connection, const std::string& name, bool is_forced) {
  TRY(const auto node, connection.ask_api("GET", path_of(name)));
  if (ready_of(views::NodeView(node->root())) == "True" && !is_forced) {
    return Error{Code::invalid,
                 fmt::format("node {} is there and would register again: end its agent first, or "
                             "say --force",
                             name)};
  }
  TRY(const auto gone, connection.ask_api("DELETE", path_of(name)));
  static_cast<void>(gone);
  fmt::print("node {} is forgotten; its pods are made anew elsewhere\n", name);
  return ok();
}

Status run(const Config& config, std::vector<std::string> words) {
  const Error usage{Code::invalid,
                    "say what: ls, cordon NAME, uncordon NAME, drain NAME or rm NAME"};
  const bool is_forced = take_switch(words, "force");
  TRY(const auto given, take_option(words, "timeout"));
  const auto timeout = given ? parse_period(*given) : Result<seconds>(kUsualTimeout);
  TRY_STATUS(timeout.ok() ? ok() : Status(timeout.error()));
  const std::string verb = words.empty() ? "" : words[0];
  if (words.size() != (verb == "ls" ? 1U : 2U)) {
    return usage;
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
  return verb == "rm" ? remove(*connection, words[1], is_forced) : Status(usage);
}

}  // namespace

int run_node(const Config& config, const std::vector<std::string>& rest) {
  const auto done = run(config, rest);
  return done.ok() ? 0 : fail("node: " + done.error().message);
}

}  // namespace tetrarch::app
