// SPDX-License-Identifier: Apache-2.0
#include "app/drain.h"

#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "schema/views/core.h"

namespace tetrarch::app {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string node_path(const std::string& node) {
  return "/api/v1/nodes/" + percent_encode(node);
}

Status set_cordon(Connection& connection, const std::string& name, bool is_on) {
  TRY(const auto node, connection.ask_api("GET", node_path(name)));
  if (views::NodeView(node->root()).spec().unschedulable() == is_on) {
    fmt::print("node {} is {} already\n", name, is_on ? "cordoned" : "open");
    return ok();
  }
  TRY(const auto written,
      connection.ask_api("PATCH",
                         node_path(name),
                         fmt::format(R"({{"spec":{{"unschedulable":{}}}}})", is_on),
                         "application/merge-patch+json"));
  static_cast<void>(written);
  fmt::print("node {} {}\n", name, is_on ? "takes no further pods" : "takes pods again");
  return ok();
}

namespace {

constexpr milliseconds kPause{500};
constexpr std::string_view kMirror = "kubernetes.io/config.mirror";

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

}  // namespace

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

}  // namespace tetrarch::app
