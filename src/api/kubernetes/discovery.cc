// SPDX-License-Identifier: Apache-2.0
// Discovery as every client since 1.0 reads it: APIVersions, APIGroupList, APIGroup,
// APIResourceList. Source: Kubernetes API reference v1.35, "Common definitions"; shapes seen with
// kubectl 1.20 get --raw.
#include <set>

#include <fmt/core.h>

#include "api/kubernetes/documents.h"
#include "api/kubernetes/groups.h"
#include "object/writer.h"
#include "trust/sha256.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kJson = "application/json";

std::string group_version(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

template <class Texts>
void write_texts(object::Writer& writer, std::string_view name, const Texts& texts) {
  writer.key(name).begin_array();
  for (const auto& text : texts) {
    writer.string(text);
  }
  writer.end_array();
}

void write_resource(object::Writer& writer, const schema::Kind& kind) {
  writer.begin_object()
      .field("name", kind.plural)
      .field("singularName", kind.singular)
      .field("namespaced", kind.is_namespaced)
      .field("kind", kind.kind);
  write_texts(writer, "verbs", kind.verbs);
  if (!kind.short_names.empty()) {
    write_texts(writer, "shortNames", kind.short_names);
  }
  if (!kind.categories.empty()) {
    write_texts(writer, "categories", kind.categories);
  }
  writer.end_object();
}

void write_subresource(object::Writer& writer, const schema::Kind& kind, std::string_view name) {
  const auto& known = subresource_of(kind, name);
  writer.begin_object()
      .field("name", fmt::format("{}/{}", kind.plural, name))
      .field("singularName", "")
      .field("namespaced", kind.is_namespaced);
  const bool is_foreign =
      !known.kind.empty() && (known.group != kind.group || known.version != kind.version);
  if (is_foreign) {
    writer.field("group", known.group).field("version", known.version);
  }
  writer.field("kind", known.kind.empty() ? std::string_view(kind.kind) : known.kind);
  write_texts(writer, "verbs", known.verbs);
  writer.end_object();
}

std::string resource_list(const Group& group, const Version& version) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "APIResourceList").field("apiVersion", "v1");
  writer.field("groupVersion", group_version(group.name, version.name));
  writer.key("resources").begin_array();
  for (const auto* kind : version.kinds) {
    write_resource(writer, *kind);
    for (const auto& subresource : kind->subresources) {
      write_subresource(writer, *kind, subresource);
    }
  }
  writer.end_array().end_object();
  return out;
}

void write_group_members(object::Writer& writer, const Group& group) {
  writer.field("name", group.name).key("versions").begin_array();
  for (const auto& version : group.versions) {
    writer.begin_object()
        .field("groupVersion", group_version(group.name, version.name))
        .field("version", version.name)
        .end_object();
  }
  writer.end_array();
  const auto& preferred = group.versions.front().name;
  writer.key("preferredVersion")
      .begin_object()
      .field("groupVersion", group_version(group.name, preferred))
      .field("version", preferred)
      .end_object();
}

std::string group_document(const Group& group) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "APIGroup").field("apiVersion", "v1");
  write_group_members(writer, group);
  writer.end_object();
  return out;
}

std::string group_list(const std::vector<Group>& groups) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "APIGroupList").field("apiVersion", "v1");
  writer.key("groups").begin_array();
  for (const auto& group : groups) {
    if (!group.name.empty()) {
      writer.begin_object();
      write_group_members(writer, group);
      writer.end_object();
    }
  }
  writer.end_array().end_object();
  return out;
}

std::string api_versions(const Options& options) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "APIVersions");
  write_texts(writer, "versions", std::vector<std::string_view>{"v1"});
  writer.key("serverAddressByClientCIDRs")
      .begin_array()
      .begin_object()
      .field("clientCIDR", "0.0.0.0/0")
      .field("serverAddress", options.advertise_address)
      .end_object()
      .end_array()
      .end_object();
  return out;
}

std::string version_document(const Options& options) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object()
      .field("major", "1")
      .field("minor", "35")
      .field("gitVersion", options.git_version)
      .field("gitCommit", options.git_commit)
      .field("gitTreeState", "clean")
      .field("buildDate", options.build_date)
      .field("goVersion", "none")
      .field("compiler", "g++")
      .field("platform", "linux/amd64")
      .end_object();
  return out;
}

std::string path_list(const Documents& documents, const std::vector<Group>& groups) {
  std::set<std::string> paths{
      "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz"};
  for (const auto& [path, document] : documents.plain) {
    paths.insert(path);
  }
  for (const auto& group : groups) {
    for (const auto& version : group.versions) {
      if (version.remote) {
        paths.insert(version.remote->root());
      }
    }
  }
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("paths").begin_array();
  for (const auto& path : paths) {
    writer.string(path);
  }
  writer.end_array().end_object();
  return out;
}

void add(Documents& out, std::string path, std::string body) {
  out.plain.emplace(std::move(path), make_served(body + "\n", kJson));
}

}  // namespace

Served make_served(std::string body, std::string_view content_type) {
  auto etag = "\"" + trust::sha256_hex(body) + "\"";
  return {std::move(body), std::string(content_type), std::move(etag)};
}

const Served* KeptDocuments::get(const std::string& name, const std::function<Served()>& build) {
  const std::lock_guard lock(mutex_);
  const auto at = kept_.find(name);
  if (at != kept_.end()) {
    return &at->second;
  }
  auto made = build();
  return made.body.empty() ? nullptr : &kept_.emplace(name, std::move(made)).first->second;
}

const Served* Documents::find(std::string_view path) const {
  const auto at = plain.find(path);
  return at == plain.end() ? nullptr : &at->second;
}

void add_discovery(Documents& out, const std::vector<Group>& groups, const Options& options) {
  add(out, "/api", api_versions(options));
  add(out, "/apis", group_list(groups));
  add(out, "/version", version_document(options));
  for (const auto& group : groups) {
    const auto base = group.name.empty() ? std::string("/api") : "/apis/" + group.name;
    if (!group.name.empty()) {
      add(out, base, group_document(group));
    }
    for (const auto& version : group.versions) {
      if (!version.remote) {  // who serves it says what is in it
        add(out, base + "/" + version.name, resource_list(group, version));
      }
    }
  }
  add(out, "/", path_list(out, groups));
}

Documents make_documents(const std::vector<Group>& groups, const Options& options) {
  Documents out;
  add_discovery(out, groups, options);
  add_aggregated(out, groups);
  return out;
}

}  // namespace tetrarch::api::kubernetes
