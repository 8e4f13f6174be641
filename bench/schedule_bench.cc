// SPDX-License-Identifier: Apache-2.0
// Placement decisions in process: nodes by the thousand, pods of one class and of twenty, with and
// without topology spread. Figures and commands: docs/performance.md.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "schedule/cluster.h"

namespace tetrarch::schedule {
namespace {

Stored make(std::string resource, std::string ns, std::string name, const std::string& json) {
  return {
      {std::move(resource), std::move(ns), std::move(name)}, Revision{1}, *Document::parse(json)};
}

void add_nodes(Cluster& cluster, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto name = fmt::format("node-{}", i);
    cluster.upsert_node(make("nodes",
                             "",
                             name,
                             fmt::format(R"({{"metadata":{{"name":"{}","labels":{{"zone":"z{}"}}}},
        "status":{{"allocatable":{{"cpu":"64","memory":"256Gi","pods":"1000000"}}}}}})",
                                         name,
                                         i % 3)));
  }
}

Stored a_pod(std::int64_t number, std::int64_t sort, std::string_view more) {
  const auto name = fmt::format("pod-{}", number);
  return make("pods",
              "default",
              name,
              fmt::format(R"({{"metadata":{{"name":"{0}","namespace":"default","uid":"{0}",
        "labels":{{"app":"a"}}}},"spec":{{"containers":[{{"name":"c","resources":
        {{"requests":{{"cpu":"1m","memory":"{1}Ki"}}}}}}]{2}}}}})",
                          name,
                          1 + sort,
                          more));
}

/// Pods are made before the clock runs; each is placed once and then taken off again, all but the
/// last 1,000.
void place_all(benchmark::State& state, std::int64_t sorts, std::string_view more) {
  Cluster cluster;
  add_nodes(cluster, state.range(0));
  std::vector<Stored> pods;
  for (std::int64_t i = 0; i < 20'000; ++i) {
    pods.push_back(a_pod(i, i % sorts, more));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const Stored& pod = pods[next];
    benchmark::DoNotOptimize(cluster.place(pod).is_placed());
    if (++next == pods.size()) {
      state.PauseTiming();
      for (const Stored& placed : pods) {
        cluster.remove_pod(placed.uid());
      }
      next = 0;
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(state.iterations());
}

void place_plain(benchmark::State& state) {
  place_all(state, 1, "");
}

void place_twenty_classes(benchmark::State& state) {
  place_all(state, 20, "");
}

void place_spread(benchmark::State& state) {
  place_all(state, 1, R"(,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone",
    "whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"a"}}}])");
}

BENCHMARK(place_plain)->Arg(5'000)->Arg(50'000);
BENCHMARK(place_twenty_classes)->Arg(5'000);
BENCHMARK(place_spread)->Arg(5'000);

}  // namespace
}  // namespace tetrarch::schedule
