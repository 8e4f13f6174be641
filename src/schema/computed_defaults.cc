// SPDX-License-Identifier: Apache-2.0
// Source for all: the defaulting that Kubernetes documents per field in its v1 API reference, and
// Seen: kube-apiserver 1.31 answering dry-run creates.
#include "schema/computed_defaults.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "object/writer.h"

namespace tetrarch::schema {

namespace {

std::string json_text(std::string_view text) {
  std::string out;
  object::Writer{out}.string(text);
  return out;
}

/// An image without a tag, or tagged latest, is pulled always; one with another tag or a digest is
/// not.
std::string pull_policy_of(std::string_view image) {
  if (image.find('@') != image.npos) {
    return json_text("IfNotPresent");
  }
  const auto slash = image.rfind('/');
  const auto colon = image.find(':', slash == image.npos ? 0 : slash);
  const bool is_latest = colon == image.npos || image.substr(colon + 1) == "latest";
  return json_text(is_latest ? "Always" : "IfNotPresent");
}

std::string image_pull_policy(const Siblings& container) {
  return pull_policy_of(container.string("image"));
}

std::string volume_pull_policy(const Siblings& volume) {
  return pull_policy_of(volume.string("reference"));
}

/// A pod on the host's network listens on the node itself. Only for pods themselves.
/// Source: Kubernetes pkg/apis/core/v1, SetDefaults_Pod (1.35, without the feature
/// DefaultHostNetworkHostPortsInPodTemplates).
std::string default_host_port(const Siblings& port) {
  if (port.root_type().name != "Pod") {
    return {};
  }
  std::int64_t given = 0;
  const auto* host_port = port.element("hostPort");
  if (host_port != nullptr &&
      (host_port->get_int64().get(given) != simdjson::SUCCESS || given != 0)) {
    return {};
  }
  const auto pod_spec = port.around("PodSpec");
  const auto* container_port = port.element("containerPort");
  if (pod_spec.empty() || !pod_spec[0].is_true("hostNetwork") || container_port == nullptr) {
    return {};
  }
  std::int64_t number = 0;
  if (container_port->get_int64().get(number) != simdjson::SUCCESS || number == 0) {
    return {};
  }
  return std::to_string(number);
}

/// A volume that names no source is an empty directory.
std::string empty_dir(const Siblings& volume) {
  return volume.has_other_than("name") ? "" : "{}";
}

/// The deprecated name of serviceAccountName, kept equal to it.
std::string service_account(const Siblings& pod_spec) {
  const auto name = pod_spec.string("serviceAccountName");
  return name.empty() ? "" : json_text(name);
}

std::string service_account_name(const Siblings& pod_spec) {
  const auto name = pod_spec.string("serviceAccount");
  return name.empty() ? "" : json_text(name);
}

/// Only for pods themselves: a template keeps what its author wrote.
std::string enable_service_links(const Siblings& pod_spec) {
  return pod_spec.root_type().name == "Pod" ? "true" : "";
}

std::string rolling_update(const Siblings& strategy) {
  const auto type = strategy.string("type");
  return type.empty() || type == "RollingUpdate" ? "{}" : "";
}

std::string target_port(const Siblings& port) {
  const auto* number = port.element("port");
  std::int64_t value = 0;
  if (number == nullptr || number->get_int64().get(value) != simdjson::SUCCESS) {
    return {};
  }
  return std::to_string(value);
}

bool has_elements(const Element* list) {
  simdjson::dom::array elements;
  return list != nullptr && list->get_array().get(elements) == simdjson::SUCCESS &&
         elements.size() > 0;
}

/// Source: Kubernetes pkg/api/service, ExternallyAccessible (1.35).
bool is_outside_service(const Siblings& spec) {
  const auto type = spec.string("type");
  const bool is_inner = type.empty() || type == "ClusterIP";
  return type == "NodePort" || type == "LoadBalancer" ||
         (is_inner && has_elements(spec.element("externalIPs")));
}

std::string internal_traffic(const Siblings& spec) {
  return spec.string("type") == "ExternalName" ? "" : json_text("Cluster");
}

std::string external_traffic(const Siblings& spec) {
  return is_outside_service(spec) ? json_text("Cluster") : "";
}

std::string load_balancer_node_ports(const Siblings& spec) {
  return spec.string("type") == "LoadBalancer" ? "true" : "";
}

std::string affinity_config(const Siblings& spec) {
  return spec.string("sessionAffinity") == "ClientIP" ? R"({"clientIP":{"timeoutSeconds":10800}})"
                                                      : "";
}

std::string subject_group(const Siblings& subject) {
  const auto kind = subject.string("kind");
  return kind == "User" || kind == "Group" ? json_text("rbac.authorization.k8s.io") : "";
}

/// Missing requests are the limits; only in pods themselves.
void requests(const Siblings& resources, MapEntries& entries) {
  const auto* limits = resources.element("limits");
  if (limits == nullptr || resources.root_type().name != "Pod") {
    return;
  }
  simdjson::dom::object members;
  if (limits->get_object().get(members) != simdjson::SUCCESS) {
    return;
  }
  for (const auto member : members) {
    std::string_view text;
    std::string value;
    if (member.value.get_string().get(text) == simdjson::SUCCESS) {
      value = json_text(text);
    } else {
      value = json_text(simdjson::minify(member.value));
    }
    entries.emplace(std::string{member.key}, value);
  }
}

/// A Secret's stringData goes into data, and wins over it.
void string_data(const Siblings& secret, MapEntries& entries) {
  const auto* given = secret.element("stringData");
  simdjson::dom::object members;
  if (given == nullptr || given->get_object().get(members) != simdjson::SUCCESS) {
    return;
  }
  for (const auto member : members) {
    std::string_view text;
    if (member.value.get_string().get(text) == simdjson::SUCCESS) {
      entries.insert_or_assign(std::string{member.key}, json_text(base64_encode(text)));
    }
  }
}

/// The labels of a workload's own pod template.
void add_template_labels(const Siblings& object, MapEntries& entries) {
  const auto* spec = object.element("spec");
  simdjson::dom::object labels;
  if (spec == nullptr ||
      spec->at_pointer("/template/metadata/labels").get_object().get(labels) != simdjson::SUCCESS) {
    return;
  }
  for (const auto label : labels) {
    std::string_view text;
    if (label.value.get_string().get(text) == simdjson::SUCCESS) {
      entries.emplace(std::string{label.key}, json_text(text));
    }
  }
}

/// Every namespace carries its name as a label; jobs and replication controllers that have none
/// get those of their pods.
void labels(const Siblings& metadata, MapEntries& entries) {
  if (!metadata.is_top_member()) {
    return;
  }
  const auto& type = metadata.root_type();
  const auto name = metadata.string("name");
  if (type.name == "Namespace" && !name.empty()) {
    entries.insert_or_assign("kubernetes.io/metadata.name", json_text(name));
  } else if (entries.empty() && (type.name == "ReplicationController" || type.name == "Job")) {
    add_template_labels(metadata.root(), entries);
  }
}

void replication_selector(const Siblings& spec, MapEntries& entries) {
  if (entries.empty()) {
    add_template_labels(spec.root(), entries);
  }
}

/// A job has defaults; a job template of a cron job keeps what its author wrote.
std::string of_job(const Siblings& spec, std::string json) {
  return spec.root_type().name == "Job" ? std::move(json) : std::string();
}

std::string job_backoff_limit(const Siblings& spec) {
  return of_job(spec, spec.has("backoffLimitPerIndex") ? "2147483647" : "6");
}

/// One pod, where nothing is said of how many.
std::string job_completions(const Siblings& spec) {
  return of_job(spec, spec.has("parallelism") ? "" : "1");
}

std::string job_completion_mode(const Siblings& spec) {
  return of_job(spec, json_text("NonIndexed"));
}

std::string job_no(const Siblings& spec) {
  return of_job(spec, "false");
}

std::string job_parallelism(const Siblings& spec) {
  return of_job(spec, "1");
}

std::string job_replacement_policy(const Siblings& spec) {
  return of_job(spec, json_text(spec.has("podFailurePolicy") ? "Failed" : "TerminatingOrFailed"));
}

/// One device, where not all are asked for.
std::string device_count(const Siblings& request) {
  return request.string("allocationMode") == "All" ? "" : "1";
}

/// A policy is about what pods receive, and about what they send where it says something of that.
std::string policy_types(const Siblings& spec) {
  return has_elements(spec.element("egress")) ? R"(["Ingress","Egress"])" : R"(["Ingress"])";
}

constexpr auto kComputed = std::to_array<Computed>({
    {"@affinity-config", affinity_config},
    {"@device-count", device_count},
    {"@empty-dir", empty_dir},
    {"@enable-service-links", enable_service_links},
    {"@external-traffic", external_traffic},
    {"@host-port", default_host_port, nullptr, true},
    {"@image-pull-policy", image_pull_policy},
    {"@internal-traffic", internal_traffic},
    {"@job-backoff-limit", job_backoff_limit},
    {"@job-completion-mode", job_completion_mode},
    {"@job-completions", job_completions},
    {"@job-manual-selector", job_no},
    {"@job-parallelism", job_parallelism},
    {"@job-replacement-policy", job_replacement_policy},
    {"@job-suspend", job_no},
    {"@labels", nullptr, labels},
    {"@load-balancer-node-ports", load_balancer_node_ports},
    {"@policy-types", policy_types},
    {"@replication-selector", nullptr, replication_selector},
    {"@requests", nullptr, requests},
    {"@rolling-update", rolling_update},
    {"@service-account", service_account, nullptr, true},
    {"@service-account-name", service_account_name},
    {"@string-data", nullptr, string_data, false, true},
    {"@subject-group", subject_group},
    {"@target-port", target_port},
    {"@volume-pull-policy", volume_pull_policy},
});

}  // namespace

const Computed* find_computed(std::string_view name) {
  const auto at = std::find_if(kComputed.begin(), kComputed.end(), [&](const Computed& computed) {
    return computed.name == name;
  });
  return at == kComputed.end() ? nullptr : &*at;
}

}  // namespace tetrarch::schema
