// SPDX-License-Identifier: Apache-2.0
// What managedFields cost: a create, a status update, an apply that changes one field.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "object/managed_fields.h"
#include "schema/decode.h"
#include "schema/ownership.h"

namespace tetrarch::schema {
namespace {

using object::ManagedEntries;
using object::View;

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin();
  CHECK(loaded.ok());
  return **loaded;
}

const Kind& pod() {
  return *catalog().find("", "v1", "Pod");
}

std::string pod_json(std::string_view image, std::string_view status) {
  return R"({"metadata":{"name":"hello-7c9d8f6b5-x2x4z","namespace":"default","labels":{"app":"hello","tier":)"
         R"("front"},"annotations":{"a.example/b":"c"}},"spec":{"containers":[{"name":"hello","image":")" +
         std::string(image) +
         R"(","ports":[{"containerPort":8080}],"env":[{"name":"GREETING","value":"hello"},{"name":"POD_NAME",)"
         R"("valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"resources":{"limits":{"memory":"64Mi"},)"
         R"("requests":{"cpu":"10m","memory":"32Mi"}},"readinessProbe":{"httpGet":{"path":"/","port":8080}}}],)"
         R"("nodeName":"node-1","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":)"
         R"("NoExecute","tolerationSeconds":300}]},"status":{)" +
         std::string(status) + "}}";
}

DocumentPtr read(const std::string& json) {
  auto decoded = decode(pod(), json, Unknown::refuse);
  CHECK(decoded.ok());
  decoded->document->root();
  return decoded->document;
}

std::string status_json(int restarts) {
  return R"("phase":"Running","podIP":"10.42.0.17","podIPs":[{"ip":"10.42.0.17"}],"hostIP":"10.0.0.1",)"
         R"("conditions":[{"type":"Ready","status":"True"},{"type":"Initialized","status":"True"}],)"
         R"("containerStatuses":[{"name":"hello","ready":true,"restartCount":)" +
         std::to_string(restarts) + R"(,"image":"i","imageID":"i","started":true}])";
}

void names_creator_of_pod(benchmark::State& state) {
  const auto document = read(pod_json("hello:1", ""));
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto ignored = ignored_fields(pod(), "", true);
    const OwnedChange change{catalog(), pod(), View(), document->root(), ignored};
    const auto managed = print_creator(change, {"bench", "", "2026-11-28T00:00:00Z"});
    bytes = managed.size();
    benchmark::DoNotOptimize(managed);
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}

BENCHMARK(names_creator_of_pod);

void updates_status_of_tracked_pod(benchmark::State& state) {
  const auto before = read(pod_json("hello:1", ""));
  const auto old = read(pod_json("hello:1", status_json(1)));
  const auto fresh = read(pod_json("hello:1", status_json(2)));
  const auto main = ignored_fields(pod(), "", true);
  const auto ignored = ignored_fields(pod(), "status", true);
  ManagedEntries entries;
  own_update(entries, {catalog(), pod(), View(), before->root(), main}, {"kubectl", "", "t"});
  own_update(
      entries, {catalog(), pod(), before->root(), old->root(), ignored}, {"agent", "status", "t"});
  const auto list = Document::from_canonical(object::print_managed(entries));
  for (auto _ : state) {
    auto now = object::stored_managed(list->root());
    own_update(
        now, {catalog(), pod(), old->root(), fresh->root(), ignored}, {"agent", "status", "u"});
    benchmark::DoNotOptimize(object::print_managed(std::move(now)));
  }
}

BENCHMARK(updates_status_of_tracked_pod);

void applies_pod_with_another_image(benchmark::State& state) {
  const auto ignored = ignored_fields(pod(), "", true);
  const auto given = [](std::string_view image) {
    return decode_as_given(pod(), pod_json(image, ""), Unknown::refuse)->document;
  };
  const auto first = given("hello:1");
  const auto second = given("hello:2");
  ManagedEntries entries;
  const auto made = own_apply(
      entries, {catalog(), pod(), View(), first->root(), ignored}, {"kubectl", "", "t"}, {});
  CHECK(made.ok());
  const auto live = read((*made)->bytes());
  const auto list = Document::from_canonical(object::print_managed(entries));
  for (auto _ : state) {
    auto now = object::stored_managed(list->root());
    const auto merged = own_apply(
        now, {catalog(), pod(), live->root(), second->root(), ignored}, {"kubectl", "", "u"}, {});
    CHECK(merged.ok());
    benchmark::DoNotOptimize(object::print_managed(std::move(now)));
  }
}

BENCHMARK(applies_pod_with_another_image);

}  // namespace
}  // namespace tetrarch::schema
