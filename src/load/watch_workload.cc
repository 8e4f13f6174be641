// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <charconv>
#include <unistd.h>

#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "load/workload.h"

namespace tetrarch::load {
namespace {

using Latency = std::chrono::nanoseconds;

constexpr std::string_view kMark = "\"sent\":\"";

std::string configmaps_path(const Arguments& arguments) {
  return "/api/v1/namespaces/" + arguments.ns + "/configmaps";
}

std::string config_map(const std::string& name, SteadyPoint now) {
  return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":")" + name +
         R"("},"data":{"filler":")" + std::string(2000, 'x') + "\"," + std::string(kMark) +
         std::to_string(now.time_since_epoch().count()) + "\"}}";
}

/// Notes how old each event's stamp is, until `count` have come.
Task<void> watch(
    net::Client& client, std::string target, int count, std::atomic<int>& ready, Report& report) {
  auto stream = co_await client.stream(json_request("GET", std::move(target), ""));
  ++ready;
  if (!stream.ok() || (*stream)->status() != 200) {
    report.fail(stream.ok() ? "watch refused: " + std::to_string((*stream)->status())
                            : stream.error().message);
    co_return;
  }
  std::string text;
  while (static_cast<int>(report.latencies.size()) < count) {
    const auto piece = co_await (*stream)->read();
    if (!piece.ok() || piece->empty()) {
      report.fail("a watch ended early");
      co_return;
    }
    const auto now = system_clock().steady().time_since_epoch().count();
    report.bytes += piece->size();
    text += *piece;
    std::size_t end = 0;
    for (auto at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at + 1)) {
      const auto close = text.find('"', at + kMark.size());
      if (close == std::string::npos) {
        break;
      }
      std::int64_t sent = 0;
      std::from_chars(text.data() + at + kMark.size(), text.data() + close, sent);
      report.latencies.emplace_back(now - sent);
      end = close;
    }
    text.erase(0, end);
  }
}

Task<void> update(net::Client& client,
                  std::string name,
                  const Arguments& arguments,
                  std::vector<Latency>& acknowledged,
                  Report& report) {
  const auto target = configmaps_path(arguments) + "/" + name;
  const auto step = std::chrono::nanoseconds(1'000'000'000 / arguments.rate);
  const auto begun = system_clock().steady();
  for (int i = 0; i < arguments.requests; ++i) {
    const auto early = begun + i * step - system_clock().steady();
    if (early.count() > 0) {
      co_await async::sleep_for(early);
    }
    const auto sent = system_clock().steady();
    const auto answer =
        co_await client.request(json_request("PUT", target, config_map(name, sent)));
    acknowledged.push_back(system_clock().steady() - sent);
    if (!answer.ok() || answer->status != 200) {
      report.fail(answer.ok() ? answer->body : answer.error().message);
    }
  }
}

Task<void> send_one(net::Client& client, net::ClientRequest request, Report& report) {
  const auto answer = co_await client.request(std::move(request));
  if (!answer.ok() || answer->status >= 300) {
    report.fail(answer.ok() ? answer->body : answer.error().message);
  }
}

/// Events come in order: the place of a latency is the number of its update.
std::vector<Latency> last_after(const std::vector<Latency>& acknowledged,
                                const std::vector<Report>& reports) {
  std::vector<Latency> out;
  for (std::size_t i = 0; i < acknowledged.size(); ++i) {
    Latency last{};
    for (const auto& report : reports) {
      last = std::max(last, i < report.latencies.size() ? report.latencies[i] : Latency{});
    }
    out.push_back(std::max(last - acknowledged[i], Latency{}));
  }
  return out;
}

}  // namespace

Result<Report> run_watch(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  const auto watchers = static_cast<std::size_t>(arguments.connections);
  TRY(const auto clients, make_clients(arguments, arguments.connections + 1));
  net::Client& writer = *clients.back();
  const auto path = configmaps_path(arguments);
  const std::string name = run + "-watched";
  async::TaskGroup group(pool.strand(), "load");
  Report all;
  group.spawn(
      send_one(writer, json_request("POST", path, config_map(name, system_clock().steady())), all));
  wait_until_empty(group);
  if (all.failures > 0) {
    return all;
  }
  std::vector<Report> reports(watchers);
  std::vector<Latency> acknowledged;
  std::atomic<int> ready = 0;
  // The state at the beginning is one event more.
  const auto target = path + "?watch=true&fieldSelector=metadata.name%3D" + name;
  for (std::size_t i = 0; i < watchers; ++i) {
    group.spawn_on(pool.strand(),
                   watch(*clients[i], target, arguments.requests + 1, ready, reports[i]));
  }
  while (ready < arguments.connections) {
    ::usleep(1000);
  }
  const auto cpu = cpu_time(arguments.server_pid);
  const auto begun = system_clock().steady();
  group.spawn_on(pool.strand(), update(writer, name, arguments, acknowledged, all));
  wait_until_empty(group);
  all.duration = system_clock().steady() - begun;
  all.server_cpu = cpu_time(arguments.server_pid) - cpu;
  for (auto& report : reports) {
    if (!report.latencies.empty()) {
      report.latencies.erase(report.latencies.begin());
    }
    all.add(report);
  }
  all.last_after_acknowledgement = last_after(acknowledged, reports);
  group.spawn(send_one(writer, json_request("DELETE", path + "/" + name, ""), all));
  wait_until_empty(group);
  return all;
}

}  // namespace tetrarch::load
