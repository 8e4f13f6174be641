// SPDX-License-Identifier: Apache-2.0
#include "schema/decode_scalar.h"

#include <limits>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "object/quantity.h"

namespace tetrarch::schema {

namespace {

using simdjson::dom::element_type;

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

/// How Go's JSON package calls what it met.
std::string value_text(Element value, bool is_for_number) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "array";
    case element_type::OBJECT:
      return "object";
    case element_type::STRING:
      return "string";
    case element_type::BOOL:
      return "bool";
    case element_type::NULL_VALUE:
      return "null";
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE:
      break;
  }
  return is_for_number ? "number " + simdjson::minify(value) : "number";
}

/// How Go calls the type that it wanted.
std::string go_type(const TypeRef& ref) {
  switch (ref.shape) {
    case Shape::boolean:
      return "bool";
    case Shape::int32:
      return "int32";
    case Shape::int64:
      return "int64";
    case Shape::number:
      return "float64";
    case Shape::bytes:
      return "[]uint8";
    case Shape::list:
      return "[]" + go_type(*ref.element);
    case Shape::map:
      return "map[string]" + go_type(*ref.element);
    case Shape::quantity:
      return "resource.Quantity";
    case Shape::time:
      return "v1.Time";
    case Shape::micro_time:
      return "v1.MicroTime";
    case Shape::int_or_string:
      return "intstr.IntOrString";
    case Shape::object: {
      const auto package = ref.type->full_name.substr(0, ref.type->full_name.rfind('.'));
      return package.substr(package.rfind('.') + 1) + "." + ref.type->name;
    }
    case Shape::string:
    case Shape::any:
      break;
  }
  return "string";
}

Result<std::int64_t> integer_of(const TypeRef& ref, Element value, const Step& at) {
  std::int64_t number = 0;
  if (value.get_int64().get(number) != simdjson::SUCCESS) {
    return mismatch(value, ref, at);
  }
  const bool is_small = number >= std::numeric_limits<std::int32_t>::min() &&
                        number <= std::numeric_limits<std::int32_t>::max();
  if (ref.shape == Shape::int32 && !is_small) {
    return mismatch(value, ref, at);
  }
  return number;
}

/// In canonical form, as a kube-apiserver prints it: "1000m" is "1" and "0.5Gi" is "512Mi". So what
/// a client reads and sends back, or applies again, is the same text.
/// Source: Kubernetes API reference, Quantity, "canonical form".
Status write_amount(object::Writer& writer, std::string_view text) {
  const auto parsed = object::Quantity::parse(text);
  if (!parsed.ok()) {
    return malformed(parsed.error().message);
  }
  writer.string(parsed->text());
  return ok();
}

Status write_quantity(object::Writer& writer, const TypeRef& ref, Element value, const Step& at) {
  if (value.is_number()) {
    return write_amount(writer, simdjson::minify(value));
  }
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    return mismatch(value, ref, at);
  }
  return write_amount(writer, text);
}

Status write_int_or_string(object::Writer& writer, Element value, const Step& at) {
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) {
    writer.string(text);
    return ok();
  }
  TRY(const auto number, integer_of(TypeRef{Shape::int32}, value, at));
  writer.integer(number);
  return ok();
}

Status write_bytes(object::Writer& writer, std::string_view text) {
  const auto decoded = base64_decode(text);
  if (!decoded.ok()) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\r\n";
    const auto bad = text.find_first_not_of(kAlphabet);
    return malformed(
        fmt::format("illegal base64 data at input byte {}", bad == text.npos ? text.size() : bad));
  }
  if (text.find_first_of("\r\n") != text.npos) {
    writer.string(base64_encode(*decoded));
  } else {
    writer.string(text);
  }
  return ok();
}

Status write_time(object::Writer& writer, Shape shape, std::string_view text) {
  const auto time = parse_time(text);
  if (!time.ok()) {
    const auto* layout =
        shape == Shape::time ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
    return malformed(fmt::format(
        "parsing time \"{}\" as \"{}\": cannot parse \"{}\" as \"2006\"", text, layout, text));
  }
  writer.string(shape == Shape::time ? format_time(*time) : format_micro_time(*time));
  return ok();
}

Status write_text(object::Writer& writer, const TypeRef& ref, Element value, const Step& at) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    return mismatch(value, ref, at);
  }
  switch (ref.shape) {
    case Shape::bytes:
      return write_bytes(writer, text);
    case Shape::time:
    case Shape::micro_time:
      return write_time(writer, ref.shape, text);
    default:
      writer.string(text);
      return ok();
  }
}

}  // namespace

Error mismatch(Element value, const TypeRef& ref, const Step& at) {
  const bool is_for_number =
      ref.shape == Shape::int32 || ref.shape == Shape::int64 || ref.shape == Shape::number;
  // Go names fields only: no indexes, no keys of maps.
  std::string path;
  std::string_view holder;
  for (const Step* step = &at; step != nullptr; step = step->parent) {
    if (step->holder != nullptr) {
      holder = holder.empty() ? std::string_view{step->holder->name} : holder;
      path = path.empty() ? std::string{step->name} : fmt::format("{}.{}", step->name, path);
    }
  }
  if (holder.empty()) {
    return malformed(fmt::format("json: cannot unmarshal {} into Go value of type {}",
                                 value_text(value, is_for_number),
                                 go_type(ref)));
  }
  return malformed(fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}",
                               value_text(value, is_for_number),
                               holder,
                               path,
                               go_type(ref)));
}

Status write_scalar(object::Writer& writer, const TypeRef& ref, Element value, const Step& at) {
  switch (ref.shape) {
    case Shape::boolean: {
      bool is_true = false;
      if (value.get_bool().get(is_true) != simdjson::SUCCESS) {
        return mismatch(value, ref, at);
      }
      writer.boolean(is_true);
      return ok();
    }
    case Shape::int32:
    case Shape::int64: {
      TRY(const auto number, integer_of(ref, value, at));
      writer.integer(number);
      return ok();
    }
    case Shape::number: {
      double number = 0;
      if (value.get_double().get(number) != simdjson::SUCCESS) {
        return mismatch(value, ref, at);
      }
      writer.number(number);
      return ok();
    }
    case Shape::quantity:
      return write_quantity(writer, ref, value, at);
    case Shape::int_or_string:
      return write_int_or_string(writer, value, at);
    default:
      return write_text(writer, ref, value, at);
  }
}

}  // namespace tetrarch::schema
