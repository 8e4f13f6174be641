// SPDX-License-Identifier: Apache-2.0
// Source: k8s.io/apiserver pkg/endpoints/discovery/aggregated, ConvertGroupVersionIntoToDiscovery
// (1.35): kube-aggregator does so with servers that know no aggregated discovery.
#include "api/kubernetes/discovery_remote.h"

#include <map>
#include <string>
#include <vector>

namespace tetrarch::api::kubernetes {
namespace {

using object::View;

/// A resource, and what is below it. The first is absent where only a subresource is listed.
struct Listed {
  View resource;
  std::vector<std::pair<std::string, View>> below;
};

std::map<std::string, Listed> by_resource(View list) {
  std::map<std::string, Listed> out;
  for (const auto each : list["resources"].elements()) {
    const auto name = each["name"].string();
    const auto slash = name.find('/');
    auto& entry = out[std::string(name.substr(0, slash))];
    if (slash == std::string_view::npos) {
      entry.resource = each;
    } else {
      entry.below.emplace_back(name.substr(slash + 1), each);
    }
  }
  return out;
}

void write_kind(object::Writer& writer, const RemoteApi& api, View listed) {
  const auto group = listed["group"].string();
  const auto version = listed["version"].string();
  writer.key("responseKind")
      .begin_object()
      .field("group", group.empty() ? std::string_view(api.group) : group)
      .field("version", version.empty() ? std::string_view(api.version) : version)
      .field("kind", listed["kind"].string())
      .end_object();
}

void write_texts(object::Writer& writer, std::string_view name, View texts) {
  if (texts.size() == 0) {
    return;
  }
  writer.key(name).begin_array();
  for (const auto text : texts.elements()) {
    writer.string(text.string());
  }
  writer.end_array();
}

void write_below(object::Writer& writer, const RemoteApi& api, const Listed& entry) {
  if (entry.below.empty()) {
    return;
  }
  writer.key("subresources").begin_array();
  for (const auto& [name, listed] : entry.below) {
    writer.begin_object().field("subresource", name);
    write_kind(writer, api, listed);
    write_texts(writer, "verbs", listed["verbs"]);
    writer.end_object();
  }
  writer.end_array();
}

}  // namespace

void write_remote_resources(object::Writer& writer, const RemoteApi& api) {
  if (!api.resources) {
    return;
  }
  for (const auto& [name, entry] : by_resource(api.resources->root())) {
    const auto shown = entry.resource ? entry.resource : entry.below.front().second;
    writer.begin_object().field("resource", name);
    write_kind(writer, api, shown);
    writer.field("scope", shown["namespaced"].boolean() ? "Namespaced" : "Cluster")
        .field("singularResource", entry.resource["singularName"].string());
    write_texts(writer, "verbs", entry.resource["verbs"]);
    write_texts(writer, "shortNames", entry.resource["shortNames"]);
    write_texts(writer, "categories", entry.resource["categories"]);
    write_below(writer, api, entry);
    writer.end_object();
  }
}

}  // namespace tetrarch::api::kubernetes
