// SPDX-License-Identifier: Apache-2.0
// `tetrarch bench fleet`: ten units for each of many machines, over fleet's API as its clients use
// it.
#include <charconv>
#include <chrono>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "app/bench_parts.h"
#include "app/bench_server.h"
#include "app/connect.h"
#include "app/hollow_agents.h"
#include "async/io_pool.h"
#include "base/clock.h"
#include "load/report.h"
#include "load/workload.h"
#include "object/document.h"

namespace tetrarch::app {
namespace {

using Figures = std::vector<Figure>;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kUnitsEach = 10;
constexpr int kConnections = 32;
constexpr int kSingles = 20;
constexpr Waiting kSoon{seconds(300), milliseconds(1)};
constexpr Waiting kAsking{seconds(300), milliseconds(50)};  // costs the server a millisecond or two
constexpr seconds kQuiet{1};      // until nobody is told of anything any more
constexpr seconds kSettled{30};   // a server gives back what its start alone needed after 20 s
constexpr seconds kMeasured{60};  // six renewals of every lease
constexpr std::string_view kUnits = "/fleet/v1/units";
constexpr std::string_view kPlacements = "scheduler_placements_total";
constexpr std::string_view kWrites = "tetrarch_store_mutations_total";
constexpr std::string_view kUnplaced =
    "/apis/fleet.tetrarch.dev/v1/namespaces/fleet/units?fieldSelector=status.nodeName%3D&limit=1";

double seconds_since(SteadyPoint begun) {
  return std::chrono::duration<double>(system_clock().steady() - begun).count();
}

std::string unit_body(std::string_view extra = "") {
  return fmt::format(
      R"({{"desiredState":"launched","options":[)"
      R"({{"section":"Unit","name":"Description","value":"a unit of a benchmark"}},)"
      R"({{"section":"Service","name":"ExecStart","value":"/bin/sleep infinity"}}{}]}})",
      extra);
}

net::ClientRequest put_of(const std::string& name, std::string_view extra = "") {
  return load::json_request("PUT", fmt::format("{}/{}", kUnits, name), unit_body(extra));
}

/// One server with its agents, and connections to fleet's API and to the cluster's own.
struct Cluster {
  const BenchServer& server;
  HollowAgents& agents;
  Connection& fleet;
  Connection& admin;
};

Result<DocumentPtr> get(const Cluster& cluster, const std::string& path) {
  TRY(const auto answer, cluster.fleet.ask({.target = path}));
  if (answer.status != 200) {
    return Error{Code::unavailable, fmt::format("GET {}: {}", path, answer.status)};
  }
  return Document::parse(answer.body);
}

/// A counter of the server's without labels.
Result<double> counter(const Cluster& cluster, std::string_view name) {
  TRY(const auto answer, cluster.admin.ask({.target = "/metrics"}));
  const auto mark = fmt::format("\n{} ", name);
  const auto at = answer.body.find(mark);
  if (at == std::string::npos) {
    return Error{Code::internal, fmt::format("there is no metric {}", name)};
  }
  double value = 0;
  std::from_chars(
      answer.body.data() + at + mark.size(), answer.body.data() + answer.body.size(), value);
  return value;
}

/// Until the scheduler has bound so many, by its own count.
Status wait_until_bound(const Cluster& cluster, double placements) {
  return wait_until(
      kAsking,
      [&] {
        const auto bound = counter(cluster, kPlacements);
        return bound.ok() && *bound >= placements;
      },
      "not every unit is bound");
}

/// Until there is no Unit that does not say where it is.
Status wait_until_told(const Cluster& cluster) {
  return wait_until(
      kAsking,
      [&] {
        const auto rest = cluster.admin.ask_api("GET", std::string(kUnplaced));
        return rest.ok() && (*rest)->root()["items"].size() == 0;
      },
      "not every unit says where it is");
}

struct Listing {
  std::size_t items = 0;
  double seconds = 0;
};

/// All pages of a list, one after the other.
Result<Listing> list_all(const Cluster& cluster,
                         const std::string& path,
                         const std::string& member) {
  const auto begun = system_clock().steady();
  Listing out;
  std::string token;
  do {
    const auto query = token.empty() ? "" : "?nextPageToken=" + token;
    TRY(const auto page, get(cluster, fmt::format("/fleet/v1/{}{}", path, query)));
    out.items += page->root()[member].size();
    token = page->root()["nextPageToken"].string();
  } while (!token.empty());
  out.seconds = seconds_since(begun);
  return out;
}

Status check_count(const Listing& listing, int wanted) {
  return listing.items == static_cast<std::size_t>(wanted)
             ? ok()
             : Status(Error{Code::internal,
                            fmt::format("{} are listed instead of {}", listing.items, wanted)});
}

/// From the request to the API's word that it is active.
Result<double> start_one(const Cluster& cluster, const std::string& name) {
  const auto begun = system_clock().steady();
  TRY(const auto put, cluster.fleet.ask(put_of(name)));
  if (put.status != 201) {
    return Error{Code::unavailable, fmt::format("PUT {}: {} {}", name, put.status, put.body)};
  }
  bool is_active = false;
  TRY_STATUS(wait_until(
      kSoon,
      [&] {
        const auto state = get(cluster, "/fleet/v1/state/" + name);
        is_active = state.ok() && (*state)->root()["systemdActiveState"].string() == "active";
        return is_active;
      },
      "a unit is not active"));
  return seconds_since(begun);
}

/// Each alone: how long it takes, and how many machines hear of it.
Result<Figures> start_singles(const Cluster& cluster) {
  std::vector<std::chrono::nanoseconds> times;
  int told = 0;
  for (int i = 0; i < kSingles; ++i) {
    std::this_thread::sleep_for(kQuiet);
    static_cast<void>(cluster.agents.take_told());  // of what came before
    TRY(const double took, start_one(cluster, fmt::format("single-{}.service", i)));
    times.push_back(std::chrono::nanoseconds(static_cast<std::int64_t>(took * 1e9)));
    std::this_thread::sleep_for(kQuiet);
    told += cluster.agents.take_told();
  }
  return Figures{{"ms from PUT to active, one hollow unit", load::percentile_ms(times, 0.5), "300"},
                 {"ms, the slowest of 20", load::percentile_ms(times, 1)},
                 {"machines that hear of one start", static_cast<double>(told) / kSingles, "1"}};
}

/// Seconds since the first request, until all units were that far.
struct Stages {
  double put = 0;
  double bound = 0;
  double told = 0;  ///< their Units say where they are
  double active = 0;
};

Result<Stages> run_stages(const Cluster& cluster, int count, const load::RequestOf& put_number) {
  TRY(auto puts, cluster.server.arguments("put"));
  puts.server = cluster.server.fleet_url();
  puts.connections = kConnections;
  puts.requests = count;
  const auto& counts = cluster.agents.counts();
  const int active = counts.active + count;
  TRY(const double bound, counter(cluster, kPlacements));
  const auto begun = system_clock().steady();
  async::IoPool pool(1);
  TRY(const auto report, load::run_requests(pool, puts, put_number));
  if (report.failures > 0) {
    return Error{Code::unavailable, report.first_failure};
  }
  Stages out;
  out.put = seconds_since(begun);
  TRY_STATUS(wait_until_bound(cluster, bound + count));
  out.bound = seconds_since(begun);
  TRY_STATUS(wait_until_told(cluster));
  out.told = seconds_since(begun);
  TRY_STATUS(wait_until(
      kSoon, [&] { return counts.active >= active; }, "not every unit is active"));
  out.active = seconds_since(begun);
  return out;
}

/// Many at once, by the clients of a busy hour.
Result<Figures> start_many(const Cluster& cluster,
                           int count,
                           const std::string& kind,
                           const load::RequestOf& put_number) {
  const double cpu = cluster.server.cpu_seconds();
  const auto own_cpu = load::cpu_time(::getpid());
  TRY(const double writes, counter(cluster, kWrites));
  TRY(const auto stages, run_stages(cluster, count, put_number));
  std::this_thread::sleep_for(kQuiet);
  const double spent = cluster.server.cpu_seconds() - cpu;
  const std::chrono::duration<double> own = load::cpu_time(::getpid()) - own_cpu;
  TRY(const double written, counter(cluster, kWrites));
  return Figures{{fmt::format("s until {} {} are put", count, kind), stages.put},
                 {"s until each is bound to its machine", stages.bound, "5"},
                 {"s until each Unit says where it is", stages.told, "5"},
                 {"s until all are said to be active", stages.active},
                 {"writes per unit, leases among them", (written - writes) / count},
                 {"us of server CPU per unit", spent * 1e6 / count},
                 {"us of CPU of its clients and agents per unit", own.count() * 1e6 / count}};
}

net::ClientRequest put_plain(int number) {
  return put_of(fmt::format("web@{}.service", number));
}

/// Of ten services, each at most once on a machine: the last of them have one machine left.
net::ClientRequest put_lone(int number) {
  const auto service = fmt::format("lone-{}", number % kUnitsEach);
  return put_of(
      fmt::format("{}@{}.service", service, number / kUnitsEach),
      fmt::format(R"(,{{"section":"X-Fleet","name":"Conflicts","value":"{}@*"}})", service));
}

Result<Figures> list_units(const Cluster& cluster, int count) {
  TRY(const auto units, list_all(cluster, "units", "units"));
  TRY_STATUS(check_count(units, count));
  TRY(const auto states, list_all(cluster, "state", "states"));
  TRY_STATUS(check_count(states, count));
  return Figures{{fmt::format("s, list of {} units in pages of 100", count), units.seconds, "1"},
                 {"s, the same of their states", states.seconds}};
}

double idle_cores(const Cluster& cluster) {
  std::this_thread::sleep_for(kSettled);
  const double before = cluster.server.cpu_seconds();
  std::this_thread::sleep_for(kMeasured);
  return (cluster.server.cpu_seconds() - before) / kMeasured.count();
}

void add(Figures& all, Figures more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

Result<Figures> measure_fleet(const BenchScale& scale) {
  const int units = scale.agents * kUnitsEach;
  TRY(const auto server, BenchServer::make("server"));
  TRY(const double start, server->start());
  static_cast<void>(start);
  TRY(const auto agents, join_hollow_agents(*server, scale.agents));
  TRY(const auto fleet, Connection::open({.url = server->fleet_url()}, nullptr));
  TRY(const auto admin, Connection::as_admin(server->data().string()));
  const Cluster cluster{*server, *agents, *fleet, *admin};
  std::this_thread::sleep_for(kSettled);  // all have heard of each other
  Figures out;
  TRY(auto singles, start_singles(cluster));
  add(out, std::move(singles));
  TRY(auto many, start_many(cluster, units, "units", put_plain));
  add(out, std::move(many));
  TRY(auto lists, list_units(cluster, units + kSingles));
  add(out, std::move(lists));
  out.push_back({fmt::format("% of a core, {} idle agents with them", scale.agents),
                 100 * idle_cores(cluster)});
  TRY(auto apart, start_many(cluster, units, "that conflict", put_lone));
  add(out, std::move(apart));
  return out;
}

}  // namespace tetrarch::app
