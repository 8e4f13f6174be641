// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/groups.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

namespace tetrarch::api::kubernetes {
namespace {

/// Clients ask the groups in this order when a name is in several. Source: Kubernetes API reference
/// v1.35, /apis.
constexpr auto kOrder = std::to_array<std::string_view>({
    "",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
});

std::tuple<std::size_t, std::string> group_rank(const std::string& name) {
  const auto* at = std::find(kOrder.begin(), kOrder.end(), name);
  return {static_cast<std::size_t>(at - kOrder.begin()), name};
}

int take_number(std::string_view& text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return out;
}

/// v2, v1, v2beta1, v1beta2, v1alpha1. Source: Kubernetes documentation, "Version priority" of
/// custom resources.
std::tuple<int, int, int> version_rank(std::string_view name) {
  name.remove_prefix(name.empty() ? 0 : 1);
  const int major = take_number(name);
  const int stability = name.empty() ? 0 : name.starts_with("beta") ? 1 : 2;
  name.remove_prefix(std::min(name.size(), stability == 1 ? std::size_t{4} : std::size_t{5}));
  return {stability, -major, -take_number(name)};
}

}  // namespace

std::vector<Group> groups_of(const schema::Catalog& catalog) {
  std::map<std::tuple<std::size_t, std::string>, std::map<std::tuple<int, int, int>, Version>>
      found;
  for (const auto& kind : catalog.kinds()) {
    if (!kind->plural.empty()) {  // a group of bodies alone (Scale) is no group of the API
      auto& version = found[group_rank(kind->group)][version_rank(kind->version)];
      version.name = kind->version;
      version.kinds.push_back(kind.get());
    }
  }
  std::vector<Group> out;
  for (auto& [rank, versions] : found) {
    Group group{std::get<1>(rank), {}};
    for (auto& [version_key, version] : versions) {
      std::sort(version.kinds.begin(), version.kinds.end(), [](const auto* a, const auto* b) {
        return a->plural < b->plural;
      });
      group.versions.push_back(std::move(version));
    }
    out.push_back(std::move(group));
  }
  return out;
}

const Subresource& subresource_of(const schema::Kind& kind, std::string_view name) {
  static const std::vector<std::string_view> kAny = {"create", "delete", "get", "patch", "update"};
  // Source: Kubernetes API reference v1.35, /api/v1 and /apis/apps/v1.
  static const std::vector<Subresource> kSubresources = {
      {"status", "", "", "", {"get", "patch", "update"}},
      {"scale", "autoscaling", "v1", "Scale", {"get", "patch", "update"}},
      {"ephemeralcontainers", "", "", "", {"get", "patch", "update"}},
      {"resize", "", "", "", {"get", "patch", "update"}},
      {"finalize", "", "", "", {"update"}},
      {"log", "", "", "", {"get"}},
      {"exec", "", "v1", "PodExecOptions", {"create", "get"}},
      {"attach", "", "v1", "PodAttachOptions", {"create", "get"}},
      {"portforward", "", "v1", "PodPortForwardOptions", {"create", "get"}},
      {"proxy", "", "v1", "PodProxyOptions", kAny},
      {"proxy", "", "v1", "ServiceProxyOptions", kAny},
      {"proxy", "", "v1", "NodeProxyOptions", kAny},
      {"binding", "", "v1", "Binding", {"create"}},
      {"eviction", "policy", "v1", "Eviction", {"create"}},
      {"token", "authentication.k8s.io", "v1", "TokenRequest", {"create"}},
  };
  for (const auto& row : kSubresources) {
    const bool is_of_kind = name != "proxy" || row.kind.substr(0, kind.kind.size()) == kind.kind;
    if (row.name == name && is_of_kind) {
      return row;
    }
  }
  return kSubresources.front();
}

}  // namespace tetrarch::api::kubernetes
