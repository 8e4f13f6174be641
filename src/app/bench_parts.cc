// SPDX-License-Identifier: Apache-2.0
#include "app/bench_parts.h"

#include <array>
#include <charconv>
#include <thread>

#include <fmt/format.h>

#include "app/bench_server.h"
#include "async/io_pool.h"
#include "base/clock.h"
#include "load/report.h"
#include "load/workload.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;
using Figures = std::vector<Figure>;
using load::Report;
using std::chrono::seconds;

constexpr seconds kSettled{30};  // a server gives back what its start alone needed after 20 s

Result<Report> run_on(const load::Arguments& arguments) {
  async::IoPool pool(arguments.threads);
  TRY(auto report, load::run(pool, arguments));
  if (report.failures > 0) {
    return Error{Code::unavailable,
                 fmt::format("{} requests failed: {}", report.failures, report.first_failure)};
  }
  return report;
}

Status start(BenchServer& server) {
  TRY(const double took, server.start());
  (void)took;
  return ok();
}

Result<std::unique_ptr<BenchServer>> started() {
  TRY(auto server, BenchServer::make("server"));
  TRY_STATUS(start(*server));
  return server;
}

/// One workload on a server of its own; `shape` says what is not by default.
template <class Shape>
Result<Report> run_alone(std::string mode, const Shape& shape) {
  TRY(const auto server, started());
  TRY(auto arguments, server->arguments(std::move(mode)));
  shape(arguments);
  return run_on(arguments);
}

Status fill(const BenchServer& server, int pods) {
  if (pods == 0) {
    return ok();
  }
  TRY(auto creates, server.arguments("create"));
  creates.requests = pods;
  TRY(const auto report, run_on(creates));
  (void)report;
  return ok();
}

Result<Figures> measure_create(const BenchScale&) {
  TRY(const auto report,
      run_alone("create", [](load::Arguments& creates) { creates.requests = 20'000; }));
  return Figures{{"creates a second, 32 connections", load::per_second(report), "8000"},
                 {"us of server CPU per create", load::cpu_microseconds_each(report), "90"},
                 {"ms, half of the creates", load::percentile_ms(report.latencies, 0.5)},
                 {"ms, 99 of 100 creates", load::percentile_ms(report.latencies, 0.99)}};
}

Result<Figures> measure_list(const BenchScale&) {
  const auto shape = [](load::Arguments& lists) {
    lists.connections = 1;
    lists.requests = 100;
  };
  TRY(const auto report, run_alone("list", shape));
  return Figures{{"MB a second, lists of 10,000 pods", load::megabytes_per_second(report), "550"},
                 {"ms of server CPU per list", load::cpu_microseconds_each(report) / 1000}};
}

Result<Figures> measure_watch(const BenchScale&) {
  const auto shape = [](load::Arguments& watches) {
    watches.connections = 100;
    watches.requests = 2000;
  };
  TRY(const auto report, run_alone("watch", shape));
  const auto& last = report.last_after_acknowledgement;
  return Figures{
      {"ms to the last of 100 watchers, half", load::percentile_ms(last, 0.5), "3"},
      {"ms to the last of 100 watchers, 99 of 100", load::percentile_ms(last, 0.99), "20"},
      {"us of server CPU per delivery", load::cpu_microseconds_each(report)}};
}

Result<Report> place(const std::string& mode) {
  return run_alone(mode, [](load::Arguments& placements) {
    placements.nodes = 5000;
    placements.requests = 20'000;
  });
}

Result<Figures> measure_bind(const BenchScale&) {
  TRY(const auto report, place("bind"));
  return Figures{{"pods a second to 5,000 nodes", load::per_second(report), "5000"},
                 {"us of server CPU per pod", load::cpu_microseconds_each(report)},
                 {"ms from create to bound, half", load::percentile_ms(report.latencies, 0.5)}};
}

Result<Figures> measure_backlog(const BenchScale&) {
  TRY(const auto report, place("backlog"));
  return Figures{{"waiting pods placed a second", load::per_second(report), "20000"},
                 {"us of server CPU per waiting pod", load::cpu_microseconds_each(report)}};
}

Result<Figures> measure_start(const BenchScale&) {
  struct Size {
    int pods;
    const char* words;
    const char* aim;
  };

  constexpr auto kSizes = std::to_array<Size>(
      {{0, "empty", "0.15"}, {10'000, "10,000 pods", "0.3"}, {100'000, "100,000 pods", "1.5"}});
  Figures out;
  for (const auto& size : kSizes) {
    TRY(const auto server, started());
    TRY_STATUS(fill(*server, size.pods));
    server->stop();
    TRY(const double took, server->start());
    out.push_back({fmt::format("s from exec to ready, {}", size.words), took, size.aim});
    out.push_back({fmt::format("s of CPU for it, {}", size.words), server->cpu_seconds()});
  }
  return out;
}

Result<Figures> measure_memory(const BenchScale&) {
  constexpr int kPods = 100'000;
  TRY(const auto server, started());
  std::this_thread::sleep_for(kSettled);
  const double idle = server->resident_mb();
  TRY_STATUS(fill(*server, kPods));
  server->stop();
  TRY_STATUS(start(*server));
  std::this_thread::sleep_for(kSettled);
  return Figures{{"MB resident, idle server", idle},
                 {"KB per stored pod", (server->resident_mb() - idle) * 1024 / kPods, "4"}};
}

Status put_images(const fs::path& from, const fs::path& data) {
  std::error_code error;
  fs::create_directories(data / "images", error);
  for (const char* image : {"pause.tar", "demo.tar"}) {
    fs::copy_file(from / image, data / "images" / image, error);
    if (error) {
      return Error{Code::not_found,
                   fmt::format("{}: {}", (from / image).string(), error.message())};
    }
  }
  return ok();
}

/// The sum of a histogram's seconds in a text of metrics.
double seconds_of(const std::string& metrics, std::string_view operation) {
  const auto mark = fmt::format(
      R"(kubelet_runtime_operations_duration_seconds_sum{{operation_type="{}"}} )", operation);
  const auto at = metrics.find(mark);
  double value = 0;
  if (at != std::string::npos) {
    std::from_chars(metrics.data() + at + mark.size(), metrics.data() + metrics.size(), value);
  }
  return value;
}

/// What the runtime itself takes between a pod's create and its process, by the agent's account.
Result<double> runtime_seconds(const BenchServer& server) {
  TRY(const auto metrics, server.get("/metrics"));
  return seconds_of(metrics, "run_podsandbox") + seconds_of(metrics, "create_container") +
         seconds_of(metrics, "start_container");
}

Status wait_for_node(const BenchServer& server) {
  for (int i = 0; i < 600; ++i) {
    TRY(const auto nodes, server.get("/api/v1/nodes"));
    if (nodes.find(R"("reason":"KubeletReady")") != std::string::npos) {
      return ok();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return Error{Code::timeout, "the node is not ready after a minute"};
}

Result<Figures> measure_run(const BenchScale& scale) {
  constexpr int kPods = 20;
  TRY(const auto server, BenchServer::make("up"));
  TRY_STATUS(put_images(scale.images, server->data()));
  TRY_STATUS(start(*server));
  TRY_STATUS(wait_for_node(*server));
  std::this_thread::sleep_for(kSettled);
  const double idle = server->resident_mb();
  TRY(auto runs, server->arguments("run"));
  runs.image = "tetrarch.dev/demo:1";
  runs.requests = 1;  // the first unpacks the image
  TRY(const auto first, run_on(runs));
  TRY(const double before, runtime_seconds(*server));
  runs.requests = kPods;
  TRY(const auto report, run_on(runs));
  TRY(const double after, runtime_seconds(*server));
  const double running = load::mean_ms(report.latencies);
  const double bare = (after - before) * 1000 / kPods;
  return Figures{{"MB resident, idle up", idle, "40"},
                 {"ms from acknowledged to running", running},
                 {"ms of it in the runtime", bare},
                 {"ms over the runtime", running - bare, "30"}};
}

}  // namespace

Status wait_until(const Waiting& waiting, const std::function<bool()>& is_so, const char* what) {
  const auto begun = system_clock().steady();
  while (!is_so()) {
    if (system_clock().steady() - begun > waiting.patience) {
      return Error{Code::timeout, what};
    }
    std::this_thread::sleep_for(waiting.pause);
  }
  return ok();
}

const std::vector<BenchPart>& bench_parts() {
  static const std::vector<BenchPart> parts{{"create", false, measure_create},
                                            {"list", false, measure_list},
                                            {"watch", false, measure_watch},
                                            {"bind", false, measure_bind},
                                            {"backlog", false, measure_backlog},
                                            {"start", false, measure_start},
                                            {"memory", false, measure_memory},
                                            {"agents", false, measure_agents},
                                            {"fleet", false, measure_fleet},
                                            {"run", true, measure_run}};
  return parts;
}

}  // namespace tetrarch::app
