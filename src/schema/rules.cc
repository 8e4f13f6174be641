// SPDX-License-Identifier: Apache-2.0
#include "schema/rules.h"

#include <algorithm>
#include <array>

namespace tetrarch::schema {

namespace {

struct TypeRule {
  std::string_view group;
  std::string_view type;
  Rule rule;
};

constexpr auto kRules = std::to_array<TypeRule>({
    {"apiregistration", "APIService", check_api_service},
    {"apiregistration", "APIServiceCondition", check_api_service_condition},
    {"apps", "DaemonSet", check_daemon_set},
    {"apps", "Deployment", check_deployment},
    {"apps", "ReplicaSet", check_replica_set},
    {"apps", "StatefulSet", check_stateful_set},
    {"batch", "CronJob", check_cron_job},
    {"batch", "Job", check_job},
    {"batch", "JobSpec", check_job_spec},
    {"batch", "JobTemplateSpec", check_job_template},
    {"core", "ConfigMap", check_config_map},
    {"core", "Container", check_container},
    {"core", "EphemeralContainer", check_container},
    {"core", "EndpointSubset", check_endpoint_subset},
    {"core", "EnvVar", check_env_var},
    {"core", "Event", check_core_event},
    {"core", "LifecycleHandler", check_lifecycle_handler},
    {"core", "LimitRange", check_limit_range},
    {"core", "NodeSelectorRequirement", check_node_requirement},
    {"core", "Pod", check_pod},
    {"core", "PodResourceClaim", check_pod_resource_claim},
    {"core", "PodSpec", check_pod_spec},
    {"core", "PodTemplateSpec", check_pod_template},
    {"core", "Probe", check_probe},
    {"core", "ReplicationController", check_replication_controller},
    {"core", "ResourceQuota", check_resource_quota},
    {"core", "ResourceRequirements", check_resources},
    {"core", "SeccompProfile", check_seccomp_profile},
    {"core", "Secret", check_secret},
    {"core", "SecurityContext", check_security_context},
    {"core", "Service", check_service},
    {"core", "Toleration", check_toleration},
    {"core", "Volume", check_volume},
    {"discovery", "EndpointSlice", check_endpoint_slice},
    {"flowcontrol", "FlowSchema", check_flow_schema},
    {"flowcontrol", "NonResourcePolicyRule", check_flow_path_rule},
    {"flowcontrol", "PolicyRulesWithSubjects", check_flow_rules},
    {"flowcontrol", "PriorityLevelConfiguration", check_priority_level},
    {"flowcontrol", "QueuingConfiguration", check_queuing},
    {"flowcontrol", "ResourcePolicyRule", check_flow_resource_rule},
    {"flowcontrol", "Subject", check_flow_subject},
    {"meta", "LabelSelectorRequirement", check_label_requirement},
    {"networking", "HTTPIngressPath", check_ingress_path},
    {"networking", "IPBlock", check_ip_block},
    {"networking", "Ingress", check_ingress},
    {"networking", "IngressBackend", check_ingress_backend},
    {"networking", "IngressClassParametersReference", check_ingress_class_parameters},
    {"networking", "IngressClassSpec", check_ingress_class_spec},
    {"networking", "IngressLoadBalancerIngress", check_ingress_address},
    {"networking", "IngressRule", check_ingress_rule},
    {"networking", "IngressSpec", check_ingress_spec},
    {"networking", "NetworkPolicyPeer", check_network_policy_peer},
    {"networking", "NetworkPolicyPort", check_network_policy_port},
    {"networking", "NetworkPolicySpec", check_network_policy_spec},
    {"networking", "ServiceCIDR", check_service_cidr},
    {"policy", "PodDisruptionBudget", check_disruption_budget},
    {"rbac", "ClusterRole", check_cluster_role},
    {"rbac", "ClusterRoleBinding", check_cluster_role_binding},
    {"rbac", "Role", check_role},
    {"rbac", "RoleBinding", check_role_binding},
    {"resource", "Device", check_device},
    {"resource", "DeviceAllocationConfiguration", check_device_config},
    {"resource", "DeviceClaim", check_device_claim},
    {"resource", "DeviceClaimConfiguration", check_device_config},
    {"resource", "DeviceClassConfiguration", check_device_config},
    {"resource", "DeviceClassSpec", check_device_class_spec},
    {"resource", "DeviceConstraint", check_device_constraint},
    {"resource", "DeviceRequest", check_device_request},
    {"resource", "DeviceSelector", check_device_selector},
    {"resource", "DeviceSubRequest", check_device_amount},
    {"resource", "ExactDeviceRequest", check_device_amount},
    {"resource", "ResourceClaimStatus", check_resource_claim_status},
    {"resource", "ResourceSliceSpec", check_resource_slice_spec},
    {"scheduling", "PriorityClass", check_priority_class},
    {"storage", "StorageClass", check_storage_class},
    {"storage", "TopologySelectorTerm", check_topology_term},
});

}  // namespace

Rule find_rule(std::string_view group, std::string_view type_name) {
  const auto at = std::find_if(kRules.begin(), kRules.end(), [&](const TypeRule& each) {
    return each.type == type_name && each.group == group;
  });
  return at == kRules.end() ? nullptr : at->rule;
}

}  // namespace tetrarch::schema
