// SPDX-License-Identifier: Apache-2.0
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
  explicit NamespaceDefaults(std::string ca_pem) : ca_pem_(std::move(ca_pem)) {}

  std::string_view name() const override { return "namespace-defaults"; }

  std::vector<Watching> watches() const override {
    return {{"namespaces", own_key()},
            {"serviceaccounts", namespace_of(kAccount)},
            {"configmaps", namespace_of(kRootCa)}};
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
    if (!ca_pem_.empty()) {
      publish_ca(asked, &plan);
    }
    return plan;
  }

 private:
  void publish_ca(const Question& asked, Plan* plan) const {
    const TreeObject data{{kCaFile, ca_pem_}};
    const auto* there = asked.seen.get("configmaps", asked.key.name, kRootCa);
    if (there == nullptr) {
      plan->changes.push_back(creation("configmaps",
                                       "ConfigMap",
                                       asked.key.name,
                                       kRootCa,
                                       TreeObject{{"data", data}},
                                       TreeObject{{kDescription, kCaDescription}}));
    } else if (there->root()["data"][kCaFile].string() != ca_pem_) {
      Edit edit(*there);
      edit.root()["data"] = data;
      plan->changes.push_back(update_of(*there, edit.document()));
    }
  }

  const std::string ca_pem_;
};

}  // namespace

std::unique_ptr<Controller> namespace_defaults_controller(std::string ca_pem) {
  return std::make_unique<NamespaceDefaults>(std::move(ca_pem));
}

}  // namespace tetrarch::reconcile
