// SPDX-License-Identifier: Apache-2.0
// The OpenAPI 2 document as protobuf. Source of all field numbers: google/gnostic,
// openapiv2/OpenAPIv2.proto (package openapi.v2); the message is named above each function.
// Extensions and enum values travel as YAML text, which JSON is.
#include "object/tree.h"
#include "schema/openapi.h"
#include "schema/openapi_v2_tree.h"
#include "schema/protobuf_writer.h"

namespace tetrarch::schema {

namespace {

using object::Tree;
using object::TreeObject;

std::string_view text_of(const Tree& value) {
  const auto& text = value.as_string();
  return {text.data(), text.size()};
}

std::string_view text_of(const TreeObject& holder, std::string_view name) {
  const auto* found = holder.if_contains(name);
  return found == nullptr ? std::string_view{} : text_of(*found);
}

void put_text(ProtobufWriter& out,
              std::uint32_t field,
              const TreeObject& holder,
              std::string_view name) {
  if (const auto text = text_of(holder, name); !text.empty()) {
    out.text(field, text);
  }
}

void put_texts(ProtobufWriter& out,
               std::uint32_t field,
               const TreeObject& holder,
               std::string_view name) {
  if (const auto* list = holder.if_contains(name); list != nullptr) {
    for (const auto& each : list->as_array()) {
      out.text(field, text_of(each));
    }
  }
}

void put_true(ProtobufWriter& out,
              std::uint32_t field,
              const TreeObject& holder,
              std::string_view name) {
  if (const auto* found = holder.if_contains(name); found != nullptr && found->as_bool()) {
    out.boolean(field, true);
  }
}

/// Any { yaml = 2 }
ProtobufWriter any(const Tree& value) {
  ProtobufWriter out;
  out.text(2, object::to_json(value));
  return out;
}

/// Named… { name = 1, value = 2 }
ProtobufWriter named(std::string_view name, const ProtobufWriter& value) {
  ProtobufWriter out;
  out.text(1, name).message(2, value);
  return out;
}

/// Every member that starts with x-, as NamedAny.
void put_extensions(ProtobufWriter& out, std::uint32_t field, const TreeObject& holder) {
  for (const auto& member : holder) {
    if (member.key().starts_with("x-")) {
      out.message(field, named(member.key(), any(member.value())));
    }
  }
}

/// Schema { _ref = 1, format = 2, description = 4, required = 19, enum = 20, additional_properties
/// = 21, type = 22, items = 23, properties = 25, vendor_extension = 31 }; AdditionalPropertiesItem
/// { schema = 1 }; TypeItem { value = 1 }; ItemsItem { schema = 1 }; Properties {
/// additional_properties = 1 }
ProtobufWriter schema(const TreeObject& from) {
  ProtobufWriter out;
  put_text(out, 1, from, "$ref");
  put_text(out, 2, from, "format");
  put_text(out, 4, from, "description");
  put_texts(out, 19, from, "required");
  if (const auto* values = from.if_contains("enum"); values != nullptr) {
    for (const auto& value : values->as_array()) {
      out.message(20, any(value));
    }
  }
  if (const auto* element = from.if_contains("additionalProperties"); element != nullptr) {
    out.message(21, ProtobufWriter{}.message(1, schema(element->as_object())));
  }
  if (const auto type = text_of(from, "type"); !type.empty()) {
    out.message(22, ProtobufWriter{}.text(1, type));
  }
  if (const auto* element = from.if_contains("items"); element != nullptr) {
    out.message(23, ProtobufWriter{}.message(1, schema(element->as_object())));
  }
  if (const auto* properties = from.if_contains("properties"); properties != nullptr) {
    ProtobufWriter all;
    for (const auto& member : properties->as_object()) {
      all.message(1, named(member.key(), schema(member.value().as_object())));
    }
    out.message(25, all);
  }
  put_extensions(out, 31, from);
  return out;
}

/// QueryParameterSubSchema { required = 1, in = 2, description = 3, name = 4, type = 6,
/// unique_items = 20 }; PathParameterSubSchema { required = 1, in = 2, description = 3, name = 4,
/// type = 5, unique_items = 19 }; NonBodyParameter { query_parameter_sub_schema = 3,
/// path_parameter_sub_schema = 4 }
ProtobufWriter non_body_parameter(const TreeObject& from) {
  const bool is_path = text_of(from, "in") == "path";
  ProtobufWriter inner;
  put_true(inner, 1, from, "required");
  put_text(inner, 2, from, "in");
  put_text(inner, 3, from, "description");
  put_text(inner, 4, from, "name");
  put_text(inner, is_path ? 5 : 6, from, "type");
  put_true(inner, is_path ? 19 : 20, from, "uniqueItems");
  ProtobufWriter out;
  out.message(is_path ? 4 : 3, inner);
  return out;
}

/// BodyParameter { name = 2, in = 3, required = 4, schema = 5 }
ProtobufWriter body_parameter(const TreeObject& from) {
  ProtobufWriter out;
  put_text(out, 2, from, "name");
  put_text(out, 3, from, "in");
  put_true(out, 4, from, "required");
  out.message(5, schema(from.at("schema").as_object()));
  return out;
}

/// ParametersItem { parameter = 1 }; Parameter { body_parameter = 1, non_body_parameter = 2 }
void put_parameters(ProtobufWriter& out, std::uint32_t field, const TreeObject& holder) {
  const auto* parameters = holder.if_contains("parameters");
  if (parameters == nullptr) {
    return;
  }
  for (const auto& each : parameters->as_array()) {
    const auto& from = each.as_object();
    ProtobufWriter parameter;
    if (text_of(from, "in") == "body") {
      parameter.message(1, body_parameter(from));
    } else {
      parameter.message(2, non_body_parameter(from));
    }
    out.message(field, ProtobufWriter{}.message(1, parameter));
  }
}

/// Responses { response_code = 1 }; ResponseValue { response = 1 }; Response { description = 1,
/// schema = 2 }; SchemaItem { schema = 1 }
ProtobufWriter responses(const TreeObject& from) {
  ProtobufWriter out;
  for (const auto& member : from) {
    const auto& answer = member.value().as_object();
    ProtobufWriter response;
    put_text(response, 1, answer, "description");
    if (const auto* body = answer.if_contains("schema"); body != nullptr) {
      response.message(2, ProtobufWriter{}.message(1, schema(body->as_object())));
    }
    out.message(1, named(member.key(), ProtobufWriter{}.message(1, response)));
  }
  return out;
}

/// Operation { tags = 1, operation_id = 5, produces = 6, consumes = 7, parameters = 8, responses =
/// 9, vendor_extension = 13 }
ProtobufWriter operation(const TreeObject& from) {
  ProtobufWriter out;
  put_texts(out, 1, from, "tags");
  put_text(out, 5, from, "operationId");
  put_texts(out, 6, from, "produces");
  put_texts(out, 7, from, "consumes");
  put_parameters(out, 8, from);
  out.message(9, responses(from.at("responses").as_object()));
  put_extensions(out, 13, from);
  return out;
}

/// PathItem { get = 2, put = 3, post = 4, delete = 5, patch = 8, parameters = 9 }
ProtobufWriter path_item(const TreeObject& from) {
  ProtobufWriter out;
  constexpr std::pair<std::string_view, std::uint32_t> kMethods[] = {
      {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  for (const auto& [method, field] : kMethods) {
    if (const auto* found = from.if_contains(method); found != nullptr) {
      out.message(field, operation(found->as_object()));
    }
  }
  put_parameters(out, 9, from);
  return out;
}

}  // namespace

/// Document { swagger = 1, info = 2, paths = 8, definitions = 9 }; Info { title = 1, version = 2 };
/// Paths { path = 2 }; Definitions { additional_properties = 1 }
std::string openapi_v2_protobuf(const Catalog& catalog, const std::vector<ForeignApi>& others) {
  const auto tree = openapi_v2_tree(catalog, others);
  const auto& info = tree.at("info").as_object();
  ProtobufWriter paths;
  for (const auto& member : tree.at("paths").as_object()) {
    paths.message(2, named(member.key(), path_item(member.value().as_object())));
  }
  ProtobufWriter definitions;
  for (const auto& member : tree.at("definitions").as_object()) {
    definitions.message(1, named(member.key(), schema(member.value().as_object())));
  }
  ProtobufWriter out;
  out.text(1, text_of(tree, "swagger"));
  out.message(2,
              ProtobufWriter{}.text(1, text_of(info, "title")).text(2, text_of(info, "version")));
  out.message(8, paths).message(9, definitions);
  return out.bytes();
}

}  // namespace tetrarch::schema
