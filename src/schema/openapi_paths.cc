// SPDX-License-Identifier: Apache-2.0
#include "schema/openapi_paths.h"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace tetrarch::schema {

namespace {

using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Query parameters by what an operation does.
constexpr std::string_view kListQuery[] = {"labelSelector",
                                           "fieldSelector",
                                           "limit",
                                           "continue",
                                           "resourceVersion",
                                           "resourceVersionMatch",
                                           "timeoutSeconds",
                                           "watch",
                                           "allowWatchBookmarks",
                                           "sendInitialEvents"};
constexpr std::string_view kWriteQuery[] = {"dryRun", "fieldManager", "fieldValidation"};
constexpr std::string_view kPatchQuery[] = {"dryRun", "fieldManager", "fieldValidation", "force"};
constexpr std::string_view kDeleteQuery[] = {
    "dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"};

constexpr std::string_view kJson[] = {"application/json", "application/yaml"};
constexpr std::string_view kPatches[] = {"application/json-patch+json",
                                         "application/merge-patch+json",
                                         "application/strategic-merge-patch+json",
                                         "application/apply-patch+yaml"};

/// Method and the first word of the operation's id.
constexpr std::array<std::array<std::string_view, 2>, 7> kProxyOperations{
    {{"get", "connectGet"},
     {"put", "connectPut"},
     {"post", "connectPost"},
     {"delete", "connectDelete"},
     {"options", "connectOptions"},
     {"head", "connectHead"},
     {"patch", "connectPatch"}}};

std::string capitalized(std::string_view text) {
  std::string out{text};
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') {
    out[0] = static_cast<char>(out[0] - 'a' + 'A');
  }
  return out;
}

/// RbacAuthorizationV1, CoreV1: the middle of operation ids.
std::string group_word(const Kind& kind) {
  std::string_view group =
      kind.group.empty() ? std::string_view{"core"} : std::string_view{kind.group};
  group = group.substr(0, group.find(".k8s.io"));
  std::string out;
  while (!group.empty()) {
    const auto dot = group.find('.');
    out += capitalized(group.substr(0, dot));
    group.remove_prefix(dot == group.npos ? group.size() : dot + 1);
  }
  return out + capitalized(kind.version);
}

struct Operation {
  std::string_view method;
  std::string_view id_verb;
  std::string_view action;
  std::string response_type = {};  ///< full name; empty: text
  std::string body_type = {};      ///< full name; empty: none
  std::span<const std::string_view> query = {};
  std::span<const std::string_view> consumes = kJson;
};

class PathBuilder {
 public:
  PathBuilder(OpenApi version, const Catalog& catalog) : version_(version), catalog_(catalog) {}

  void add(const Kind& kind) {
    const auto root = (kind.group.empty() ? "/api/" : "/apis/") + kind.api_version();
    const auto scope = root + (kind.is_namespaced ? "/namespaces/{namespace}/" : "/") + kind.plural;
    add_collection(kind, scope);
    if (kind.is_namespaced && has_list(kind)) {
      auto& item = path_item(root + "/" + kind.plural, kind, false, false);
      put(item,
          kind,
          {"get", "list", "list", list_type_name(kind), {}, kListQuery},
          "ForAllNamespaces");
    }
    if (kind.has_verb("get")) {
      add_object(kind, scope + "/{name}");
    }
    for (const auto& subresource : kind.subresources) {
      add_subresource(kind, scope + "/{name}/" + subresource, subresource);
    }
  }

  TreeObject take() { return std::move(paths_); }

 private:
  void add_collection(const Kind& kind, const std::string& path) {
    auto& item = path_item(path, kind, kind.is_namespaced, false);
    const auto& type = kind.type->full_name;
    if (has_list(kind)) {
      put(item, kind, {"get", "list", "list", list_type_name(kind), {}, kListQuery}, "");
    }
    if (kind.has_verb("create")) {
      put(item, kind, {"post", "create", "post", type, type, kWriteQuery}, "");
    }
    if (kind.has_verb("deletecollection")) {
      put(item,
          kind,
          {"delete",
           "deleteCollection",
           "deletecollection",
           status(),
           delete_options(),
           kDeleteQuery},
          "");
    }
  }

  void add_object(const Kind& kind, const std::string& path) {
    auto& item = path_item(path, kind, kind.is_namespaced, true);
    const auto& type = kind.type->full_name;
    put(item, kind, {"get", "read", "get", type}, "");
    put(item, kind, {"put", "replace", "put", type, type, kWriteQuery}, "");
    put(item, kind, {"patch", "patch", "patch", type, patch(), kPatchQuery, kPatches}, "");
    put(item, kind, {"delete", "delete", "delete", status(), delete_options(), kDeleteQuery}, "");
  }

  void add_subresource(const Kind& kind, const std::string& path, const std::string& name) {
    auto& item = path_item(path, kind, kind.is_namespaced, true);
    const auto suffix = capitalized(name);
    const Kind* body = &subresource_body(catalog_, kind, name);
    const auto& type = body->type->full_name;
    if (name == "status" || name == "scale" || name == "ephemeralcontainers" || name == "resize") {
      put(item, *body, {"get", "read", "get", type}, suffix, kind);
      put(item, *body, {"put", "replace", "put", type, type, kWriteQuery}, suffix, kind);
      put(item,
          *body,
          {"patch", "patch", "patch", type, patch(), kPatchQuery, kPatches},
          suffix,
          kind);
    } else if (name == "finalize") {
      put(item, *body, {"put", "replace", "put", type, type, kWriteQuery}, suffix, kind);
    } else if (name == "log") {
      put(item, *body, {"get", "read", "get"}, suffix, kind);
    } else if (name == "exec" || name == "attach" || name == "portforward") {
      put(item, *body, {"get", "connectGet", "connect"}, suffix, kind);
      put(item, *body, {"post", "connectPost", "connect"}, suffix, kind);
    } else if (name == "proxy") {
      add_proxy(kind, item, suffix);
      add_proxy(kind, proxy_path(path, kind), suffix + "WithPath");
    } else {
      put(item, *body, {"post", "create", "post", type, type, kWriteQuery}, suffix, kind);
    }
  }

  /// Source: Kubernetes API reference v1.35: each method is a connection.
  void add_proxy(const Kind& kind, TreeObject& item, const std::string& suffix) {
    for (const auto& [method, operation] : kProxyOperations) {
      put(item, kind, {method, operation, "connect"}, suffix, kind);
    }
  }

  TreeObject& proxy_path(const std::string& path, const Kind& kind) {
    auto& item = path_item(path + "/{path}", kind, kind.is_namespaced, true);
    item["parameters"].as_array().push_back(parameter("path", "path", "path to the resource"));
    return item;
  }

  TreeObject& path_item(const std::string& path,
                        const Kind& kind,
                        bool has_namespace,
                        bool has_name) {
    auto& item = paths_[path];
    if (!item.is_object()) {
      TreeArray parameters;
      if (has_name) {
        parameters.push_back(parameter("name", "path", "name of the " + kind.kind));
      }
      if (has_namespace) {
        parameters.push_back(parameter("namespace", "path", "the namespace of the object"));
      }
      item = TreeObject{{"parameters", std::move(parameters)}};
    }
    return item.as_object();
  }

  TreeObject parameter(std::string_view name, std::string_view in, const std::string& doc) const {
    TreeObject out{{"name", name}, {"in", in}};
    if (!doc.empty()) {
      out["description"] = doc;
    }
    if (in == "path") {
      out["required"] = true;
    }
    if (version_ == OpenApi::v2) {
      out["type"] = "string";
      out["uniqueItems"] = true;
    } else {
      out["schema"] = TreeObject{{"type", "string"}, {"uniqueItems", true}};
    }
    return out;
  }

  void put(TreeObject& item,
           const Kind& kind,
           const Operation& operation,
           const std::string& suffix) const {
    put(item, kind, operation, suffix, kind);
  }

  /// `owner` is the kind whose path it is; `kind` what the operation is about.
  void put(TreeObject& item,
           const Kind& kind,
           const Operation& operation,
           const std::string& suffix,
           const Kind& owner) const {
    const auto id = std::string{operation.id_verb} + group_word(owner) +
                    (owner.is_namespaced && suffix != "ForAllNamespaces" ? "Namespaced" : "") +
                    owner.kind + suffix;
    TreeArray parameters;
    for (const auto name : operation.query) {
      parameters.push_back(parameter(name, "query", ""));
    }
    TreeObject out{
        {"operationId", id},
        {"tags", TreeArray{(owner.group.empty() ? "core" : owner.group) + "_" + owner.version}}};
    if (version_ == OpenApi::v2) {
      add_v2(out, parameters, operation);
    } else {
      add_v3(out, operation);
    }
    out["parameters"] = std::move(parameters);
    out["x-kubernetes-action"] = operation.action;
    out["x-kubernetes-group-version-kind"] =
        group_version_kind(kind.group, kind.version, kind.kind);
    item[operation.method] = std::move(out);
  }

  TreeObject schema_or_text(const std::string& full_name) const {
    return full_name.empty() ? TreeObject{{"type", "string"}}
                             : schema_reference(version_, full_name);
  }

  void add_v2(TreeObject& out, TreeArray& parameters, const Operation& operation) const {
    if (!operation.body_type.empty()) {
      out["consumes"] = TreeArray(operation.consumes.begin(), operation.consumes.end());
      parameters.push_back(TreeObject{{"name", "body"},
                                      {"in", "body"},
                                      {"required", operation.method != "delete"},
                                      {"schema", schema_reference(version_, operation.body_type)}});
    }
    out["produces"] = TreeArray(std::begin(kJson), std::end(kJson));
    const TreeObject good{{"description", "OK"},
                          {"schema", schema_or_text(operation.response_type)}};
    out["responses"] =
        TreeObject{{"200", good}, {"401", TreeObject{{"description", "Unauthorized"}}}};
  }

  void add_v3(TreeObject& out, const Operation& operation) const {
    if (!operation.body_type.empty()) {
      TreeObject content;
      for (const auto type : operation.consumes) {
        content[type] = TreeObject{{"schema", schema_reference(version_, operation.body_type)}};
      }
      out["requestBody"] = TreeObject{{"content", std::move(content)}};
    }
    const TreeObject schema{{"schema", schema_or_text(operation.response_type)}};
    const TreeObject good{{"description", "OK"},
                          {"content", TreeObject{{"application/json", schema}}}};
    out["responses"] =
        TreeObject{{"200", good}, {"401", TreeObject{{"description", "Unauthorized"}}}};
  }

  static std::string status() { return std::string{kMeta} + "Status"; }

  static std::string delete_options() { return std::string{kMeta} + "DeleteOptions"; }

  static std::string patch() { return std::string{kMeta} + "Patch"; }

  OpenApi version_;
  const Catalog& catalog_;
  TreeObject paths_;
};

}  // namespace

const Kind& subresource_body(const Catalog& catalog,
                             const Kind& kind,
                             std::string_view subresource) {
  constexpr std::array<std::array<std::string_view, 3>, 4> kBodies{
      {{"scale", "autoscaling", "Scale"},
       {"binding", "", "Binding"},
       {"eviction", "policy", "Eviction"},
       {"token", "authentication.k8s.io", "TokenRequest"}}};
  for (const auto& [name, group, body] : kBodies) {
    const Kind* found = name == subresource ? catalog.find(group, "v1", body) : nullptr;
    if (found != nullptr) {
      return *found;
    }
  }
  return kind;
}

TreeObject paths_of(OpenApi version,
                    const Catalog& catalog,
                    const std::vector<const Kind*>& kinds) {
  PathBuilder builder{version, catalog};
  for (const auto* kind : kinds) {
    if (!kind->plural.empty() && !kind->verbs.empty()) {
      builder.add(*kind);
    }
  }
  return builder.take();
}

}  // namespace tetrarch::schema
