// SPDX-License-Identifier: Apache-2.0
// The table from resource to strategy, and what a kind without a line gets.
#include <algorithm>
#include <array>
#include <utility>

#include "registry/strategy.h"

namespace tetrarch::registry {

namespace {

struct Row {
  std::string_view resource;
  Strategy (*make)();
};

constexpr auto kRows = std::to_array<Row>({
    {"pods", &pods_strategy},
    {"services", &services_strategy},
    {"endpoints", &endpoints_strategy},
    {"endpointslices.discovery.k8s.io", &endpoint_slices_strategy},
    {"namespaces", &namespaces_strategy},
    {"nodes", &nodes_strategy},
    {"secrets", &secrets_strategy},
    {"resourcequotas", &resource_quotas_strategy},
    {"limitranges", &limit_ranges_strategy},
    {"events", &events_strategy},
    {"deployments.apps", &deployments_strategy},
    {"replicasets.apps", &replica_sets_strategy},
    {"controllerrevisions.apps", &controller_revisions_strategy},
    {"daemonsets.apps", &daemon_sets_strategy},
    {"replicationcontrollers", &replication_controllers_strategy},
    {"jobs.batch", &jobs_strategy},
    {"cronjobs.batch", &cron_jobs_strategy},
    {"leases.coordination.k8s.io", &leases_strategy},
    {"poddisruptionbudgets.policy", &disruption_budgets_strategy},
    {"certificatesigningrequests.certificates.k8s.io", &signing_requests_strategy},
    {"flowschemas.flowcontrol.apiserver.k8s.io", &flow_schemas_strategy},
    {"prioritylevelconfigurations.flowcontrol.apiserver.k8s.io", &priority_levels_strategy},
    {"ingressclasses.networking.k8s.io", &ingress_classes_strategy},
    {"ingresses.networking.k8s.io", &ingresses_strategy},
    {"networkpolicies.networking.k8s.io", &network_policies_strategy},
    {"ipaddresses.networking.k8s.io", &ip_addresses_strategy},
    {"servicecidrs.networking.k8s.io", &service_cidrs_strategy},
    {"deviceclasses.resource.k8s.io", &device_classes_strategy},
    {"resourceslices.resource.k8s.io", &resource_slices_strategy},
    {"apiservices.apiregistration.k8s.io", &api_services_strategy},
    {"roles.rbac.authorization.k8s.io", &roles_strategy},
    {"clusterroles.rbac.authorization.k8s.io", &roles_strategy},
    {"rolebindings.rbac.authorization.k8s.io", &role_bindings_strategy},
    {"clusterrolebindings.rbac.authorization.k8s.io", &role_bindings_strategy},
    {"runtimeclasses.node.k8s.io", &runtime_classes_strategy},
    {"priorityclasses.scheduling.k8s.io", &priority_classes_strategy},
    {"units.fleet.tetrarch.dev", &units_strategy},
    {"unitstates.fleet.tetrarch.dev", &unit_states_strategy},
});

bool has_subresource(const schema::Kind& kind, std::string_view name) {
  return std::find(kind.subresources.begin(), kind.subresources.end(), name) !=
         kind.subresources.end();
}

}  // namespace

Strategy strategy_for(const schema::Kind& kind) {
  Strategy out;
  const auto row = std::find_if(
      kRows.begin(), kRows.end(), [&](const Row& each) { return each.resource == kind.resource; });
  if (row != kRows.end()) {
    out = row->make();
  } else {
    // Source: Kubernetes API conventions, "metadata.generation": kinds with a spec and a status
    // count it.
    out.counts_generation =
        has_subresource(kind, "status") && kind.type != nullptr && kind.type->field("spec");
  }
  out.has_status = out.has_status || has_subresource(kind, "status");
  return out;
}

}  // namespace tetrarch::registry
