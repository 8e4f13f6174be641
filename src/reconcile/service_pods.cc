// SPDX-License-Identifier: Apache-2.0
#include "reconcile/service_pods.h"

#include "object/selector.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

std::int64_t named_port_in(views::ContainerView container,
                           std::string_view name,
                           std::string_view protocol) {
  for (const auto port : container.ports()) {
    const auto its = port.protocol().empty() ? std::string_view("TCP") : port.protocol();
    if (port.name() == name && its == protocol) {
      return port.container_port();
    }
  }
  return 0;
}

/// Of what runs while the pod does. Source: Kubernetes pkg/api/v1/pod, FindPort (1.35).
std::int64_t named_port(views::PodView pod, std::string_view name, std::string_view protocol) {
  for (const auto container : pod.spec().containers()) {
    if (const auto found = named_port_in(container, name, protocol); found != 0) {
      return found;
    }
  }
  for (const auto container : pod.spec().init_containers()) {
    const bool is_sidecar = container.restart_policy() == "Always";
    const auto found = is_sidecar ? named_port_in(container, name, protocol) : 0;
    if (found != 0) {
      return found;
    }
  }
  return 0;
}

std::int64_t target_port(views::ServicePortView port,
                         views::PodView pod,
                         std::string_view protocol) {
  const auto target = port.target_port();
  if (target.is_string()) {
    return named_port(pod, target.string(), protocol);
  }
  return target.integer() != 0 ? target.integer() : port.port();
}

/// Whether a change of the Pod can change what is published of it.
bool matters(const Observed& change) {
  if (change.before == nullptr || change.after == nullptr) {
    return true;
  }
  const auto before = change.before->root();
  const auto after = change.after->root();
  const auto differs = [&](std::string_view path) {
    return !before.find(path).same_as(after.find(path));
  };
  return differs("metadata.labels") || differs("metadata.deletionTimestamp") || differs("spec") ||
         differs("status.podIPs") || differs("status.podIP") || differs("status.phase") ||
         is_ready(views::PodView(before)) != is_ready(views::PodView(after));
}

}  // namespace

bool has_selector(views::ServiceView service) {
  return !service.spec().selector().empty() && service.spec().type() != "ExternalName";
}

bool is_headless(views::ServiceView service) {
  return service.spec().cluster_ip() == "None";
}

std::vector<ServicePod> pods_of_service(const Mirror& seen, const Stored& service) {
  std::vector<ServicePod> out;
  const views::ServiceView view(service.root());
  const auto selector = object::LabelSelector::from_map(view.spec().selector().view());
  for (const auto* stored : seen.list("pods", service.key.ns)) {
    const views::PodView pod(stored->root());
    if (pod.status().pod_ip().empty() || is_finished(pod) ||
        !selector.matches(pod.metadata().labels().view())) {
      continue;
    }
    ServicePod each{.stored = stored,
                    .pod = pod,
                    .is_serving = is_ready(pod),
                    .is_terminating = is_terminating(*stored)};
    each.is_ready =
        view.spec().publish_not_ready_addresses() || (each.is_serving && !each.is_terminating);
    out.push_back(each);
  }
  return out;
}

TreeArray ports_of_pod(views::ServiceView service, views::PodView pod) {
  TreeArray out;
  for (const auto port : service.spec().ports()) {
    const auto protocol = port.protocol().empty() ? std::string_view("TCP") : port.protocol();
    const auto number = target_port(port, pod, protocol);
    if (number == 0) {
      continue;
    }
    TreeObject each{{"name", port.name()}, {"port", number}, {"protocol", protocol}};
    if (!port.app_protocol().empty()) {
      each["appProtocol"] = port.app_protocol();
    }
    out.push_back(std::move(each));
  }
  return out;
}

std::string_view address_of(views::PodView pod, std::string_view family) {
  const auto is_of_family = [&](std::string_view ip) {
    return (ip.find(':') != std::string_view::npos) == (family == "IPv6");
  };
  for (const auto each : pod.status().pod_ips()) {
    if (is_of_family(each.ip())) {
      return each.ip();
    }
  }
  return is_of_family(pod.status().pod_ip()) ? pod.status().pod_ip() : std::string_view();
}

Watching::Keys keys_of_selecting_services() {
  return [](const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
    if (!matters(change)) {
      return;
    }
    for (const auto* service : seen.list("services", change.any().key.ns)) {
      const views::ServiceView view(service->root());
      if (!has_selector(view)) {
        continue;
      }
      const auto selector = object::LabelSelector::from_map(view.spec().selector().view());
      const auto matches = [&](const Stored* pod) {
        return pod != nullptr && selector.matches(pod->metadata()["labels"]);
      };
      if (matches(change.before) || matches(change.after)) {
        keys.push_back(service->key);
      }
    }
  };
}

}  // namespace tetrarch::reconcile
