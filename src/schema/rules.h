// SPDX-License-Identifier: Apache-2.0
// Validation rules that a table cannot say, by the type they are about. The walk over the tables
// calls them wherever a value of that type is: a PodSpec's rule holds for pods and for templates
// alike. Internal to the room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schema/problems.h"

namespace tetrarch::schema {

/// Of a pod that shows what a node runs from a file of its own.
inline constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";

using Rule = void (*)(Problems& problems, const Site& site);

/// nullptr: the type has no rule of its own. Types are named as in the tables, without their
/// package.
Rule find_rule(std::string_view group, std::string_view type_name);

// validate_selector.cc
void check_label_requirement(Problems& problems, const Site& site);
void check_node_requirement(Problems& problems, const Site& site);
void check_toleration(Problems& problems, const Site& site);
// validate_container.cc
void check_container(Problems& problems, const Site& site);
void check_env_var(Problems& problems, const Site& site);
void check_probe(Problems& problems, const Site& site);
void check_lifecycle_handler(Problems& problems, const Site& site);
void check_resources(Problems& problems, const Site& site);
// validate_volume.cc
void check_volume(Problems& problems, const Site& site);
// validate_pod.cc
void check_pod_spec(Problems& problems, const Site& site);
// validate_security.cc
void check_security_context(Problems& problems, const Site& site);
void check_seccomp_profile(Problems& problems, const Site& site);
/// Of a PodSpec: what needs namespaces of its own.
void check_sysctls(Problems& problems, const Site& spec);
// validate_ephemeral.cc
/// Of a PodSpec: what containers that are added later may not have.
void check_ephemeral_containers(Problems& problems, const Site& spec);
void check_pod_template(Problems& problems, const Site& site);
/// Of a Pod that gets further ones.
void check_ephemeral_update(Problems& problems, const Site& pod);
// validate_resize.cc
/// Of a Pod whose containers get other amounts.
void check_resize(Problems& problems, const Site& pod);
void check_resize_policy(Problems& problems,
                         const std::string& path,
                         object::View policies,
                         std::string_view restart_policy);
// validate_pod_update.cc
void check_pod(Problems& problems, const Site& site);
// validate_workload.cc
void check_deployment(Problems& problems, const Site& site);
void check_replica_set(Problems& problems, const Site& site);
void check_replication_controller(Problems& problems, const Site& site);
void check_daemon_set(Problems& problems, const Site& site);
void check_stateful_set(Problems& problems, const Site& site);
// validate_job.cc
void check_job(Problems& problems, const Site& site);
void check_job_spec(Problems& problems, const Site& site);
void check_job_template(Problems& problems, const Site& site);
// validate_job_policy.cc
void check_pod_failure_policy(Problems& problems, const Site& job_spec);
void check_success_policy(Problems& problems, const Site& job_spec);
// validate_cron_job.cc
void check_cron_job(Problems& problems, const Site& site);
// validate_policy.cc
void check_disruption_budget(Problems& problems, const Site& site);
// validate_flow.cc
void check_flow_schema(Problems& problems, const Site& site);
void check_flow_rules(Problems& problems, const Site& site);
void check_flow_subject(Problems& problems, const Site& site);
void check_flow_resource_rule(Problems& problems, const Site& site);
void check_flow_path_rule(Problems& problems, const Site& site);
/// Of both kinds: their status.
void check_flow_conditions(Problems& problems, const Site& site);
// validate_priority_level.cc
void check_priority_level(Problems& problems, const Site& site);
void check_queuing(Problems& problems, const Site& site);
// validate_quota.cc
void check_resource_quota(Problems& problems, const Site& site);
void check_limit_range(Problems& problems, const Site& site);
// validate_service.cc
void check_service(Problems& problems, const Site& site);
// validate_config.cc
void check_config_map(Problems& problems, const Site& site);
void check_secret(Problems& problems, const Site& site);
// validate_rbac.cc
void check_role(Problems& problems, const Site& site);
void check_cluster_role(Problems& problems, const Site& site);
void check_role_binding(Problems& problems, const Site& site);
void check_cluster_role_binding(Problems& problems, const Site& site);
// validate_endpoints.cc
void check_endpoint_subset(Problems& problems, const Site& site);
void check_endpoint_slice(Problems& problems, const Site& site);
// validate_ingress.cc
void check_ingress(Problems& problems, const Site& site);
void check_ingress_spec(Problems& problems, const Site& site);
void check_ingress_rule(Problems& problems, const Site& site);
void check_ingress_path(Problems& problems, const Site& site);
void check_ingress_backend(Problems& problems, const Site& site);
void check_ingress_address(Problems& problems, const Site& site);
void check_ingress_class_spec(Problems& problems, const Site& site);
void check_ingress_class_parameters(Problems& problems, const Site& site);
// validate_network.cc
void check_network_policy_spec(Problems& problems, const Site& site);
void check_network_policy_port(Problems& problems, const Site& site);
void check_network_policy_peer(Problems& problems, const Site& site);
void check_ip_block(Problems& problems, const Site& site);
void check_service_cidr(Problems& problems, const Site& site);
// validate_storage.cc
void check_storage_class(Problems& problems, const Site& site);
void check_topology_term(Problems& problems, const Site& site);
// validate_devices.cc
void check_device_claim(Problems& problems, const Site& site);
void check_device_request(Problems& problems, const Site& site);
/// Of a request for devices of a class: how many.
void check_device_amount(Problems& problems, const Site& site);
void check_device_class_spec(Problems& problems, const Site& site);
void check_device_selector(Problems& problems, const Site& site);
void check_device_config(Problems& problems, const Site& site);
void check_device_constraint(Problems& problems, const Site& site);
void check_device(Problems& problems, const Site& site);
void check_resource_slice_spec(Problems& problems, const Site& site);
void check_resource_claim_status(Problems& problems, const Site& site);
/// Of a Pod: the claim, or what it is to be made from.
void check_pod_resource_claim(Problems& problems, const Site& site);
// validate_registration.cc
void check_api_service(Problems& problems, const Site& site);
void check_api_service_condition(Problems& problems, const Site& site);
// validate_cluster.cc
void check_core_event(Problems& problems, const Site& site);
void check_priority_class(Problems& problems, const Site& site);

}  // namespace tetrarch::schema
