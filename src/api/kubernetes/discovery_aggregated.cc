// SPDX-License-Identifier: Apache-2.0
// Aggregated discovery: all groups, versions and resources in one answer, which kubectl 1.26 and
// later ask for. Source: Kubernetes API reference v1.35, apidiscovery.k8s.io v2; v2beta1 has the
// same shape.
#include <fmt/core.h>

#include "api/kubernetes/discovery_remote.h"
#include "api/kubernetes/documents.h"
#include "api/kubernetes/groups.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {
namespace {

void write_response_kind(object::Writer& writer,
                         std::string_view group,
                         std::string_view version,
                         std::string_view kind) {
  writer.key("responseKind")
      .begin_object()
      .field("group", group)
      .field("version", version)
      .field("kind", kind)
      .end_object();
}

template <class Texts>
void write_texts(object::Writer& writer, std::string_view name, const Texts& texts) {
  if (texts.empty()) {
    return;
  }
  writer.key(name).begin_array();
  for (const auto& text : texts) {
    writer.string(text);
  }
  writer.end_array();
}

void write_subresources(object::Writer& writer, const schema::Kind& kind) {
  if (kind.subresources.empty()) {
    return;
  }
  writer.key("subresources").begin_array();
  for (const auto& name : kind.subresources) {
    const auto& known = subresource_of(kind, name);
    writer.begin_object().field("subresource", name);
    if (known.kind.empty()) {
      write_response_kind(writer, kind.group, kind.version, kind.kind);
    } else {
      write_response_kind(writer, known.group, known.version, known.kind);
    }
    write_texts(writer, "verbs", known.verbs);
    writer.end_object();
  }
  writer.end_array();
}

void write_resource(object::Writer& writer, const schema::Kind& kind) {
  writer.begin_object().field("resource", kind.plural);
  write_response_kind(writer, kind.group, kind.version, kind.kind);
  writer.field("scope", kind.is_namespaced ? "Namespaced" : "Cluster")
      .field("singularResource", kind.singular);
  write_texts(writer, "verbs", kind.verbs);
  write_texts(writer, "shortNames", kind.short_names);
  write_texts(writer, "categories", kind.categories);
  write_subresources(writer, kind);
  writer.end_object();
}

void write_group(object::Writer& writer, const Group& group) {
  writer.begin_object().key("metadata").begin_object();
  if (!group.name.empty()) {
    writer.field("name", group.name);
  }
  writer.key("creationTimestamp").null().end_object();
  writer.key("versions").begin_array();
  for (const auto& version : group.versions) {
    writer.begin_object().field("version", version.name).key("resources").begin_array();
    for (const auto* kind : version.kinds) {
      write_resource(writer, *kind);
    }
    if (version.remote) {
      write_remote_resources(writer, *version.remote);
    }
    const bool is_current = !version.remote || version.remote->is_current();
    writer.end_array().field("freshness", is_current ? "Current" : "Stale").end_object();
  }
  writer.end_array().end_object();
}

std::string list(const std::vector<Group>& groups, std::string_view api_version, bool is_core) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object()
      .field("kind", "APIGroupDiscoveryList")
      .field("apiVersion", fmt::format("apidiscovery.k8s.io/{}", api_version));
  writer.key("metadata").begin_object().end_object().key("items").begin_array();
  for (const auto& group : groups) {
    if (group.name.empty() == is_core) {
      write_group(writer, group);
    }
  }
  writer.end_array().end_object();
  return out + "\n";
}

}  // namespace

void add_aggregated(Documents& out, const std::vector<Group>& groups) {
  for (const std::string version : {"v2", "v2beta1"}) {
    const auto type = fmt::format(
        "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", version);
    out.aggregated.emplace("/api " + version, make_served(list(groups, version, true), type));
    out.aggregated.emplace("/apis " + version, make_served(list(groups, version, false), type));
  }
}

}  // namespace tetrarch::api::kubernetes
