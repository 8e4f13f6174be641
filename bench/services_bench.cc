// SPDX-License-Identifier: Apache-2.0
// What a changed endpoint of one service costs an agent, among so many: working out the batch, and
// nftables taking it. Needs root: it makes a network namespace for itself.
#include <sched.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "agent/network/affinity.h"
#include "agent/network/client_map.h"
#include "agent/network/nft.h"
#include "agent/network/service_samples.h"
#include "base/check.h"

namespace tetrarch::agent::network {
namespace {

constexpr std::string_view kTwo = R"({"addresses":["10.42.0.5"]},{"addresses":["10.42.1.6"]})";
constexpr std::string_view kThree =
    R"({"addresses":["10.42.0.5"]},{"addresses":["10.42.1.6"]},{"addresses":["10.42.1.7"]})";
constexpr std::string_view kPlain;
constexpr std::string_view kSticking = R"(,"sessionAffinity":"ClientIP")";

void run(Nft& nft, const std::string& batch) {
  const auto done = nft.run(batch);
  CHECK(done.ok());
}

void enter_namespace() {
  static const int done = ::unshare(CLONE_NEWNET);
  CHECK(done == 0);
}

/// As the agent does: the batch, and, where an endpoint went, a look for clients of it.
void apply(Nft& nft, ServiceTable& table, ServiceRules& rules, std::string_view endpoints) {
  static ClientReader reader;
  table.apply({slice("s5", std::string(endpoints))}, false);
  rules.update(table, table.take_touched());
  run(nft, rules.take_change());
  for (const auto& protocol : rules.parted()) {
    const auto clients = reader.read("t", protocol);
    CHECK(clients.ok());
    for (const auto& batch :
         forget_clients("t", protocol, stray_clients(rules, protocol, *clients))) {
      run(nft, batch);
    }
  }
  rules.clear_parted();
}

void change_an_endpoint(benchmark::State& state, std::string_view extra) {
  enter_namespace();
  Nft nft;
  auto table = many_services(static_cast<int>(state.range(0)), extra, std::string(kTwo));
  table.apply({slice("s6", std::string(kThree))}, false);  // so there are some with three
  ServiceRules rules(an_nft());
  rules.update(table, table.take_touched());
  run(nft, rules.take_whole());
  bool is_more = false;
  for (auto _ : state) {
    is_more = !is_more;
    apply(nft, table, rules, is_more ? kThree : kTwo);
  }
}

BENCHMARK_CAPTURE(change_an_endpoint, plain, kPlain)->Arg(10)->Arg(1000)->Arg(5000);
BENCHMARK_CAPTURE(change_an_endpoint, sticking, kSticking)->Arg(10)->Arg(1000)->Arg(5000);

/// One client of many is led to an endpoint that goes.
void find_stray_clients(benchmark::State& state) {
  enter_namespace();
  Nft nft;
  auto table = many_services(10, kSticking, std::string(kTwo));
  ServiceRules rules(an_nft());
  rules.update(table, table.take_touched());
  HeldClients held;
  std::vector<StickyClient> clients;
  for (std::uint32_t i = 0; i < state.range(0); ++i) {
    constexpr std::uint32_t kFirst = 0x0b000000;
    clients.push_back(
        {kFirst + i, *parse_ipv4("10.43.1.5"), 80, *parse_ipv4("10.42.0.5"), 8080, 9000});
  }
  held.hold({{"tcp", std::move(clients)}}, {});
  const auto whole = rules.take_whole();
  run(nft, whole);
  for (const auto& batch : held.put_back("t", whole, {})) {
    run(nft, batch);
  }
  ClientReader reader;
  for (auto _ : state) {
    const auto read = reader.read("t", "tcp");
    CHECK(read.ok() && read->size() == static_cast<std::size_t>(state.range(0)));
    benchmark::DoNotOptimize(stray_clients(rules, "tcp", *read));
  }
}

BENCHMARK(find_stray_clients)->Arg(0)->Arg(1000)->Arg(100000);

}  // namespace
}  // namespace tetrarch::agent::network
