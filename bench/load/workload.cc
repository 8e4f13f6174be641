// SPDX-License-Identifier: Apache-2.0
#include "load/workload.h"

#include <atomic>
#include <functional>
#include <unistd.h>

#include "async/task_group.h"
#include "base/clock.h"
#include "object/writer.h"

namespace tetrarch::load {
namespace {

using RequestOf = std::function<net::ClientRequest(int)>;

/// Takes numbers until there are none left, and sends the request of each.
Task<void> work(net::Client& client,
                const RequestOf& request_of,
                std::atomic<int>& next,
                int end,
                Report& report) {
  const auto& clock = system_clock();
  while (true) {
    const int number = next.fetch_add(1);
    if (number >= end) {
      co_return;
    }
    auto request = request_of(number);
    const auto begun = clock.steady();
    const auto response = co_await client.request(std::move(request));
    if (!response.ok()) {
      report.fail(response.error().message);
    } else if (response->status >= 300) {
      report.fail(std::to_string(response->status) + " " + response->body);
    } else {
      report.latencies.push_back(clock.steady() - begun);
      report.bytes += response->body.size();
    }
  }
}

Result<Report> run_workers(async::IoPool& pool,
                           const Arguments& arguments,
                           const RequestOf& request_of) {
  TRY(const auto clients, make_clients(arguments, arguments.connections));
  std::vector<Report> reports(clients.size());
  std::atomic<int> next = 0;
  async::TaskGroup group(pool.strand(), "load");
  const auto cpu = cpu_time(arguments.server_pid);
  const auto begun = system_clock().steady();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    group.spawn_on(pool.strand(),
                   work(*clients[i], request_of, next, arguments.requests, reports[i]));
  }
  while (group.size() > 0) {
    ::usleep(1000);
  }
  Report all;
  for (const auto& report : reports) {
    all.add(report);
  }
  all.duration = system_clock().steady() - begun;
  all.server_cpu = cpu_time(arguments.server_pid) - cpu;
  return all;
}

std::string pods_path(const Arguments& arguments) {
  return "/api/v1/namespaces/" + arguments.ns + "/pods";
}

net::ClientRequest json_request(std::string method, std::string target, std::string body) {
  net::ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers.add("Accept", "application/json");
  request.headers.add("User-Agent", "tetrarch_load");
  if (!request.body.empty()) {
    request.headers.add("Content-Type", "application/json");
  }
  return request;
}

Result<Report> remove_all(async::IoPool& pool, Arguments arguments, const std::string& run) {
  const auto path = pods_path(arguments);
  const std::string options =
      R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0})";
  return run_workers(pool, arguments, [&](int number) {
    return json_request("DELETE", path + "/" + run + "-" + std::to_string(number), options);
  });
}

}  // namespace

Result<std::vector<std::unique_ptr<net::Client>>> make_clients(const Arguments& arguments,
                                                               int count) {
  TRY(const auto tls, net::TlsContext::for_client(arguments.tls));
  std::vector<std::unique_ptr<net::Client>> clients;
  for (int i = 0; i < count; ++i) {
    net::ClientOptions options;
    options.url = arguments.server;
    options.bearer_token = arguments.token;
    options.idle_connections_max = 1;
    TRY(auto client, net::Client::make(std::move(options), tls));
    clients.push_back(std::move(client));
  }
  return clients;
}

std::string pod_body(const Arguments& arguments, const std::string& name) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object()
      .field("kind", "Pod")
      .field("apiVersion", "v1")
      .key("metadata")
      .begin_object();
  writer.field("name", name)
      .key("labels")
      .begin_object()
      .field("app", "load")
      .field("run", name)
      .end_object();
  writer.end_object()
      .key("spec")
      .begin_object()
      .field("nodeName", arguments.node)
      .field("restartPolicy", "Never");
  writer.key("containers")
      .begin_array()
      .begin_object()
      .field("name", "main")
      .field("image", "tetrarch.test/load:1");
  writer.key("resources")
      .begin_object()
      .key("requests")
      .begin_object()
      .field("cpu", "1m")
      .field("memory", "1Mi");
  writer.end_object().end_object().end_object().end_array().end_object().end_object();
  return out;
}

Result<Report> run_create(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  const auto path = pods_path(arguments);
  TRY(auto report, run_workers(pool, arguments, [&](int number) {
        return json_request("POST", path, pod_body(arguments, run + "-" + std::to_string(number)));
      }));
  if (!arguments.keeps) {
    TRY(const auto removed, remove_all(pool, arguments, run));
    (void)removed;
  }
  return report;
}

Result<Report> run_read(async::IoPool& pool,
                        const Arguments& arguments,
                        const std::string& run,
                        bool is_list) {
  const auto path = pods_path(arguments);
  if (is_list) {
    return run_workers(pool, arguments, [&](int) { return json_request("GET", path, ""); });
  }
  Arguments one = arguments;
  one.requests = 1;
  TRY(const auto made, run_workers(pool, one, [&](int) {
        return json_request("POST", path, pod_body(arguments, run + "-0"));
      }));
  if (made.failures > 0) {
    return made;
  }
  TRY(auto report, run_workers(pool, arguments, [&](int) {
        return json_request("GET", path + "/" + run + "-0", "");
      }));
  TRY(const auto removed, remove_all(pool, one, run));
  (void)removed;
  return report;
}

}  // namespace tetrarch::load
