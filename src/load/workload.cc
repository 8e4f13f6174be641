// SPDX-License-Identifier: Apache-2.0
#include "load/workload.h"

#include <atomic>
#include <map>
#include <string_view>
#include <unistd.h>

#include "async/task_group.h"
#include "base/clock.h"
#include "base/random.h"
#include "load/hollow_nodes.h"
#include "object/writer.h"

namespace tetrarch::load {
namespace {

constexpr int kFillingConnections = 32;

/// One request and what came of it: the bytes of its body.
using Send = Task<Result<std::uint64_t>> (*)(net::Client& client, net::ClientRequest request);

Error refusal(int status, const std::string& body) {
  return {Code::unavailable, std::to_string(status) + " " + body};
}

Task<Result<std::uint64_t>> send_whole(net::Client& client, net::ClientRequest request) {
  CO_TRY(const auto response, co_await client.request(std::move(request)));
  if (response.status >= 300) {
    co_return refusal(response.status, response.body);
  }
  co_return std::uint64_t{response.body.size()};
}

/// For answers that are too large to be worth keeping.
Task<Result<std::uint64_t>> send_and_drop(net::Client& client, net::ClientRequest request) {
  CO_TRY(const auto stream, co_await client.stream(std::move(request)));
  if (stream->status() >= 300) {
    CO_TRY(const auto body, co_await stream->read_all(1 << 16));
    co_return refusal(stream->status(), body);
  }
  std::uint64_t bytes = 0;
  while (true) {
    CO_TRY(const auto piece, co_await stream->read());
    if (piece.empty()) {
      co_return bytes;
    }
    bytes += piece.size();
  }
}

struct Work {
  Send send;
  const RequestOf& request_of;
  int end;
  std::atomic<int> next = 0;
};

/// Takes numbers until there are none left, and sends the request of each.
Task<void> work(net::Client& client, Work& all, Report& report) {
  const auto& clock = system_clock();
  while (true) {
    const int number = all.next.fetch_add(1);
    if (number >= all.end) {
      co_return;
    }
    auto request = all.request_of(number);
    const auto begun = clock.steady();
    const auto bytes = co_await all.send(client, std::move(request));
    if (bytes.ok()) {
      report.latencies.push_back(clock.steady() - begun);
      report.bytes += *bytes;
    } else {
      report.fail(bytes.error().message);
    }
  }
}

Result<Report> run_workers(async::IoPool& pool,
                           const Arguments& arguments,
                           const RequestOf& request_of,
                           Send send = send_whole) {
  TRY(const auto clients, make_clients(arguments, arguments.connections));
  std::vector<Report> reports(clients.size());
  Work all{send, request_of, arguments.requests};
  async::TaskGroup group(pool.strand(), "load");
  const auto cpu = cpu_time(arguments.server_pid);
  const auto begun = system_clock().steady();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    group.spawn_on(pool.strand(), work(*clients[i], all, reports[i]));
  }
  wait_until_empty(group);
  Report total;
  for (const auto& report : reports) {
    total.add(report);
  }
  total.duration = system_clock().steady() - begun;
  total.server_cpu = cpu_time(arguments.server_pid) - cpu;
  return total;
}

Result<Report> create_pods(async::IoPool& pool,
                           const Arguments& arguments,
                           const std::string& run) {
  const auto path = pods_path(arguments);
  return run_workers(pool, arguments, [&](int number) {
    return json_request("POST", path, pod_body(arguments, run + "-" + std::to_string(number)));
  });
}

}  // namespace

Result<Report> run_requests(async::IoPool& pool,
                            const Arguments& arguments,
                            const RequestOf& request_of) {
  return run_workers(pool, arguments, request_of);
}

std::string pods_path(const Arguments& arguments) {
  return "/api/v1/namespaces/" + arguments.ns + "/pods";
}

void wait_until_empty(const async::TaskGroup& group) {
  while (group.size() > 0) {
    ::usleep(1000);
  }
}

net::ClientRequest json_request(std::string method, std::string target, std::string body) {
  // An update needs the version of what it changes; a merge patch does not.
  const auto type = method == "PATCH" ? "application/merge-patch+json" : "application/json";
  net::ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers.add("Accept", "application/json");
  request.headers.add("User-Agent", "tetrarch_load");
  if (!request.body.empty()) {
    request.headers.add("Content-Type", type);
  }
  return request;
}

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
  writer.end_object().key("spec").begin_object().field("restartPolicy", "Never");
  if (!arguments.node.empty()) {
    writer.field("nodeName", arguments.node);
  }
  writer.key("containers")
      .begin_array()
      .begin_object()
      .field("name", "main")
      .field("image", arguments.image);
  writer.key("resources")
      .begin_object()
      .key("requests")
      .begin_object()
      .field("cpu", "1m")
      .field("memory", "1Mi");
  writer.end_object().end_object().end_object().end_array().end_object().end_object();
  return out;
}

Status clean_up(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  if (arguments.keeps) {
    return ok();
  }
  const auto path = pods_path(arguments);
  const std::string options =
      R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0})";
  const auto removed = run_workers(pool, arguments, [&](int number) {
    return json_request("DELETE", path + "/" + run + "-" + std::to_string(number), options);
  });
  return removed.ok() ? ok() : Status(removed.error());
}

Result<Report> run_create(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  TRY(const auto node, HollowNodes::make(pool, arguments));
  auto report = create_pods(pool, arguments, run);
  TRY_STATUS(clean_up(pool, arguments, run));
  return report;
}

Result<Report> run_get(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  const auto path = pods_path(arguments) + "/" + run + "-0";
  Arguments one = arguments;
  one.requests = 1;
  TRY(const auto node, HollowNodes::make(pool, arguments));
  auto report = create_pods(pool, one, run);
  if (report.ok() && report->failures == 0) {
    report = run_workers(pool, arguments, [&](int) { return json_request("GET", path, ""); });
  }
  TRY_STATUS(clean_up(pool, one, run));
  return report;
}

Result<Report> run_list(async::IoPool& pool, const Arguments& arguments, const std::string& run) {
  Arguments filling = arguments;
  filling.requests = arguments.objects;
  filling.connections = kFillingConnections;
  TRY(const auto node, HollowNodes::make(pool, arguments));
  auto report = create_pods(pool, filling, run);
  if (report.ok() && report->failures == 0) {
    const auto path = pods_path(arguments);
    report = run_workers(
        pool, arguments, [&](int) { return json_request("GET", path, ""); }, send_and_drop);
  }
  TRY_STATUS(clean_up(pool, filling, run));
  return report;
}

Result<Report> run(async::IoPool& pool, const Arguments& arguments) {
  using Workload = Result<Report> (*)(async::IoPool&, const Arguments&, const std::string&);
  static const std::map<std::string_view, Workload> workloads{{"create", run_create},
                                                              {"get", run_get},
                                                              {"list", run_list},
                                                              {"watch", run_watch},
                                                              {"bind", run_bind},
                                                              {"backlog", run_backlog},
                                                              {"run", run_run}};
  const auto found = workloads.find(arguments.mode);
  if (found == workloads.end()) {
    return Error{Code::invalid, "unknown mode: " + arguments.mode};
  }
  return found->second(pool, arguments, "load-" + make_suffix(system_random()));
}

}  // namespace tetrarch::load
