// SPDX-License-Identifier: Apache-2.0
#include "load/sightings.h"
#include "load/workload.h"

namespace tetrarch::load {
namespace {

/// One pod after the other: its create, and the wait until it is seen to run.
Task<void> run_each(net::Client& client,
                    const Arguments& arguments,
                    const std::string& run,
                    const Sightings& running,
                    Report& report) {
  for (int i = 0; i < arguments.requests && report.failures == 0; ++i) {
    const auto body = pod_body(arguments, run + "-" + std::to_string(i));
    const auto made = co_await client.request(json_request("POST", pods_path(arguments), body));
    if (!made.ok() || made->status >= 300) {
      report.fail(made.ok() ? made->body : made.error().message);
      co_return;
    }
    const auto acknowledged = system_clock().steady();
    running.wait_until_seen(i + 1);
    const auto seen = running.times()[static_cast<std::size_t>(i)];
    if (seen == SteadyPoint{}) {
      report.fail("a pod did not run: " + running.failure());
    } else {
      report.latencies.push_back(std::max(seen - acknowledged, std::chrono::nanoseconds{}));
    }
  }
}

}  // namespace

Result<Report> run_run(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  auto pods = arguments;
  pods.node.clear();
  async::IoPool own(1);  // of the one who waits for what a watch of the other shows
  TRY(const auto clients, make_clients(arguments, 2));
  Sightings running(run, arguments.requests);
  async::TaskGroup group(pool.strand(), "load");
  group.spawn(running.follow(*clients[0],
                             pods_path(pods) + "?watch=true&fieldSelector=status.phase%3DRunning"));
  running.wait_until_open();
  Report report;
  const auto cpu = cpu_time(arguments.server_pid);
  const auto begun = system_clock().steady();
  async::TaskGroup creator(own.strand(), "load");
  creator.spawn(run_each(*clients[1], pods, run, running, report));
  wait_until_empty(creator);
  report.duration = system_clock().steady() - begun;
  report.server_cpu = cpu_time(arguments.server_pid) - cpu;
  group.stop_and_wait();
  TRY_STATUS(clean_up(pool, pods, run));
  return report;
}

}  // namespace tetrarch::load
