// SPDX-License-Identifier: Apache-2.0
#include "api/fleet/machine_document.h"

#include <algorithm>
#include <utility>

#include "object/tree.h"
#include "object/writer.h"
#include "unitfile/marks.h"

namespace tetrarch::api::fleet {
namespace {

using object::View;
using object::Writer;
namespace marks = unitfile::marks;

bool is_key_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

/// `/<machine>/metadata/<key>`.
Result<MetadataChange> read_path(std::string_view path) {
  constexpr std::string_view kMiddle = "/metadata/";
  const auto middle = path.find(kMiddle);
  const Error invalid = malformed("machine metadata path invalid");
  if (!path.starts_with('/') || middle == std::string_view::npos) {
    return invalid;
  }
  const auto id = path.substr(1, middle - 1);
  const auto key = path.substr(middle + kMiddle.size());
  if (middle == 0 || id.empty() || id.find('/') != std::string_view::npos || key.empty() ||
      !std::all_of(key.begin(), key.end(), is_key_character)) {
    return invalid;
  }
  return MetadataChange{std::string(id), std::string(key), {}};
}

Result<MetadataChange> read_change(View change) {
  const auto op = change["op"].string();
  if (op != "add" && op != "remove" && op != "replace") {
    return malformed("invalid op: expect add, remove, or replace");
  }
  TRY(auto read, read_path(change["path"].string()));
  if (op == "remove") {
    return read;
  }
  // fleet's own documents show a plain string; what it takes is an object around one.
  const View value = change["value"];
  const View text = value.is_object() ? value["value"] : value;
  if (!text.is_string() || text.string().empty()) {
    return malformed("invalid value: add and replace require a value");
  }
  read.value = std::string(text.string());
  return read;
}

bool is_ready(View node) {
  for (const View condition : node["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      return condition["status"].string() == "True";
    }
  }
  return false;
}

}  // namespace

DocumentPtr machine_object(std::string_view id, const unitfile::Overlay& overlay, View old) {
  object::TreeObject metadata;
  object::TreeArray hidden;
  for (const auto& [key, value] : overlay) {
    if (value) {
      metadata[key] = *value;
    } else {
      hidden.push_back(boost::json::value(key));
    }
  }
  object::Tree tree = old ? object::to_tree(old) : object::TreeObject{};
  auto& root = tree.as_object();
  root["apiVersion"] = "fleet.tetrarch.dev/v1";
  root["kind"] = "Machine";
  if (!root.contains("metadata")) {
    root["metadata"] = {{"name", id}};
  }
  root["spec"] = {{"metadata", std::move(metadata)}, {"hidden", std::move(hidden)}};
  return object::to_document(tree);
}

std::optional<Machine> machine_of(View node) {
  const auto id = node["status"]["nodeInfo"]["machineID"].string();
  if (id.empty() || !is_ready(node) ||
      node["metadata"]["labels"][marks::kHasSystemd].string() != "true") {
    return std::nullopt;
  }
  Machine machine{std::string(id), {}, {}};
  for (const View address : node["status"]["addresses"].elements()) {
    if (address["type"].string() == "InternalIP" && machine.address.empty()) {
      machine.address = address["address"].string();
    }
  }
  machine.metadata =
      unitfile::read_metadata(node["metadata"]["annotations"][marks::kStaticMetadata].string());
  return machine;
}

std::string machine_json(const Machine& machine) {
  std::string text;
  Writer out(text);
  out.begin_object().field("id", machine.id);
  if (!machine.metadata.empty()) {
    out.key("metadata").begin_object();
    for (const auto& [key, value] : machine.metadata) {
      out.field(key, value);
    }
    out.end_object();
  }
  if (!machine.address.empty()) {
    out.field("primaryIP", machine.address);
  }
  out.end_object();
  return text;
}

Result<std::vector<MetadataChange>> read_metadata_changes(std::string_view json) {
  auto parsed = Document::parse(json);
  if (!parsed) {
    return malformed("unable to decode body: " + parsed.error().message);
  }
  const View root = (*parsed)->root();
  if (!root.is_array()) {
    return malformed("unable to decode body: it is no array");
  }
  std::vector<MetadataChange> changes;
  for (const View change : root.elements()) {
    TRY(auto read, read_change(change));
    changes.push_back(std::move(read));
  }
  return changes;
}

}  // namespace tetrarch::api::fleet
