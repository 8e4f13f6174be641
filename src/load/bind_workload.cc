// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unistd.h>

#include <fmt/format.h>

#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "load/hollow_nodes.h"
#include "load/sightings.h"
#include "load/workload.h"

namespace tetrarch::load {
namespace {

constexpr std::chrono::seconds kSettling{11};  // longer than a back-off of the scheduler

std::string bound_pods(const Arguments& arguments) {
  return pods_path(arguments) + "?watch=true&fieldSelector=spec.nodeName!%3D";
}

Arguments without_node(Arguments arguments) {
  arguments.node.clear();
  return arguments;
}

/// `begun[i]` is when the way of pod i to its node began.
Result<Report> report_of(const Sightings& placed, const std::vector<SteadyPoint>& begun) {
  if (!placed.failure().empty()) {
    return Error{Code::unavailable, placed.failure()};
  }
  Report out;
  auto first = SteadyPoint::max();
  auto last = SteadyPoint::min();
  for (std::size_t i = 0; i < begun.size(); ++i) {
    if (const auto bound = placed.times()[i]; bound == SteadyPoint{}) {
      out.fail("a pod was not placed");
    } else {
      out.latencies.push_back(bound - begun[i]);
      first = std::min(first, begun[i]);
      last = std::max(last, bound);
    }
  }
  out.duration = last - first;
  return out;
}

/// Requests that make the pods; each notes when it was sent.
RequestOf creations(const Arguments& pods,
                    const std::string& run,
                    std::vector<SteadyPoint>& begun) {
  return [&pods, &begun, run, path = pods_path(pods)](int number) {
    auto request = json_request("POST", path, pod_body(pods, run + "-" + std::to_string(number)));
    begun[static_cast<std::size_t>(number)] = system_clock().steady();
    return request;
  };
}

/// Lets pods be placed on the first node, which has room for all: one write, so that little but
/// their placement is measured. `begun` is set to when that began.
Result<Report> open_node(async::IoPool& pool,
                         Arguments arguments,
                         std::vector<SteadyPoint>& begun) {
  ::sleep(static_cast<unsigned>(kSettling.count()));
  begun.assign(begun.size(), system_clock().steady());
  arguments.requests = 1;
  return run_requests(pool, arguments, [&](int) {
    return json_request("PATCH",
                        "/api/v1/nodes/" + HollowNodes::name_of(arguments, 0),
                        R"({"spec":{"unschedulable":null}})");
  });
}

/// On nodes that are there.
Result<Report> place_on(async::IoPool& pool,
                        const Arguments& arguments,
                        const std::string& run,
                        bool is_backlog) {
  TRY(const auto clients, make_clients(arguments, 1));
  Sightings placed(run, arguments.requests);
  async::TaskGroup group(pool.strand(), "load");
  group.spawn(placed.follow(*clients.front(), bound_pods(arguments)));
  placed.wait_until_open();
  const auto pods = without_node(arguments);
  std::vector<SteadyPoint> begun(static_cast<std::size_t>(arguments.requests));
  auto cpu = cpu_time(arguments.server_pid);
  TRY(auto sent, run_requests(pool, pods, creations(pods, run, begun)));
  if (sent.failures == 0 && is_backlog) {
    cpu = cpu_time(arguments.server_pid);
    TRY(sent, open_node(pool, arguments, begun));
  }
  if (sent.failures == 0) {
    placed.wait_until_seen(arguments.requests);
  }
  group.stop_and_wait();
  if (sent.failures > 0) {
    return sent;
  }
  TRY(auto report, report_of(placed, begun));
  report.server_cpu = cpu_time(arguments.server_pid) - cpu;
  return report;
}

Result<Report> place(async::IoPool& pool,
                     const Arguments& arguments,
                     const std::string& run,
                     bool is_backlog) {
  TRY(const auto nodes, HollowNodes::make(pool, arguments, is_backlog));
  auto report = place_on(pool, arguments, run, is_backlog);
  TRY_STATUS(clean_up(pool, arguments, run));
  return report;
}

}  // namespace

Result<Report> run_bind(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  return place(pool, arguments, run, false);
}

Result<Report> run_backlog(async::IoPool& pool,
                           const Arguments& arguments,
                           const std::string& run) {
  return place(pool, arguments, run, true);
}

}  // namespace tetrarch::load
