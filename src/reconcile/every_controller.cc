// SPDX-License-Identifier: Apache-2.0
#include "reconcile/every_controller.h"

#include <algorithm>

#include <fmt/format.h>

#include "reconcile/api_services.h"
#include "reconcile/daemonset.h"
#include "reconcile/deployment.h"
#include "reconcile/disruption_budget.h"
#include "reconcile/endpoints.h"
#include "reconcile/endpointslice.h"
#include "reconcile/fleet_unit.h"
#include "reconcile/garbage_collection.h"
#include "reconcile/image_store.h"
#include "reconcile/job.h"
#include "reconcile/namespace_lifecycle.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/node_route.h"
#include "reconcile/replicaset.h"
#include "reconcile/resource_quota.h"
#include "reconcile/statefulset.h"
#include "reconcile/sweeps.h"

namespace tetrarch::reconcile {

namespace {

bool has_verb(const schema::Kind& kind, std::string_view verb) {
  return std::find(kind.verbs.begin(), kind.verbs.end(), verb) != kind.verbs.end();
}

std::vector<std::string> namespaced_resources(const schema::Catalog& catalog) {
  std::vector<std::string> out;
  for (const auto& kind : catalog.kinds()) {
    if (kind->is_namespaced && kind->is_storage_version && has_verb(*kind, "list") &&
        has_verb(*kind, "delete")) {
      out.push_back(kind->resource);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

KindLookup lookup_in(const schema::Catalog& catalog) {
  return [&catalog](std::string_view api_version, std::string_view kind) -> KindPlace {
    const auto slash = api_version.find('/');
    const bool is_core = slash == std::string_view::npos;
    const auto* found = catalog.find(is_core ? "" : api_version.substr(0, slash),
                                     is_core ? api_version : api_version.substr(slash + 1),
                                     kind);
    if (found == nullptr) {
      return {};
    }
    return {.resource = found->resource, .is_namespaced = found->is_namespaced};
  };
}

Result<TimeZone> only_utc(std::string_view name) {
  if (name == "UTC" || name == "Etc/UTC") {
    return TimeZone();
  }
  return Error(Code::not_found, fmt::format("unknown time zone {}", name));
}

}  // namespace

std::vector<std::unique_ptr<Controller>> every_controller(const schema::Catalog& catalog,
                                                          const ClusterSettings& settings) {
  std::vector<std::unique_ptr<Controller>> out;
  out.push_back(namespace_defaults_controller(settings.ca_pem, settings.authentication));
  out.push_back(deployment_controller());
  out.push_back(replicaset_controller());
  out.push_back(replication_controller());
  out.push_back(daemonset_controller());
  out.push_back(statefulset_controller());
  out.push_back(job_controller());
  out.push_back(ttl_after_finished_controller());
  out.push_back(cronjob_controller(settings.time_zones ? settings.time_zones : only_utc));
  out.push_back(disruption_budget_controller());
  out.push_back(flow_control_controller(settings.kept_flows));
  out.push_back(api_services_controller(settings.local_api_services));
  out.push_back(endpointslice_controller());
  out.push_back(endpoints_controller());
  out.push_back(endpoints_mirroring_controller());
  out.push_back(resource_quota_controller());
  out.push_back(namespace_lifecycle_controller(namespaced_resources(catalog)));
  out.push_back(garbage_collection_controller(lookup_in(catalog)));
  out.push_back(node_health_controller(settings.node_grace));
  out.push_back(node_route_controller());
  out.push_back(node_disruption_controller(settings.node_grace));
  out.push_back(taint_eviction_controller(settings.node_grace));
  out.push_back(pod_sweep_controller(settings.terminated_pods_max, settings.node_grace));
  out.push_back(event_expiry_controller(settings.event_ttl));
  out.push_back(signing_request_expiry_controller());
  out.push_back(service_ranges_controller());
  out.push_back(image_store_controller(settings.images));
  out.push_back(fleet_unit_controller());
  out.push_back(fleet_unit_state_controller());
  out.push_back(fleet_machine_controller());
  if (auto cidrs = node_cidr_controller(settings.pod_cidr, settings.node_cidr_bits)) {
    out.push_back(std::move(cidrs));
  }
  if (!settings.advertise_address.empty()) {
    out.push_back(kubernetes_service_controller({.ip = settings.advertise_address,
                                                 .port = settings.advertise_port,
                                                 .service_ip = settings.kubernetes_service_ip}));
  }
  return out;
}

}  // namespace tetrarch::reconcile
