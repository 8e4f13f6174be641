// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <charconv>
#include <unistd.h>

#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "load/workload.h"

namespace tetrarch::load {
namespace {

constexpr std::string_view kMark = "\"sent\":\"";

std::string config_map(const std::string& name) {
  const auto now = system_clock().steady().time_since_epoch().count();
  return R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":")" + name +
         R"("},"data":{"filler":")" + std::string(2000, 'x') + "\"," + std::string(kMark) +
         std::to_string(now) + "\"}}";
}

net::ClientRequest request_of(std::string method, std::string target, std::string body) {
  net::ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Accept", "application/json");
  return request;
}

/// Notes how old each event's stamp is, until `count` have come.
Task<void> watch(
    net::Client& client, std::string target, int count, std::atomic<int>& ready, Report& report) {
  auto stream = co_await client.stream(request_of("GET", std::move(target), ""));
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
                  std::string target,
                  std::string name,
                  const Arguments& arguments,
                  Report& report) {
  const auto step = std::chrono::nanoseconds(1'000'000'000 / arguments.rate);
  const auto begun = system_clock().steady();
  for (int i = 0; i < arguments.requests; ++i) {
    const auto early = begun + i * step - system_clock().steady();
    if (early.count() > 0) {
      co_await async::sleep_for(early);
    }
    const auto answer = co_await client.request(request_of("PUT", target, config_map(name)));
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

void wait_until_empty(async::TaskGroup& group) {
  while (group.size() > 0) {
    ::usleep(1000);
  }
}

}  // namespace

Result<Report> run_watch(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  const auto watchers = static_cast<std::size_t>(arguments.connections);
  TRY(const auto clients, make_clients(arguments, arguments.connections + 1));
  net::Client& writer = *clients.back();
  const std::string path = "/api/v1/namespaces/" + arguments.ns + "/configmaps";
  const std::string name = run + "-watched";
  async::TaskGroup group(pool.strand(), "load");
  Report all;
  group.spawn(send_one(writer, request_of("POST", path, config_map(name)), all));
  wait_until_empty(group);
  if (all.failures > 0) {
    return all;
  }
  std::vector<Report> reports(watchers);
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
  group.spawn_on(pool.strand(), update(writer, path + "/" + name, name, arguments, all));
  wait_until_empty(group);
  all.duration = system_clock().steady() - begun;
  all.server_cpu = cpu_time(arguments.server_pid) - cpu;
  for (auto& report : reports) {
    if (!report.latencies.empty()) {
      report.latencies.erase(report.latencies.begin());
    }
    all.add(report);
  }
  group.spawn(send_one(writer, request_of("DELETE", path + "/" + name, ""), all));
  wait_until_empty(group);
  return all;
}

}  // namespace tetrarch::load
