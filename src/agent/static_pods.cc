// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Create static Pods"; kubelet, pkg/kubelet/config/common.go and
// file.go, v1.35.
#include "agent/static_pods.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "object/tree.h"
#include "object/yaml.h"
#include "schema/decode.h"
#include "trust/sha256.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using object::TreeArray;
using object::TreeObject;
using object::View;

constexpr std::uintmax_t kFileMax = 10 << 20;  // Source: kubelet, maxConfigLength
constexpr std::size_t kUidLength = 32;

bool has_source(View list, std::string_view name) {
  for (const View each : list.elements()) {
    if (each[name].exists()) {
      return true;
    }
  }
  return false;
}

std::string_view named_by_volume(View volume) {
  constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"configMap", "configmaps"},
      {"secret", "secrets"},
      {"persistentVolumeClaim", "persistentvolumeclaims"}};
  for (const auto& [field, resource] : kKinds) {
    if (volume[field].exists()) {
      return resource;
    }
  }
  const View sources = volume["projected"]["sources"];
  return has_source(sources, "configMap")             ? "configmaps"
         : has_source(sources, "secret")              ? "secrets"
         : has_source(sources, "serviceAccountToken") ? "serviceaccounts"
                                                      : "";
}

std::string_view named_by_container(View container) {
  const View from = container["envFrom"];
  if (has_source(from, "secretRef") || has_source(from, "configMapRef")) {
    return has_source(from, "secretRef") ? "secrets" : "configmaps";
  }
  for (const View variable : container["env"].elements()) {
    const View source = variable["valueFrom"];
    if (source["secretKeyRef"].exists() || source["configMapKeyRef"].exists()) {
      return source["secretKeyRef"].exists() ? "secrets" : "configmaps";
    }
  }
  return {};
}

/// What a pod must not name that is to run without a server; empty: nothing.
std::string_view named_resource(View spec) {
  if (!spec["serviceAccountName"].string().empty()) {
    return "serviceaccounts";
  }
  if (spec["imagePullSecrets"].size() > 0) {
    return "secrets";
  }
  for (const View volume : spec["volumes"].elements()) {
    if (const auto named = named_by_volume(volume); !named.empty()) {
      return named;
    }
  }
  for (const auto* list : {"initContainers", "containers"}) {
    for (const View container : spec[list].elements()) {
      if (const auto named = named_by_container(container); !named.empty()) {
        return named;
      }
    }
  }
  return {};
}

boost::json::string_view json_text(std::string_view text) {
  return {text.data(), text.size()};
}

TreeObject& object_in(TreeObject& parent, std::string_view name) {
  auto& value = parent[json_text(name)];
  return value.is_object() ? value.get_object() : value.emplace_object();
}

std::string first_fault(const std::vector<FieldError>& faults) {
  return faults.front().field + ": " + faults.front().message;
}

}  // namespace

bool is_static_pod(View pod) {
  return pod["metadata"]["annotations"][kAnnotationSource].string() == "file" &&
         mirrored_uid(pod).empty();
}

std::string_view mirrored_uid(View pod) {
  return pod["metadata"]["annotations"][kAnnotationMirror].string();
}

bool is_shown_by(const Stored& object, std::string_view uid) {
  return object.uid() == uid || mirrored_uid(object.root()) == uid;
}

Result<Stored> ManifestReader::read(const std::string& file,
                                    std::string_view text,
                                    TimePoint seen) const {
  TRY(const auto json, object::json_of_yaml(text));
  const auto* kind = catalog.find("", "v1", "Pod");
  TRY(const auto given, schema::decode(*kind, json, schema::Unknown::ignore));
  auto tree = object::to_tree(given.document->root());
  auto& metadata = object_in(tree.get_object(), "metadata");
  auto& spec = object_in(tree.get_object(), "spec");
  const auto own_name = given.document->root().find("metadata.name").string();
  const auto ns = given.document->root().find("metadata.namespace").string("default");
  Key key{"pods", std::string(ns), fmt::format("{}-{}", own_name, node_name)};
  const auto uid =
      trust::sha256_hex(fmt::format("{}\n{}\n{}", node_name, file, given.document->bytes()))
          .substr(0, kUidLength);
  metadata["name"] = own_name.empty() ? std::string() : key.name;
  metadata["namespace"] = key.ns;
  metadata["uid"] = uid;
  auto& annotations = object_in(metadata, "annotations");
  annotations.erase(json_text(kAnnotationMirror));
  annotations[json_text(kAnnotationHash)] = uid;
  annotations[json_text(kAnnotationSource)] = "file";
  annotations[json_text(kAnnotationSeen)] = format_time(seen);
  spec["nodeName"] = node_name;
  auto& tolerations = spec["tolerations"];
  auto& list = tolerations.is_array() ? tolerations.get_array() : tolerations.emplace_array();
  list.push_back(TreeObject{{"effect", "NoExecute"}, {"operator", "Exists"}});
  tree.get_object()["status"] = TreeObject{{"phase", "Pending"}};
  auto document = object::to_document(tree);
  const auto faults = schema::validate(*kind, document->root(), View());
  if (!faults.empty()) {
    return Error{Code::invalid, first_fault(faults)};
  }
  if (const auto named = named_resource(document->root()["spec"]); !named.empty()) {
    return Error{Code::invalid, fmt::format("static pods may not reference {}", named)};
  }
  return Stored{std::move(key), Revision{}, std::move(document)};
}

DocumentPtr mirror_of(const Stored& pod, std::string_view node_uid) {
  auto tree = object::to_tree(pod.root());
  auto& metadata = object_in(tree.get_object(), "metadata");
  object_in(metadata, "annotations")[json_text(kAnnotationMirror)] = json_text(pod.uid());
  metadata.erase("uid");
  metadata["ownerReferences"] =
      TreeArray{TreeObject{{"apiVersion", "v1"},
                           {"kind", "Node"},
                           {"name", json_text(pod.root().find("spec.nodeName").string())},
                           {"uid", json_text(node_uid)},
                           {"controller", true}}};
  tree.get_object().erase("status");
  return object::to_document(tree);
}

Result<std::map<std::string, std::string>> read_manifests(const fs::path& folder) {
  std::map<std::string, std::string> out;
  std::error_code error;
  if (!fs::exists(folder, error)) {
    return out;
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code gone;
    const bool is_hidden = entry.path().filename().string().starts_with('.');
    if (is_hidden || !entry.is_regular_file(gone) || entry.file_size(gone) > kFileMax || gone) {
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (file) {
      out[entry.path().string()] = text.str();
    }
  }
  if (error) {
    return Error{Code::unavailable,
                 fmt::format("cannot read {}: {}", folder.string(), error.message())};
  }
  return out;
}

}  // namespace tetrarch::agent
