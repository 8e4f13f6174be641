// SPDX-License-Identifier: Apache-2.0
#include "schema/openapi_schemas.h"

#include <algorithm>
#include <map>

#include <boost/json/parse.hpp>

namespace tetrarch::schema {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";
constexpr std::string_view kQuantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
constexpr std::string_view kIntOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
constexpr std::string_view kRawExtension = "io.k8s.apimachinery.pkg.runtime.RawExtension";

std::string meta(std::string_view name) {
  return std::string{kMeta}.append(name);
}

TreeArray strings(const std::vector<std::string>& texts) {
  TreeArray out;
  for (const auto& text : texts) {
    out.emplace_back(text);
  }
  return out;
}

/// Scalars that have a definition of their own, so that `kubectl explain` can name them.
std::string scalar_definition(const Field& field, Shape shape) {
  switch (shape) {
    case Shape::time:
      return meta("Time");
    case Shape::micro_time:
      return meta("MicroTime");
    case Shape::quantity:
      return std::string{kQuantity};
    case Shape::int_or_string:
      return std::string{kIntOrString};
    case Shape::any:
      return field.name == "fieldsV1" ? meta("FieldsV1") : std::string{kRawExtension};
    default:
      return {};
  }
}

TreeObject one_of(std::string_view first, std::string_view second) {
  return {{"oneOf", TreeArray{TreeObject{{"type", first}}, TreeObject{{"type", second}}}}};
}

std::map<std::string, TreeObject> scalar_schemas(OpenApi version) {
  const TreeObject time{
      {"description", "A moment in RFC 3339 form."}, {"type", "string"}, {"format", "date-time"}};
  const TreeObject free{{"description", "Free JSON."}, {"type", "object"}};
  TreeObject quantity{{"type", "string"}};
  TreeObject int_or_string{{"type", "string"}};
  if (version == OpenApi::v3) {
    quantity = one_of("string", "number");
    int_or_string = one_of("integer", "string");
  }
  quantity["description"] = "An amount such as 500m, 2 or 1Gi.";
  int_or_string["description"] = "A number, or a string such as a name or a percentage.";
  int_or_string["format"] = "int-or-string";
  return {{meta("Time"), time},
          {meta("MicroTime"), time},
          {meta("FieldsV1"), free},
          {std::string{kRawExtension}, free},
          {std::string{kQuantity}, quantity},
          {std::string{kIntOrString}, int_or_string}};
}

/// Collects the schemas of what it is asked for and of everything below.
class Builder {
 public:
  Builder(OpenApi version, const Catalog& catalog)
      : version_(version), catalog_(catalog), scalars_(scalar_schemas(version)) {
    for (const auto& kind : catalog.kinds()) {
      kinds_of_[kind->type].push_back(kind.get());
    }
  }

  void add(const Type& type) {
    if (!schemas_.try_emplace(type.full_name).second) {
      return;
    }
    TreeObject properties;
    TreeArray required;
    for (const auto& field : type.fields) {
      properties[field.name] = property(field);
      if (field.is_required || field.is_expected) {
        required.emplace_back(field.name);
      }
    }
    TreeObject schema{{"type", "object"}};
    if (!type.doc.empty()) {
      schema["description"] = type.doc;
    }
    if (!required.empty()) {
      schema["required"] = std::move(required);
    }
    schema["properties"] = std::move(properties);
    if (type.is_atomic) {
      schema["x-kubernetes-map-type"] = "atomic";
    }
    add_kinds(schema, type);
    schemas_[type.full_name] = std::move(schema);
  }

  void add_list(const Kind& kind) {
    add(*catalog_.type(meta("ListMeta")));
    const TreeObject text{{"type", "string"}};
    TreeObject properties{{"apiVersion", text}, {"kind", text}};
    properties["items"] =
        TreeObject{{"type", "array"}, {"items", schema_reference(version_, kind.type->full_name)}};
    properties["metadata"] = schema_reference(version_, meta("ListMeta"));
    const auto name = list_type_name(kind);
    schemas_[name] = TreeObject{
        {"type", "object"},
        {"description", "A list of objects of kind " + kind.kind + "."},
        {"required", TreeArray{"items"}},
        {"properties", std::move(properties)},
        {"x-kubernetes-group-version-kind",
         TreeArray{group_version_kind(kind.group, kind.version, kind.kind + "List")}},
    };
  }

  TreeObject take() {
    // What kubectl sends as a patch has no type of its own.
    schemas_[meta("Patch")] =
        TreeObject{{"type", "object"}, {"description", "A patch in the form of its content type."}};
    TreeObject out;
    for (auto& [name, schema] : schemas_) {
      out[name] = std::move(schema);
    }
    return out;
  }

 private:
  void add_kinds(TreeObject& schema, const Type& type) {
    const auto at = kinds_of_.find(&type);
    if (at == kinds_of_.end()) {
      return;
    }
    TreeArray names;
    for (const auto* kind : at->second) {
      names.push_back(group_version_kind(kind->group, kind->version, kind->kind));
    }
    schema["x-kubernetes-group-version-kind"] = std::move(names);
  }

  TreeObject reference(const std::string& full_name) {
    if (const auto at = scalars_.find(full_name); at != scalars_.end()) {
      schemas_.emplace(full_name, at->second);
    }
    return schema_reference(version_, full_name);
  }

  TreeObject value_schema(const Field& field, const TypeRef& ref) {
    if (ref.shape == Shape::object) {
      add(*ref.type);
      return reference(ref.type->full_name);
    }
    if (const auto name = scalar_definition(field, ref.shape); !name.empty()) {
      return reference(name);
    }
    switch (ref.shape) {
      case Shape::list:
        return {{"type", "array"}, {"items", value_schema(field, *ref.element)}};
      case Shape::map:
        return {{"type", "object"}, {"additionalProperties", value_schema(field, *ref.element)}};
      case Shape::boolean:
        return {{"type", "boolean"}};
      case Shape::int32:
        return {{"type", "integer"}, {"format", "int32"}};
      case Shape::int64:
        return {{"type", "integer"}, {"format", "int64"}};
      case Shape::number:
        return {{"type", "number"}, {"format", "double"}};
      case Shape::bytes:
        return {{"type", "string"}, {"format", "byte"}};
      default:
        return {{"type", "string"}};
    }
  }

  TreeObject property(const Field& field) {
    auto schema = value_schema(field, field.ref);
    if (version_ == OpenApi::v3 && schema.contains("$ref")) {
      // In version 3 nothing may stand beside a $ref.
      schema = TreeObject{{"allOf", TreeArray{std::move(schema)}}};
    }
    if (!field.doc.empty()) {
      schema["description"] = field.doc;
    }
    add_default(schema, field);
    add_extensions(schema, field);
    return schema;
  }

  /// Published in version 3 only, where it is a plain value (Source: KEP-1929); a computed default
  /// depends on the object.
  void add_default(TreeObject& schema, const Field& field) const {
    const std::string_view value = field.default_json;
    if (version_ == OpenApi::v3 && !value.empty() && !value.starts_with('@')) {
      schema["default"] = boost::json::parse(value);
    }
  }

  static void add_extensions(TreeObject& schema, const Field& field) {
    if (!field.choices.empty() && !field.choices.front().empty()) {
      schema["enum"] = strings(field.choices);
    }
    if (!field.patch_merge_key.empty()) {
      schema["x-kubernetes-patch-merge-key"] = field.patch_merge_key;
    }
    if (!field.patch_strategy.empty()) {
      schema["x-kubernetes-patch-strategy"] = field.patch_strategy;
    }
    if (field.list_type != ListType::unset) {
      constexpr std::string_view kNames[] = {"", "atomic", "set", "map"};
      schema["x-kubernetes-list-type"] = kNames[static_cast<std::size_t>(field.list_type)];
    }
    if (!field.list_map_keys.empty()) {
      schema["x-kubernetes-list-map-keys"] = strings(field.list_map_keys);
    }
    if (field.is_atomic_map) {
      schema["x-kubernetes-map-type"] = "atomic";
    } else if (field.is_granular_map) {
      schema["x-kubernetes-map-type"] = "granular";
    }
  }

  OpenApi version_;
  const Catalog& catalog_;
  std::map<std::string, TreeObject> scalars_;
  std::map<const Type*, std::vector<const Kind*>> kinds_of_;
  std::map<std::string, TreeObject> schemas_;
};

}  // namespace

TreeObject schema_reference(OpenApi version, std::string_view full_name) {
  std::string place = version == OpenApi::v2 ? "#/definitions/" : "#/components/schemas/";
  return {{"$ref", place.append(full_name)}};
}

TreeObject group_version_kind(std::string_view group,
                              std::string_view version,
                              std::string_view kind) {
  return {{"group", group}, {"kind", kind}, {"version", version}};
}

std::string list_type_name(const Kind& kind) {
  return kind.type->full_name + "List";
}

bool has_list(const Kind& kind) {
  return !kind.plural.empty() && kind.has_verb("list");
}

TreeObject schemas_of(OpenApi version,
                      const Catalog& catalog,
                      const std::vector<const Kind*>& kinds) {
  Builder builder{version, catalog};
  for (const auto* kind : kinds) {
    builder.add(*kind->type);
    if (has_list(*kind)) {
      builder.add_list(*kind);
    }
  }
  for (const auto* name : {"Status", "DeleteOptions"}) {
    builder.add(*catalog.type(meta(name)));
  }
  return builder.take();
}

}  // namespace tetrarch::schema
