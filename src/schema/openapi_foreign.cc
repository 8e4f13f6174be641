// SPDX-License-Identifier: Apache-2.0
// Source of the members: OpenAPI 2.0, "Schema"; of the rule what belongs where: kube-aggregator
// pkg/controllers/openapi/aggregator (1.35).
#include "schema/openapi_foreign.h"

#include <array>

namespace tetrarch::schema {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;
using object::View;

/// Deeper than any type is that clients can use.
constexpr int kDepthMax = 32;

void take_texts(TreeObject& out, View from, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    if (const View value = from[name]; value.is_string()) {
      out[name] = value.string();
    }
  }
}

void take_text_lists(TreeObject& out, View from, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    TreeArray list;
    for (const View each : from[name].elements()) {
      if (each.is_string()) {
        list.emplace_back(each.string());
      }
    }
    if (!list.empty()) {
      out[name] = std::move(list);
    }
  }
}

void take_truths(TreeObject& out, View from, std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    if (from[name].boolean()) {
      out[name] = true;
    }
  }
}

void take_extensions(TreeObject& out, View from) {
  for (const auto [name, value] : from.members()) {
    if (name.starts_with("x-")) {
      out[name] = object::to_tree(value);
    }
  }
}

TreeObject schema_from(View from, int depth) {
  TreeObject out;
  take_texts(out, from, {"$ref", "format", "description", "type"});
  take_text_lists(out, from, {"required", "enum"});
  take_extensions(out, from);
  if (depth == kDepthMax) {
    return out;
  }
  for (const auto* name : {"items", "additionalProperties"}) {
    if (const View inner = from[name]; inner.is_object()) {
      out[name] = schema_from(inner, depth + 1);
    }
  }
  if (const View properties = from["properties"]; properties.is_object()) {
    TreeObject all;
    for (const auto [name, value] : properties.members()) {
      all[name] = schema_from(value, depth + 1);
    }
    out["properties"] = std::move(all);
  }
  return out;
}

TreeArray parameters_from(View from) {
  TreeArray out;
  for (const View each : from["parameters"].elements()) {
    const auto in = each["in"].string();
    if (in != "body" && in != "path" && in != "query") {
      continue;  // also one by reference: nothing that clients ask for
    }
    TreeObject parameter;
    take_texts(parameter, each, {"name", "in", "description", "type"});
    take_truths(parameter, each, {"required", "uniqueItems"});
    if (in == "body") {
      parameter["schema"] = schema_from(each["schema"], 0);
    }
    out.push_back(std::move(parameter));
  }
  return out;
}

TreeObject responses_from(View from) {
  TreeObject out;
  for (const auto [code, value] : from.members()) {
    TreeObject answer;
    take_texts(answer, value, {"description"});
    if (const View body = value["schema"]; body.is_object()) {
      answer["schema"] = schema_from(body, 0);
    }
    out[code] = std::move(answer);
  }
  return out;
}

TreeObject operation_from(View from) {
  TreeObject out;
  take_texts(out, from, {"description", "operationId"});
  take_text_lists(out, from, {"tags", "produces", "consumes"});
  if (auto parameters = parameters_from(from); !parameters.empty()) {
    out["parameters"] = std::move(parameters);
  }
  out["responses"] = responses_from(from["responses"]);
  take_extensions(out, from);
  return out;
}

TreeObject path_from(View from) {
  constexpr auto kMethods =
      std::to_array<std::string_view>({"get", "put", "post", "delete", "patch"});
  TreeObject out;
  for (const auto method : kMethods) {
    if (const View operation = from[method]; operation.is_object()) {
      out[method] = operation_from(operation);
    }
  }
  if (auto parameters = parameters_from(from); !parameters.empty()) {
    out["parameters"] = std::move(parameters);
  }
  return out;
}

bool is_below(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace

void add_foreign(TreeObject& document, const ForeignApi& from) {
  const View theirs = from.document->root();
  auto& paths = document["paths"].as_object();
  for (const auto [path, value] : theirs["paths"].members()) {
    if (is_below(path, from.root)) {
      paths.insert_or_assign(path, path_from(value));
    }
  }
  auto& definitions = document["definitions"].as_object();
  for (const auto [name, value] : theirs["definitions"].members()) {
    if (!definitions.contains(name)) {
      definitions[name] = schema_from(value, 0);
    }
  }
}

}  // namespace tetrarch::schema
