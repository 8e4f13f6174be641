// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <vector>

#include "reconcile/edit.h"
#include "reconcile/namespace_lifecycle.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeObject;

constexpr std::string_view kAccount = "default";
constexpr std::string_view kRootCa = "kube-root-ca.crt";
constexpr std::string_view kCaFile = "ca.crt";
// Source: kube-controller-manager, root CA publisher.
constexpr std::string_view kDescription = "kubernetes.io/description";
constexpr std::string_view kCaDescription =
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters.";

// Source: Kubernetes documentation, "Configure the Aggregation Layer".
constexpr std::string_view kAuthentication = "extension-apiserver-authentication";
constexpr std::string_view kAuthenticationPlace = "kube-system";

/// A ConfigMap that is kept.
struct PublishedMap {
  std::string_view name;
  std::map<std::string, std::string> data;
  TreeObject annotations = {};
  std::string_view ns = {};  ///< empty: in every namespace
};

/// Maps an object of that one name to its namespace.
Watching::Keys namespace_of(std::string_view name) {
  return [name](const Mirror&, const Observed& change, std::vector<Key>& keys) {
    if (change.any().key.name == name) {
      keys.push_back(Key{"namespaces", "", change.any().key.ns});
    }
  };
}

Change creation(std::string_view resource,
                std::string_view kind,
                std::string_view ns,
                std::string_view name,
                TreeObject more,
                TreeObject annotations = {}) {
  TreeObject metadata{{"name", name}, {"namespace", ns}};
  if (!annotations.empty()) {
    metadata["annotations"] = std::move(annotations);
  }
  TreeObject document{{"kind", kind}, {"apiVersion", "v1"}, {"metadata", std::move(metadata)}};
  for (auto& member : more) {
    document[member.key()] = member.value();
  }
  Change change{.verb = Change::Verb::create,
                .key = Key{std::string(resource), std::string(ns), std::string(name)}};
  change.document = object::to_document(document);
  return change;
}

class NamespaceDefaults final : public Controller {
 public:
  explicit NamespaceDefaults(std::vector<PublishedMap> maps) : maps_(std::move(maps)) {}

  std::string_view name() const override { return "namespace-defaults"; }

  std::vector<Watching> watches() const override {
    std::vector<Watching> out{{"namespaces", own_key()},
                              {"serviceaccounts", namespace_of(kAccount)}};
    for (const auto& map : maps_) {
      out.push_back({"configmaps", namespace_of(map.name)});
    }
    return out;
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr || is_terminating(*stored)) {
      return plan;
    }
    if (asked.seen.get("serviceaccounts", asked.key.name, kAccount) == nullptr) {
      plan.changes.push_back(
          creation("serviceaccounts", "ServiceAccount", asked.key.name, kAccount, {}));
    }
    for (const auto& map : maps_) {
      if (map.ns.empty() || map.ns == asked.key.name) {
        publish(asked, map, &plan);
      }
    }
    return plan;
  }

 private:
  static void publish(const Question& asked, const PublishedMap& map, Plan* plan) {
    const auto* there = asked.seen.get("configmaps", asked.key.name, map.name);
    if (there == nullptr) {
      TreeObject data;
      for (const auto& [name, text] : map.data) {
        data[name] = text;
      }
      plan->changes.push_back(creation("configmaps",
                                       "ConfigMap",
                                       asked.key.name,
                                       map.name,
                                       TreeObject{{"data", data}},
                                       map.annotations));
      return;
    }
    Edit edit(*there);
    auto& data = Edit::object_in(edit.root(), "data");
    bool differs = false;
    for (const auto& [name, text] : map.data) {
      differs = differs || there->root()["data"][name].string() != text;
      data[name] = text;
    }
    if (differs) {
      plan->changes.push_back(update_of(*there, edit.document()));
    }
  }

  const std::vector<PublishedMap> maps_;
};

}  // namespace

std::unique_ptr<Controller> namespace_defaults_controller(
    const std::string& ca_pem, std::map<std::string, std::string> authentication) {
  std::vector<PublishedMap> maps;
  if (!ca_pem.empty()) {
    maps.push_back({.name = kRootCa,
                    .data = {{std::string(kCaFile), ca_pem}},
                    .annotations = TreeObject{{kDescription, kCaDescription}}});
  }
  if (!authentication.empty()) {
    maps.push_back(
        {.name = kAuthentication, .data = std::move(authentication), .ns = kAuthenticationPlace});
  }
  return std::make_unique<NamespaceDefaults>(std::move(maps));
}

}  // namespace tetrarch::reconcile
