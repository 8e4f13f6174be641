// SPDX-License-Identifier: Apache-2.0
#include "sim/wanted.h"

#include <fmt/format.h>

namespace tetrarch::sim {
namespace {

/// A node that is away for longer loses its pods.
std::string tolerations(int seconds) {
  std::string out;
  for (const auto* key : {"not-ready", "unreachable"}) {
    out += fmt::format(
        R"({}{{"key":"node.kubernetes.io/{}","operator":"Exists","effect":"NoExecute","tolerationSeconds":{}}})",
        out.empty() ? "" : ",",
        key,
        seconds);
  }
  return out;
}

std::string template_json(const App& app) {
  const auto number = static_cast<int>(app.name.back() - '0');
  const auto port =
      app.host_port == 0
          ? std::string()
          : fmt::format(R"("ports":[{{"containerPort":80,"hostPort":{}}}],)", app.host_port);
  const auto where =
      app.zone.empty()
          ? std::string()
          : fmt::format(R"("nodeSelector":{{"topology.kubernetes.io/zone":"{}"}},)", app.zone);
  return fmt::format(
      R"({{"metadata":{{"labels":{{"app":"{0}"}}}},"spec":{{{1}"terminationGracePeriodSeconds":5,)"
      R"("tolerations":[{2}],"containers":[{{"name":"c","image":"{3}",{4}"resources":{{"requests":)"
      R"({{"cpu":"{5}m","memory":"{6}Mi"}}}}}}]}}}})",
      app.name,
      where,
      tolerations(5 + number * 4),
      app.image(),
      port,
      100 + number * 250,
      128 * (1 + number % 4));
}

std::string metadata(const std::string& name) {
  return fmt::format(R"("metadata":{{"name":"{}","namespace":"{}","labels":{{"app":"{}"}}}})",
                     name,
                     kNamespace,
                     name);
}

}  // namespace

Key App::key() const {
  constexpr const char* kResources[] = {"deployments.apps", "statefulsets.apps", "daemonsets.apps"};
  return {kResources[static_cast<int>(kind)], kNamespace, name};
}

std::string App::image() const {
  return fmt::format("example.org/{}:v{}", name, version);
}

std::string workload_json(const App& app) {
  constexpr const char* kKinds[] = {"Deployment", "StatefulSet", "DaemonSet"};
  std::string more;
  if (app.kind != App::Kind::daemon) {
    more += fmt::format(R"("replicas":{},)", app.replicas);
  }
  if (app.kind == App::Kind::stateful) {
    more += fmt::format(R"("serviceName":"{}",)", app.name);
  }
  return fmt::format(R"({{"kind":"{}","apiVersion":"apps/v1",{},"spec":{{{}"selector":)"
                     R"({{"matchLabels":{{"app":"{}"}}}},"template":{}}}}})",
                     kKinds[static_cast<int>(app.kind)],
                     metadata(app.name),
                     more,
                     app.name,
                     template_json(app));
}

std::string service_json(const App& app) {
  return fmt::format(R"({{"kind":"Service","apiVersion":"v1",{},"spec":{{"type":"{}","selector":)"
                     R"({{"app":"{}"}},"ports":[{{"port":80,"targetPort":80}}]}}}})",
                     metadata(app.name),
                     app.has_node_port ? "NodePort" : "ClusterIP",
                     app.name);
}

std::string budget_json(const App& app) {
  return fmt::format(R"({{"kind":"PodDisruptionBudget","apiVersion":"policy/v1",{},"spec":)"
                     R"({{"maxUnavailable":1,"selector":{{"matchLabels":{{"app":"{}"}}}}}}}})",
                     metadata(app.name),
                     app.name);
}

std::string job_json(const std::string& name, Chance& chance) {
  const auto parallel = chance.between(1, 6);
  return fmt::format(
      R"({{"kind":"Job","apiVersion":"batch/v1",{},"spec":{{"parallelism":{},"completions":{},)"
      R"("backoffLimit":1000,"template":{{"metadata":{{"annotations":)"
      R"({{"sim.tetrarch.dev/runs-for":"{}"}}}},"spec":{{"restartPolicy":"{}","tolerations":[{}],)"
      R"("terminationGracePeriodSeconds":5,"containers":[{{"name":"c","image":"job","resources":)"
      R"({{"requests":{{"cpu":"200m","memory":"64Mi"}}}}}}]}}}}}}}})",
      metadata(name),
      parallel,
      parallel * chance.between(1, 3),
      chance.between(1, 12),
      chance.one_in(2) ? "Never" : "OnFailure",
      tolerations(10));
}

std::string pod_json(const std::string& name) {
  return fmt::format(
      R"({{"kind":"Pod","apiVersion":"v1",{},"spec":{{"tolerations":[{}],)"
      R"("terminationGracePeriodSeconds":5,"containers":[{{"name":"c","image":"pod",)"
      R"("resources":{{"requests":{{"cpu":"50m","memory":"32Mi"}}}}}}]}}}})",
      metadata(name),
      tolerations(20));
}

}  // namespace tetrarch::sim
