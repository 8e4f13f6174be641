// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/groups.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

#include <fmt/core.h>

namespace tetrarch::api::kubernetes {
namespace {

struct Priority {
  std::string_view group;
  int of_group;
  int of_version = 15;
};

/// Clients ask the groups in this order when a name is in several. Source: kube-aggregator
/// pkg/apiserver and kube-apiserver pkg/controlplane, priorities of APIServices (1.35). The group
/// of APIServices itself comes before all that anybody can register.
constexpr auto kPriorities = std::to_array<Priority>({
    {"apiregistration.k8s.io", 20'001},
    {"", 18'000, 1},
    {"apps", 17'800},
    {"events.k8s.io", 17'750},
    {"authentication.k8s.io", 17'700},
    {"authorization.k8s.io", 17'600},
    {"autoscaling", 17'500},
    {"batch", 17'400},
    {"certificates.k8s.io", 17'300},
    {"networking.k8s.io", 17'200},
    {"policy", 17'100},
    {"rbac.authorization.k8s.io", 17'000},
    {"storage.k8s.io", 16'800},
    {"admissionregistration.k8s.io", 16'700},
    {"apiextensions.k8s.io", 16'700},
    {"scheduling.k8s.io", 16'600},
    {"coordination.k8s.io", 16'500},
    {"node.k8s.io", 16'300},
    {"discovery.k8s.io", 16'200},
    {"flowcontrol.apiserver.k8s.io", 16'100, 21},
    {"resource.k8s.io", 15'900},
});
/// Of all others: as Kubernetes has it for custom resources.
constexpr Priority kOthers{"", 1'000, 100};

const Priority& priority_of(std::string_view group) {
  const auto* at = std::find_if(kPriorities.begin(),
                                kPriorities.end(),
                                [group](const Priority& each) { return each.group == group; });
  return at == kPriorities.end() ? kOthers : *at;
}

int take_number(std::string_view& text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return out;
}

/// The highest that an APIService may have.
constexpr int kPriorityMax = 20'000;

/// How stable (released, beta, alpha, none of these), then the numbers, the higher first.
using VersionRank = std::tuple<int, int, int>;

/// v2, v1, v2beta1, v1beta2, v1alpha1. Source: Kubernetes documentation, "Version priority" of
/// custom resources.
VersionRank version_rank(std::string_view name) {
  name.remove_prefix(name.empty() ? 0 : 1);
  const int major = take_number(name);
  const int stability = name.empty() ? 0 : name.starts_with("beta") ? 1 : 2;
  name.remove_prefix(std::min(name.size(), stability == 1 ? std::size_t{4} : std::size_t{5}));
  return {stability, -major, -take_number(name)};
}

}  // namespace

std::vector<Group> groups_of(const schema::Catalog& catalog) {
  std::map<std::string, std::map<std::string, Version>> found;
  for (const auto& kind : catalog.kinds()) {
    // Bodies alone (Scale) make no group of the API, nor does what only a feed brings.
    if (!kind->plural.empty() && !kind->verbs.empty()) {
      auto& version = found[kind->group][kind->version];
      version.name = kind->version;
      version.priority = priority_of(kind->group).of_version;
      version.kinds.push_back(kind.get());
    }
  }
  std::vector<Group> out;
  for (auto& [name, versions] : found) {
    Group group{name, {}, priority_of(name).of_group};
    for (auto& [version_key, version] : versions) {
      std::sort(version.kinds.begin(), version.kinds.end(), [](const auto* a, const auto* b) {
        return a->plural < b->plural;
      });
      group.versions.push_back(std::move(version));
    }
    out.push_back(std::move(group));
  }
  sort_groups(out);
  return out;
}

void sort_groups(std::vector<Group>& groups) {
  for (auto& group : groups) {
    std::sort(group.versions.begin(), group.versions.end(), [](const Version& a, const Version& b) {
      return std::tuple(-a.priority, version_rank(a.name), a.name) <
             std::tuple(-b.priority, version_rank(b.name), b.name);
    });
  }
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return std::tuple(!a.name.empty(), -a.priority, a.name) <
           std::tuple(!b.name.empty(), -b.priority, b.name);
  });
}

std::vector<std::string> local_api_services(const schema::Catalog& catalog) {
  std::vector<std::string> out;
  for (const auto& group : groups_of(catalog)) {
    for (const auto& version : group.versions) {
      if (group.priority <= kPriorityMax) {
        out.push_back(fmt::format(
            R"({{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","metadata":)"
            R"({{"name":"{1}.{0}","labels":{{"kube-aggregator.kubernetes.io/automanaged":"onstart"}}}},)"
            R"("spec":{{{2}"groupPriorityMinimum":{3},"version":"{1}","versionPriority":{4}}}}})",
            group.name,
            version.name,
            group.name.empty() ? "" : fmt::format(R"("group":"{}",)", group.name),
            group.priority,
            version.priority));
      }
    }
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
