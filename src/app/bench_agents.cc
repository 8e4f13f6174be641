// SPDX-License-Identifier: Apache-2.0
// `tetrarch bench agents`: what a cluster of many machines costs its server.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "app/bench_parts.h"
#include "app/bench_server.h"
#include "app/connect.h"
#include "app/hollow_agents.h"
#include "app/machine.h"
#include "base/clock.h"

namespace tetrarch::app {
namespace {

using std::chrono::seconds;

constexpr int kPodsEach = 30;
constexpr int kDeployments = 30;
constexpr seconds kSettled{60};   // a server gives back what its start alone needed after 20 s
constexpr seconds kMeasured{60};  // six renewals of every lease
constexpr Waiting kLong{seconds(1200), seconds(1)};

std::string deployment_body(int number, int replicas) {
  return fmt::format(
      R"({{"kind":"Deployment","apiVersion":"apps/v1","metadata":{{"name":"web-{0}"}},)"
      R"("spec":{{"replicas":{1},"selector":{{"matchLabels":{{"app":"web-{0}"}}}},)"
      R"("template":{{"metadata":{{"labels":{{"app":"web-{0}"}}}},)"
      R"("spec":{{"containers":[{{"name":"main","image":"tetrarch.test/load:1",)"
      R"("resources":{{"requests":{{"cpu":"10m","memory":"16Mi"}}}}}}]}}}}}}}})",
      number,
      replicas);
}

Status make_pods(const BenchServer& server, int count) {
  TRY(const auto admin, Connection::as_admin(server.data().string()));
  for (int i = 0; i < kDeployments; ++i) {
    TRY(const auto made,
        admin->ask_api("POST",
                       "/apis/apps/v1/namespaces/default/deployments",
                       deployment_body(i, count / kDeployments)));
    static_cast<void>(made);
  }
  return ok();
}

/// What watches may resume from is bounded, but full of what it took to come here: as after a
/// restart, which every agent must find its way back from.
Status start_again(BenchServer& server, const HollowAgents& agents) {
  server.stop();
  TRY(const double took, server.start());
  static_cast<void>(took);
  TRY_STATUS(wait_until(
      kLong, [&] { return agents.are_connected(); }, "not every agent is back"));
  std::this_thread::sleep_for(kSettled);
  return ok();
}

}  // namespace

Result<std::unique_ptr<HollowAgents>> join_hollow_agents(const BenchServer& server, int count) {
  TRY(const auto settings, server.arguments("create"));
  const auto token_file = server.data() / "join-token";  // made when the server is ready
  TRY_STATUS(wait_until(
      kLong, [&] { return std::filesystem::exists(token_file); }, "no token"));
  TRY(auto token, read_file(token_file.string()));
  token.erase(token.find_last_not_of('\n') + 1);
  return HollowAgents::make(
      {count, settings.server, token, server.data().parent_path() / "agents"});
}

Result<std::vector<Figure>> measure_agents(const BenchScale& scale) {
  const int pods = scale.agents * kPodsEach;
  TRY(const auto server, BenchServer::make("server"));
  TRY(const double start, server->start());
  static_cast<void>(start);
  TRY(const auto agents, join_hollow_agents(*server, scale.agents));
  const double joined = server->resident_mb();
  TRY_STATUS(make_pods(*server, pods));
  const auto begun = system_clock().steady();
  TRY_STATUS(wait_until(
      kLong, [&] { return agents->counts().running >= pods; }, "not every pod runs"));
  const std::chrono::duration<double> took = system_clock().steady() - begun;
  const double full = server->resident_mb();
  TRY_STATUS(start_again(*server, *agents));
  const double before = server->cpu_seconds();
  std::this_thread::sleep_for(kMeasured);
  const double spent = server->cpu_seconds() - before;
  return std::vector<Figure>{
      {fmt::format("% of a core, {} idle agents, {} pods", scale.agents, pods),
       100 * spent / kMeasured.count(),
       "3"},
      {"MB resident with them", server->resident_mb(), "150"},
      {"MB resident before, with a full history", full},
      {"MB resident with the agents alone", joined},
      {"s until they run", took.count()}};
}

}  // namespace tetrarch::app
