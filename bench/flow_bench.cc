// SPDX-License-Identifier: Apache-2.0
// What priority and fairness costs each request: finding its flow schema, a seat and its return.
#include <array>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "api/kubernetes/fairness.h"
#include "base/check.h"

namespace tetrarch::api::kubernetes {
namespace {

/// Further schemas that match nobody, before those that every cluster has.
FlowObjects objects_with(std::int64_t further) {
  auto out = first_flow_objects();
  for (std::int64_t i = 0; i < further; ++i) {
    const auto name = fmt::format("team-{}", i);
    out.schemas.push_back(
        {Key{"flowschemas.flowcontrol.apiserver.k8s.io", "", name},
         Revision{},
         Document::from_canonical(fmt::format(
             R"({{"metadata":{{"name":"{0}"}},"spec":{{"matchingPrecedence":{1},)"
             R"("priorityLevelConfiguration":{{"name":"workload-low"}},"rules":[{{"subjects":[)"
             R"({{"kind":"Group","group":{{"name":"{0}"}}}}],"resourceRules":[{{"verbs":["*"],)"
             R"("apiGroups":["*"],"resources":["*"],"namespaces":["*"]}}]}}]}}}})",
             name,
             10 + i))});
  }
  return out;
}

trust::Identity node() {
  return {.user = "system:node:n1", .groups = {"system:nodes", "system:authenticated"}};
}

trust::Identity account() {
  return {
      .user = "system:serviceaccount:shop:cart",
      .groups = {"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}};
}

/// The last schema but one in order: all others are looked at first.
trust::Identity person() {
  return {.user = "ann", .groups = {"developers", "system:authenticated"}};
}

void enter_and_leave(benchmark::State& state, const trust::Identity& identity) {
  Metrics metrics;
  Fairness fairness({}, metrics);
  fairness.configure(objects_with(state.range(0)));
  const FlowRequest asked{identity, "update", true, "", "pods", "status", "shop"};
  for (auto _ : state) {
    const auto flow = fairness.classify(asked);
    Fairness::Seat seat;
    CHECK(fairness.try_enter(flow, seat));
    benchmark::DoNotOptimize(seat);
  }
}

void serves_a_node(benchmark::State& state) {
  enter_and_leave(state, node());
}

void serves_a_service_account(benchmark::State& state) {
  enter_and_leave(state, account());
}

void serves_a_person(benchmark::State& state) {
  enter_and_leave(state, person());
}

void reads_changed_objects(benchmark::State& state) {
  Metrics metrics;
  Fairness fairness({}, metrics);
  const auto objects = objects_with(state.range(0));
  for (auto _ : state) {
    fairness.configure(objects);
  }
}

BENCHMARK(serves_a_node)->Arg(0)->Arg(50);
BENCHMARK(serves_a_service_account)->Arg(0)->Arg(50);
BENCHMARK(serves_a_person)->Arg(0)->Arg(50);
BENCHMARK(reads_changed_objects)->Arg(0)->Arg(50);

}  // namespace
}  // namespace tetrarch::api::kubernetes
