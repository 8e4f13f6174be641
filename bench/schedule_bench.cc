// SPDX-License-Identifier: Apache-2.0
// Placement decisions in process: nodes by the thousand, pods of one class and of twenty, with and
// without topology spread; and pods for which others must go, on a full cluster. Figures and
// commands: docs/performance.md.
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
                             fmt::format(R"({{"metadata":{{"name":"{0}","labels":
        {{"kubernetes.io/hostname":"{0}","zone":"z{1}"}}}},
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

/// Each pod is placed once; then all of them are taken off again.
void place_in_turn(benchmark::State& state, Cluster& cluster, const std::vector<Stored>& pods) {
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

/// Pods are made before the clock runs.
void place_all(benchmark::State& state, std::int64_t sorts, std::string_view more) {
  Cluster cluster;
  add_nodes(cluster, state.range(0));
  std::vector<Stored> pods;
  for (std::int64_t i = 0; i < 20'000; ++i) {
    pods.push_back(a_pod(i, i % sorts, more));
  }
  place_in_turn(state, cluster, pods);
}

/// Ten services of fleet's units with Conflicts=: of each one on every node, as the last of them
/// must.
void place_apart(benchmark::State& state) {
  Cluster cluster;
  add_nodes(cluster, state.range(0));
  std::vector<Stored> pods;
  for (std::int64_t i = 0; i < 10 * state.range(0); ++i) {
    pods.push_back(make("pods",
                        "default",
                        fmt::format("pod-{}", i),
                        fmt::format(R"({{"metadata":{{"name":"pod-{0}","namespace":"default",
        "uid":"pod-{0}","labels":{{"app-{1}":""}}}},"spec":{{"runtimeClassName":"systemd",
        "containers":[{{"name":"unit"}}],"affinity":{{"podAntiAffinity":
        {{"requiredDuringSchedulingIgnoredDuringExecution":[{{"labelSelector":
        {{"matchExpressions":[{{"key":"app-{1}","operator":"Exists"}}]}},
        "topologyKey":"kubernetes.io/hostname"}}]}}}}}}}})",
                                    i,
                                    i % 10)));
  }
  place_in_turn(state, cluster, pods);
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

/// Twenty classes with everything that makes a decision dear: node affinity, taints tolerated, and
/// a spread over zones that all of them count in.
void place_twenty_choosy(benchmark::State& state) {
  place_all(state, 20, R"(,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone",
    "whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"a"}}}],
    "tolerations":[{"key":"k","operator":"Exists"}],"affinity":{"nodeAffinity":
    {"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":
    [{"key":"zone","operator":"In","values":["z0","z1","z2"]}]}]}}})");
}

/// Every node is full with ten pods; each time one of them makes room for a more important one,
/// which then goes away again.
void make_room(benchmark::State& state, std::string_view more) {
  Cluster cluster;
  add_nodes(cluster, state.range(0));
  const auto job = [](const std::string& name, std::string_view rest) {
    return make("pods",
                "default",
                name,
                fmt::format(R"({{"metadata":{{"name":"{0}","namespace":"default","uid":"{0}",
        "labels":{{"app":"a"}}}},"spec":{{"containers":[{{"name":"c","resources":
        {{"requests":{{"cpu":"6400m"}}}}}}]{1}}}}})",
                            name,
                            rest));
  };
  for (std::int64_t i = 0; i < 10 * state.range(0); ++i) {
    cluster.upsert_pod(
        job(fmt::format("low-{}", i), fmt::format(R"(,"nodeName":"node-{}")", i / 10)));
  }
  const auto pod = job("high", fmt::format(R"(,"priority":1000{})", more));
  for (auto _ : state) {
    benchmark::DoNotOptimize(cluster.place(pod).is_placed());
    const auto room = cluster.make_room(pod);
    cluster.remove_pod(pod.uid());
    for (const auto& victim : room.victims) {
      cluster.spare(victim);
    }
  }
  state.SetItemsProcessed(state.iterations());
}

void make_room_plain(benchmark::State& state) {
  make_room(state, "");
}

void make_room_spread(benchmark::State& state) {
  make_room(state, R"(,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone",
    "whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"a"}}}])");
}

BENCHMARK(make_room_plain)->Arg(100)->Arg(5'000);
BENCHMARK(make_room_spread)->Arg(100)->Arg(5'000);
BENCHMARK(place_plain)->Arg(5'000)->Arg(50'000);
BENCHMARK(place_twenty_classes)->Arg(5'000);
BENCHMARK(place_spread)->Arg(5'000);
BENCHMARK(place_apart)->Arg(1'000);
BENCHMARK(place_twenty_choosy)->Arg(5'000)->Arg(50'000);

}  // namespace
}  // namespace tetrarch::schedule
