// SPDX-License-Identifier: Apache-2.0
// Every controller there is, made with the cluster's settings. Called by control's
// ControllerManager.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reconcile/controller.h"
#include "reconcile/cronjob.h"
#include "reconcile/flow_control.h"
#include "reconcile/image_store.h"
#include "schema/catalog.h"

namespace tetrarch::reconcile {

struct ClusterSettings {
  std::string ca_pem;             ///< what pods find in kube-root-ca.crt; empty: none is published
  std::string advertise_address;  ///< behind the `kubernetes` service; empty: it is left alone
  int advertise_port = 6443;
  std::string kubernetes_service_ip = "10.43.0.1";
  std::string pod_cidr = "10.42.0.0/16";  ///< empty: nodes get no pod CIDR from us
  int node_cidr_bits = 24;
  // Source: kube-controller-manager flags node-monitor-grace-period (40 s until 1.31),
  // terminated-pod-gc-threshold, and kube-apiserver flag event-ttl: defaults.
  std::chrono::seconds node_grace{40};
  std::size_t terminated_pods_max = 12'500;
  std::chrono::seconds event_ttl{3600};
  std::vector<KeptFlow> kept_flows;  ///< flow schemas and priority levels that must not get lost
  ImageStoreSettings images;         ///< of the cluster's image registry
  std::vector<DocumentPtr> local_api_services = {};  ///< of all that is served here
  /// What other API servers know ours and its users by; empty: it is not told.
  std::map<std::string, std::string> authentication = {};
  ZoneLookup time_zones;  ///< for schedules of CronJobs; empty: there is only UTC
};

std::vector<std::unique_ptr<Controller>> every_controller(const schema::Catalog& catalog,
                                                          const ClusterSettings& settings);

}  // namespace tetrarch::reconcile
