// SPDX-License-Identifier: Apache-2.0
// The columns of a pod. STATUS is no field: it is the most telling of phase, reasons and container
// states. Seen: kubectl get pods 1.20 to 1.35; Kubernetes documentation, "Pod Lifecycle" and "Debug
// Init Containers".
#include <algorithm>

#include <fmt/core.h>

#include "api/kubernetes/table.h"

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

/// What the three first columns have in common.
struct Summary {
  std::string status;
  std::int64_t ready = 0;
  std::int64_t total = 0;
  std::int64_t restarts = 0;
  std::string_view last_restart = {};  ///< RFC 3339, empty: none
};

bool has_true_condition(View pod, std::string_view type) {
  for (const auto condition : pod["status"]["conditions"].elements()) {
    if (condition["type"].string() == type) {
      return condition["status"].string() == "True";
    }
  }
  return false;
}

/// A sidecar: an init container that keeps running.
bool is_sidecar(View pod, std::string_view name) {
  for (const auto container : pod["spec"]["initContainers"].elements()) {
    if (container["name"].string() == name) {
      return container["restartPolicy"].string() == "Always";
    }
  }
  return false;
}

void count_restarts(Summary& summary, View status) {
  summary.restarts += status["restartCount"].integer();
  const auto finished = status["lastState"]["terminated"]["finishedAt"].string();
  summary.last_restart = std::max(summary.last_restart, finished);
}

std::string terminated_text(View terminated) {
  const auto reason = terminated["reason"].string();
  if (!reason.empty()) {
    return std::string(reason);
  }
  const auto signal = terminated["signal"].integer();
  return signal != 0 ? fmt::format("Signal:{}", signal)
                     : fmt::format("ExitCode:{}", terminated["exitCode"].integer());
}

/// The text of an init container that is not done; empty: it is.
std::string init_text(View pod, View status, std::size_t place, Summary& summary) {
  const auto state = status["state"];
  const auto terminated = state["terminated"];
  if (terminated && terminated["exitCode"].integer() == 0) {
    return "";
  }
  if (is_sidecar(pod, status["name"].string()) && status["started"].boolean()) {
    summary.ready += status["ready"].boolean() ? 1 : 0;
    return "";
  }
  if (terminated) {
    return "Init:" + terminated_text(terminated);
  }
  const auto reason = state["waiting"]["reason"].string();
  if (!reason.empty() && reason != "PodInitializing") {
    return "Init:" + std::string(reason);
  }
  return fmt::format("Init:{}/{}", place, pod["spec"]["initContainers"].size());
}

/// Whether an init container still holds the pod back.
bool summarize_init(Summary& summary, View pod) {
  std::size_t place = 0;
  for (const auto status : pod["status"]["initContainerStatuses"].elements()) {
    count_restarts(summary, status);
    auto text = init_text(pod, status, place++, summary);
    if (!text.empty()) {
      summary.status = std::move(text);
      return true;
    }
  }
  return false;
}

/// Restarts of finished init containers no longer count once the pod runs; those of sidecars do.
void keep_sidecar_restarts(Summary& summary, View pod) {
  summary.restarts = 0;
  summary.last_restart = {};
  for (const auto status : pod["status"]["initContainerStatuses"].elements()) {
    if (is_sidecar(pod, status["name"].string())) {
      count_restarts(summary, status);
    }
  }
}

/// The first container that has something to say wins.
void summarize_containers(Summary& summary, View pod) {
  keep_sidecar_restarts(summary, pod);
  bool is_any_running = false;
  std::string found;
  for (const auto status : pod["status"]["containerStatuses"].elements()) {
    count_restarts(summary, status);
    const auto state = status["state"];
    const auto waiting = state["waiting"]["reason"].string();
    if (found.empty() && !waiting.empty()) {
      found = waiting;
    } else if (found.empty() && state["terminated"]) {
      found = terminated_text(state["terminated"]);
    } else if (status["ready"].boolean() && state["running"]) {
      is_any_running = true;
      ++summary.ready;
    }
  }
  if (!found.empty()) {
    summary.status = std::move(found);
  }
  if (summary.status == "Completed" && is_any_running) {
    summary.status = has_true_condition(pod, "Ready") ? "Running" : "NotReady";
  }
}

bool is_gated(View pod) {
  for (const auto condition : pod["status"]["conditions"].elements()) {
    if (condition["type"].string() == "PodScheduled" &&
        condition["reason"].string() == "SchedulingGated") {
      return true;
    }
  }
  return false;
}

std::int64_t count_containers(View pod) {
  auto out = static_cast<std::int64_t>(pod["spec"]["containers"].size());
  for (const auto container : pod["spec"]["initContainers"].elements()) {
    out += container["restartPolicy"].string() == "Always" ? 1 : 0;
  }
  return out;
}

Summary summarize(View pod) {
  Summary out;
  out.total = count_containers(pod);
  const auto phase = pod["status"]["phase"].string();
  const auto reason = pod["status"]["reason"].string();
  out.status = reason.empty() ? phase : reason;
  if (is_gated(pod)) {
    out.status = "SchedulingGated";
  }
  const bool is_initializing = summarize_init(out, pod);
  if (!is_initializing || has_true_condition(pod, "Initialized")) {
    summarize_containers(out, pod);
  }
  if (pod["metadata"]["deletionTimestamp"]) {
    if (reason == "NodeLost") {
      out.status = "Unknown";
    } else if (phase != "Succeeded" && phase != "Failed") {
      out.status = "Terminating";
    }
  }
  return out;
}

Cell ready_cell(const Stored& pod, TimePoint /*now*/) {
  const auto summary = summarize(pod.root());
  return text_cell(fmt::format("{}/{}", summary.ready, summary.total));
}

Cell status_cell(const Stored& pod, TimePoint /*now*/) {
  return text_cell(summarize(pod.root()).status);
}

Cell restarts_cell(const Stored& pod, TimePoint now) {
  const auto summary = summarize(pod.root());
  if (summary.restarts == 0 || summary.last_restart.empty()) {
    return text_cell(std::to_string(summary.restarts));
  }
  return text_cell(
      fmt::format("{} ({} ago)", summary.restarts, human_age(summary.last_restart, now)));
}

Cell ip_cell(const Stored& pod, TimePoint /*now*/) {
  const auto status = pod.root()["status"];
  const auto first = status["podIPs"].at(0)["ip"].string();
  return text_cell(first.empty() ? status["podIP"].string("<none>") : first);
}

Cell gates_cell(const Stored& pod, TimePoint /*now*/) {
  const auto gates = pod.root()["spec"]["readinessGates"];
  if (gates.size() == 0) {
    return text_cell("<none>");
  }
  std::size_t count = 0;
  for (const auto gate : gates.elements()) {
    count += has_true_condition(pod.root(), gate["conditionType"].string()) ? 1 : 0;
  }
  return text_cell(fmt::format("{}/{}", count, gates.size()));
}

constexpr Computed kColumns[] = {
    {"pod-ready", ready_cell},
    {"pod-status", status_cell},
    {"pod-restarts", restarts_cell},
    {"pod-ip", ip_cell},
    {"pod-readiness-gates", gates_cell},
};

}  // namespace

std::span<const Computed> pod_columns() {
  return kColumns;
}

}  // namespace tetrarch::api::kubernetes
