// SPDX-License-Identifier: Apache-2.0
#include "registry/pod_references.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace tetrarch::registry {

using object::View;

namespace {

class References {
 public:
  explicit References(const std::string& ns) : ns_(ns) {}

  void add(std::string_view resource, View name, bool is_namespaced = true) {
    if (!name.string().empty()) {
      keys_.push_back(
          {std::string(resource), is_namespaced ? ns_ : std::string(), std::string(name.string())});
    }
  }

  void add_container(View container) {
    for (const View each : container["env"].elements()) {
      add("secrets", each.find("valueFrom.secretKeyRef.name"));
      add("configmaps", each.find("valueFrom.configMapKeyRef.name"));
    }
    for (const View each : container["envFrom"].elements()) {
      add("secrets", each.find("secretRef.name"));
      add("configmaps", each.find("configMapRef.name"));
    }
  }

  void add_volume(View volume) {
    add("secrets", volume.find("secret.secretName"));
    add("configmaps", volume.find("configMap.name"));
    for (const View source : volume.find("projected.sources").elements()) {
      add("secrets", source.find("secret.name"));
      add("configmaps", source.find("configMap.name"));
    }
    // Volume drivers that take a secret in the pod's namespace.
    for (const auto* driver : {"cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"}) {
      add("secrets", volume[driver].find("secretRef.name"));
    }
    add("secrets", volume.find("azureFile.secretName"));
    add("secrets", volume.find("csi.nodePublishSecretRef.name"));
  }

  std::vector<Key> take() {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    return std::move(keys_);
  }

 private:
  const std::string& ns_;
  std::vector<Key> keys_;
};

}  // namespace

std::vector<Key> pod_references(const Stored& pod) {
  References out(pod.key.ns);
  const View spec = pod.root()["spec"];
  for (const auto* list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const View container : spec[list].elements()) {
      out.add_container(container);
    }
  }
  for (const View volume : spec["volumes"].elements()) {
    out.add_volume(volume);
  }
  for (const View secret : spec["imagePullSecrets"].elements()) {
    out.add("secrets", secret["name"]);
  }
  out.add("serviceaccounts", spec["serviceAccountName"]);
  out.add("runtimeclasses.node.k8s.io", spec["runtimeClassName"], false);
  return out.take();
}

}  // namespace tetrarch::registry
