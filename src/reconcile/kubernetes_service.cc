// SPDX-License-Identifier: Apache-2.0
#include "reconcile/edit.h"
#include "reconcile/endpoint_packing.h"
#include "reconcile/sweeps.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

// Source: Kubernetes documentation, "Accessing the API from a Pod": names that every in-cluster
// client relies on.
constexpr std::string_view kNamespace = "default";
constexpr std::string_view kName = "kubernetes";
constexpr std::string_view kPortName = "https";
constexpr std::string_view kSkipMirror = "endpointslice.kubernetes.io/skip-mirror";
const Key kKey{"services", std::string(kNamespace), std::string(kName)};

Watching::Keys key_where_ours() {
  return [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
    const auto& key = change.any().key;
    const bool is_ours = key.ns == kNamespace && key.name == kName;
    if (is_ours || (key.resource == "namespaces" && key.name == kNamespace)) {
      keys.push_back(kKey);
    }
  };
}

class KubernetesService final : public Controller {
 public:
  explicit KubernetesService(ApiServerAddress address) : address_(std::move(address)) {}

  std::string_view name() const override { return "kubernetes-service"; }

  std::vector<Watching> watches() const override {
    return {{"namespaces", key_where_ours()},
            {"services", key_where_ours()},
            {"endpoints", key_where_ours()},
            {std::string(kSliceResource), key_where_ours()}};
  }

  std::vector<Key> first_keys() const override { return {kKey}; }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    if (asked.seen.get("namespaces", "", kNamespace) == nullptr) {
      return plan;
    }
    const auto ports =
        TreeArray{TreeObject{{"name", kPortName}, {"port", address_.port}, {"protocol", "TCP"}}};
    if (asked.seen.get(kKey) == nullptr) {
      plan.changes.push_back(creation("services", service()));
    }
    TreeObject endpoints = head("Endpoints", "v1", TreeObject{{kSkipMirror, "true"}});
    endpoints["subsets"] = TreeArray{
        TreeObject{{"addresses", TreeArray{TreeObject{{"ip", address_.ip}}}}, {"ports", ports}}};
    keep(asked.seen, "endpoints", endpoints, {"subsets"}, &plan);

    TreeObject slice =
        head("EndpointSlice", "discovery.k8s.io/v1", TreeObject{{kServiceName, kName}});
    slice["addressType"] = address_.ip.find(':') == std::string::npos ? "IPv4" : "IPv6";
    slice["endpoints"] = TreeArray{TreeObject{{"addresses", TreeArray{address_.ip}},
                                              {"conditions", TreeObject{{"ready", true}}}}};
    slice["ports"] = ports;
    keep(asked.seen, kSliceResource, slice, {"endpoints", "ports"}, &plan);
    return plan;
  }

 private:
  static TreeObject head(std::string_view kind, std::string_view api_version, TreeObject labels) {
    return TreeObject{
        {"kind", kind},
        {"apiVersion", api_version},
        {"metadata",
         TreeObject{{"name", kName}, {"namespace", kNamespace}, {"labels", std::move(labels)}}}};
  }

  static Change creation(std::string_view resource, const TreeObject& document) {
    Change change{.verb = Change::Verb::create,
                  .key = Key{std::string(resource), std::string(kNamespace), std::string(kName)}};
    change.document = object::to_document(document);
    return change;
  }

  TreeObject service() const {
    auto out =
        head("Service", "v1", TreeObject{{"component", "apiserver"}, {"provider", "kubernetes"}});
    out["spec"] = TreeObject{{"type", "ClusterIP"},
                             {"clusterIP", address_.service_ip},
                             {"clusterIPs", TreeArray{address_.service_ip}},
                             {"ports",
                              TreeArray{TreeObject{{"name", kPortName},
                                                   {"port", 443},
                                                   {"protocol", "TCP"},
                                                   {"targetPort", address_.port}}}}};
    return out;
  }

  static void keep(const Mirror& seen,
                   std::string_view resource,
                   const TreeObject& wanted,
                   std::initializer_list<std::string_view> members,
                   Plan* plan) {
    const auto* there = seen.get(resource, kNamespace, kName);
    if (there == nullptr) {
      plan->changes.push_back(creation(resource, wanted));
      return;
    }
    Edit edit(*there);
    for (const auto member : members) {
      edit.root()[member] = wanted.at(member);
    }
    auto document = edit.document();
    if (!same_meaning(there->root(), document->root())) {
      plan->changes.push_back(update_of(*there, std::move(document)));
    }
  }

  const ApiServerAddress address_;
};

}  // namespace

std::unique_ptr<Controller> kubernetes_service_controller(ApiServerAddress address) {
  return std::make_unique<KubernetesService>(std::move(address));
}

}  // namespace tetrarch::reconcile
