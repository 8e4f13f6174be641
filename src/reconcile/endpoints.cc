// SPDX-License-Identifier: Apache-2.0
#include "reconcile/endpoints.h"

#include <algorithm>

#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/service_pods.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kHeadless = "service.kubernetes.io/headless";
// Source: Kubernetes 1.33 release notes: label on Endpoints that the control plane writes.
constexpr std::string_view kManagedByUs = "endpoints.kubernetes.io/managed-by";
constexpr std::string_view kUs = "endpoint-controller";
// Source: Kubernetes documentation, "Service", "Over-capacity endpoints".
constexpr std::size_t kAddressesMost = 1000;
constexpr std::string_view kOverCapacity = "endpoints.kubernetes.io/over-capacity";

struct Subset {
  TreeArray ports;
  TreeArray ready;
  TreeArray not_ready;
};

TreeObject address_entry(const Stored& service, const ServicePod& pod, std::string_view ip) {
  TreeObject out{{"ip", ip},
                 {"targetRef",
                  TreeObject{{"kind", "Pod"},
                             {"namespace", pod.stored->key.ns},
                             {"name", pod.stored->key.name},
                             {"uid", pod.stored->uid()}}}};
  if (!pod.pod.spec().node_name().empty()) {
    out["nodeName"] = pod.pod.spec().node_name();
  }
  if (!pod.pod.spec().hostname().empty() && pod.pod.spec().subdomain() == service.key.name) {
    out["hostname"] = pod.pod.spec().hostname();
  }
  return out;
}

/// A Pod behind the service, with what is published of it.
struct Published {
  ServicePod pod;
  std::string_view ip;
  TreeArray ports;
};

std::vector<Published> published(const Mirror& seen, const Stored& service) {
  const views::ServiceView view(service.root());
  const auto families = view.spec().ip_families();
  const std::string family(families.empty() ? "IPv4" : families.at(0));
  std::vector<Published> out;
  for (const auto& pod : pods_of_service(seen, service)) {
    const auto ip = address_of(pod.pod, family);
    auto ports = ports_of_pod(view, pod.pod);
    const bool is_ending = pod.is_terminating && !view.spec().publish_not_ready_addresses();
    if (ip.empty() || is_ending || (ports.empty() && !view.spec().ports().empty())) {
      continue;
    }
    out.push_back({.pod = pod, .ip = ip, .ports = std::move(ports)});
  }
  return out;
}

/// Drops what is too many; those that answer stay before those that do not.
bool truncate(std::vector<Published>* pods) {
  if (pods->size() <= kAddressesMost) {
    return false;
  }
  const auto ready = static_cast<std::size_t>(std::count_if(
      pods->begin(), pods->end(), [](const auto& each) { return each.pod.is_ready; }));
  auto ready_left = std::min(ready, kAddressesMost);
  auto others_left = kAddressesMost - ready_left;
  std::erase_if(*pods, [&](const Published& each) {
    auto& left = each.pod.is_ready ? ready_left : others_left;
    if (left == 0) {
      return true;
    }
    --left;
    return false;
  });
  return true;
}

std::vector<Subset> subsets_of(const Mirror& seen, const Stored& service, bool* is_truncated) {
  auto pods = published(seen, service);
  *is_truncated = truncate(&pods);
  std::vector<Subset> subsets;
  for (auto& each : pods) {
    auto subset = std::find_if(subsets.begin(), subsets.end(), [&](const auto& known) {
      return known.ports == each.ports;
    });
    if (subset == subsets.end()) {
      subsets.push_back({.ports = std::move(each.ports), .ready = {}, .not_ready = {}});
      subset = subsets.end() - 1;
    }
    (each.pod.is_ready ? subset->ready : subset->not_ready)
        .push_back(address_entry(service, each.pod, each.ip));
  }
  return subsets;
}

TreeArray to_array(std::vector<Subset> subsets) {
  TreeArray out;
  for (auto& each : subsets) {
    TreeObject subset;
    if (!each.ready.empty()) {
      subset["addresses"] = std::move(each.ready);
    }
    if (!each.not_ready.empty()) {
      subset["notReadyAddresses"] = std::move(each.not_ready);
    }
    if (!each.ports.empty()) {
      subset["ports"] = std::move(each.ports);
    }
    out.push_back(std::move(subset));
  }
  return out;
}

TreeObject labels_of(const Stored& service) {
  TreeObject labels;
  for (const auto [key, value] : views::ServiceView(service.root()).metadata().labels()) {
    labels[key] = value;
  }
  if (is_headless(views::ServiceView(service.root()))) {
    labels[kHeadless] = "";
  }
  labels[kManagedByUs] = kUs;
  return labels;
}

Plan create(const Stored& service, TreeArray subsets, bool is_truncated) {
  TreeObject metadata{
      {"name", service.key.name}, {"namespace", service.key.ns}, {"labels", labels_of(service)}};
  if (is_truncated) {
    metadata["annotations"] = TreeObject{{kOverCapacity, "truncated"}};
  }
  const TreeObject document{{"kind", "Endpoints"},
                            {"apiVersion", "v1"},
                            {"metadata", std::move(metadata)},
                            {"subsets", std::move(subsets)}};
  Change change{.verb = Change::Verb::create,
                .key = Key{"endpoints", service.key.ns, service.key.name}};
  change.document = object::to_document(document);
  Plan plan;
  plan.changes.push_back(std::move(change));
  return plan;
}

class EndpointsController final : public Controller {
 public:
  std::string_view name() const override { return "endpoints"; }

  std::vector<Watching> watches() const override {
    return {{"services", own_key()},
            {"pods", keys_of_selecting_services()},
            {"endpoints", [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               keys.push_back(Key{"services", change.any().key.ns, change.any().key.name});
             }}};
  }

  Plan reconcile(const Question& asked) const override {
    const auto* service = asked.seen.get(asked.key);
    const auto* there = asked.seen.get("endpoints", asked.key.ns, asked.key.name);
    Plan plan;
    if (service == nullptr || is_terminating(*service)) {
      const bool is_ours =
          there != nullptr && there->metadata()["labels"][kManagedByUs].string() == kUs;
      if (is_ours && !is_terminating(*there)) {
        plan.changes.push_back(removal_of(*there));
      }
      return plan;
    }
    if (!has_selector(views::ServiceView(service->root()))) {
      return plan;
    }
    bool is_truncated = false;
    auto subsets = to_array(subsets_of(asked.seen, *service, &is_truncated));
    if (there == nullptr) {
      return create(*service, std::move(subsets), is_truncated);
    }
    Edit edit(*there);
    edit.metadata()["labels"] = labels_of(*service);
    auto& annotations = Edit::object_in(edit.metadata(), "annotations");
    if (is_truncated) {
      annotations[kOverCapacity] = "truncated";
    } else {
      annotations.erase(kOverCapacity);
    }
    edit.root()["subsets"] = std::move(subsets);
    auto document = edit.document();
    if (!same_meaning(there->root(), document->root())) {
      plan.changes.push_back(update_of(*there, std::move(document)));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> endpoints_controller() {
  return std::make_unique<EndpointsController>();
}

}  // namespace tetrarch::reconcile
