// SPDX-License-Identifier: Apache-2.0
// What every request does to an object: read, index, look inside, print, patch.
#include <benchmark/benchmark.h>

#include "object/document.h"
#include "object/merge_patch.h"
#include "object/quantity.h"
#include "object/selector.h"
#include "object/tree.h"

namespace tetrarch::object {
namespace {

/// A pod as a kubelet sees it, about 2.2 KB.
constexpr std::string_view kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"hello-7c9d8f6b5-x2x4z","generateName":"hello-7c9d8f6b5-",)"
    R"("namespace":"default","uid":"0c0b1d5e-6a0f-4f6e-9b51-0d7c2a6f7f11","creationTimestamp":"2026-11-23T06:13:56Z",)"
    R"("labels":{"app":"hello","pod-template-hash":"7c9d8f6b5","tier":"front"},"ownerReferences":[{"apiVersion":)"
    R"("apps/v1","kind":"ReplicaSet","name":"hello-7c9d8f6b5","uid":"5f9a1f0e-7f55-4bb0-8f43-7e9b6f6d8a10",)"
    R"("controller":true,"blockOwnerDeletion":true}]},"spec":{"volumes":[{"name":"kube-api-access-9s8d7",)"
    R"("projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":)"
    R"({"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":)"
    R"("namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}],)"
    R"("containers":[{"name":"hello","image":"localhost/hello:1","ports":[{"containerPort":8080,"protocol":"TCP"}],)"
    R"("env":[{"name":"GREETING","value":"hello"},{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1",)"
    R"("fieldPath":"metadata.name"}}}],"resources":{"limits":{"memory":"64Mi"},"requests":{"cpu":"10m","memory":)"
    R"("32Mi"}},"volumeMounts":[{"name":"kube-api-access-9s8d7","readOnly":true,"mountPath":)"
    R"("/var/run/secrets/kubernetes.io/serviceaccount"}],"readinessProbe":{"httpGet":{"path":"/","port":8080,)"
    R"("scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},)"
    R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":)"
    R"("IfNotPresent"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst",)"
    R"("serviceAccountName":"default","serviceAccount":"default","nodeName":"node-1","securityContext":{},)"
    R"("schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists",)"
    R"("effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":)"
    R"("PreemptLowerPriority"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True",)"
    R"("lastProbeTime":null,"lastTransitionTime":"2026-11-23T06:14:01Z"}],"hostIP":"10.0.0.1","podIP":"10.42.0.17"}})";

void parses_canonical_pod(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Document::parse(kPod));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kPod.size()));
}

BENCHMARK(parses_canonical_pod);

void parses_pod_with_blanks(benchmark::State& state) {
  std::string json(kPod);
  json.insert(1, " ");
  for (auto _ : state) {
    benchmark::DoNotOptimize(Document::parse(json));
  }
}

BENCHMARK(parses_pod_with_blanks);

void indexes_pod(benchmark::State& state) {
  for (auto _ : state) {
    const Document document{std::string(kPod)};
    benchmark::DoNotOptimize(document.metadata_offset());
  }
}

BENCHMARK(indexes_pod);

void finds_member_of_pod(benchmark::State& state) {
  const auto document = *Document::parse(kPod);
  for (auto _ : state) {
    benchmark::DoNotOptimize(document->root().find("spec.nodeName").string());
  }
}

BENCHMARK(finds_member_of_pod);

void turns_pod_into_tree_and_back(benchmark::State& state) {
  const auto document = *Document::parse(kPod);
  for (auto _ : state) {
    benchmark::DoNotOptimize(to_document(to_tree(document->root())));
  }
}

BENCHMARK(turns_pod_into_tree_and_back);

void merge_patches_pod(benchmark::State& state) {
  const auto document = *Document::parse(kPod);
  const auto patch = *Document::parse(R"({"status":{"phase":"Succeeded"}})");
  for (auto _ : state) {
    Tree tree = to_tree(document->root());
    benchmark::DoNotOptimize(apply_merge_patch(tree, patch->root()));
    benchmark::DoNotOptimize(to_document(tree));
  }
}

BENCHMARK(merge_patches_pod);

void reads_quantity(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Quantity::parse("1536Mi")->value());
  }
}

BENCHMARK(reads_quantity);

void matches_selector(benchmark::State& state) {
  const auto document = *Document::parse(kPod);
  const auto selector = *LabelSelector::parse("app=hello,tier in (front,back),!canary");
  const auto labels = document->root().find("metadata.labels");
  for (auto _ : state) {
    benchmark::DoNotOptimize(selector.matches(labels));
  }
}

BENCHMARK(matches_selector);

}  // namespace
}  // namespace tetrarch::object
