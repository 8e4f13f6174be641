// SPDX-License-Identifier: Apache-2.0
#include "schema/protobuf_message.h"

#include <algorithm>
#include <map>
#include <simdjson.h>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "object/document.h"

namespace tetrarch::schema {

namespace {

constexpr int kDepthMax = 100;

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

Error at_field(const Field& field, Error error) {
  error.message = fmt::format("{} (in {})", error.message, field.name);
  return error;
}

bool is_number(Shape shape) {
  return shape == Shape::boolean || shape == Shape::int32 || shape == Shape::int64;
}

Status check_wire(Shape shape, const WireField& field) {
  if (field.wire != (is_number(shape) ? Wire::varint : Wire::bytes)) {
    return wrong_wire(field);
  }
  return ok();
}

/// What Go's encoder writes for a field that was never set: fields that are no pointers are always
/// there, and JSON leaves their zeros out (times as null).
bool is_unset(Shape shape, const WireField& wire, bool is_zero_given) {
  switch (shape) {
    case Shape::string:
    case Shape::bytes:
      return !is_zero_given && wire.bytes.empty();
    case Shape::boolean:
    case Shape::int32:
    case Shape::int64:
      return !is_zero_given && wire.value == 0;
    case Shape::time:
    case Shape::micro_time:
    case Shape::any:
      return wire.bytes.empty();
    default:
      return false;
  }
}

}  // namespace

Status check_text(std::string_view text) {
  if (!simdjson::validate_utf8(text)) {
    return malformed("protobuf: a string is not UTF-8");
  }
  return ok();
}

Status MessageWriter::write_members(const Type& type, std::string_view message, int depth) {
  const auto* numbers = numbers_->find(type.full_name);
  if (numbers == nullptr) {
    return Error{Code::internal, fmt::format("{} has no protobuf numbers", type.full_name)};
  }
  std::vector<Given> given;
  TRY_STATUS(gather(type, *numbers, message, depth, given));
  std::stable_sort(given.begin(), given.end(), [](const Given& a, const Given& b) {
    return a.field < b.field;  // of one vector: the order of the table
  });
  for (auto first = given.cbegin(); first != given.cend();) {
    const auto is_other = [&](const Given& one) { return one.field != first->field; };
    const auto last = std::find_if(first, given.cend(), is_other);
    if (auto status = write_run(first, last, depth); !status.ok()) {
      return at_field(*first->field, std::move(status).error());
    }
    first = last;
  }
  return ok();
}

Status MessageWriter::gather(const Type& type,
                             const ProtobufMessage& numbers,
                             std::string_view message,
                             int depth,
                             std::vector<Given>& out) const {
  if (depth > kDepthMax) {
    return malformed(fmt::format("protobuf: messages are nested more than {} deep", kDepthMax));
  }
  for (ProtobufReader reader(message); !reader.is_at_end();) {
    TRY(const auto wire, reader.next());
    const auto* known = numbers.field(wire.number);
    if (known == nullptr) {
      continue;
    }
    if (known->embedded != nullptr) {
      if (wire.wire != Wire::bytes) {
        return wrong_wire(wire);
      }
      TRY_STATUS(gather(type, *known->embedded, wire.bytes, depth + 1, out));
    } else if (const auto* field = type.field(known->name)) {
      out.push_back({field, known->is_zero_given, wire});
    }
  }
  return ok();
}

Status MessageWriter::write_run(Run first, Run last, int depth) {
  const auto& ref = first->field->ref;
  if (ref.shape == Shape::list) {
    writer_->key(first->field->name);
    return write_list(*ref.element, first, last, depth);
  }
  if (ref.shape == Shape::map) {
    writer_->key(first->field->name);
    return write_map(*ref.element, first, last, depth);
  }
  return write_single(first, last, depth);
}

/// Source: Protocol Buffers, Encoding, "Last One Wins": of numbers and texts the last counts;
/// messages are merged, which is to read them as one.
Status MessageWriter::write_single(Run first, Run last, int depth) {
  const auto& ref = first->field->ref;
  auto wire = (last - 1)->wire;
  TRY_STATUS(check_wire(ref.shape, wire));
  std::string merged;
  const bool is_text = ref.shape == Shape::string || ref.shape == Shape::bytes;
  if (last - first > 1 && !is_text && !is_number(ref.shape)) {
    for (auto at = first; at != last; ++at) {
      merged += at->wire.bytes;
    }
    wire.bytes = merged;
  }
  if (is_unset(ref.shape, wire, first->is_zero_given)) {
    return ok();
  }
  writer_->key(first->field->name);
  return write_value(ref, wire, depth);
}

/// Numbers may stand one by one or packed, as in Go.
Status MessageWriter::write_list(const TypeRef& element, Run first, Run last, int depth) {
  writer_->begin_array();
  for (auto at = first; at != last; ++at) {
    if (!is_number(element.shape) || at->wire.wire != Wire::bytes) {
      TRY_STATUS(write_value(element, at->wire, depth));
      continue;
    }
    for (ProtobufReader reader(at->wire.bytes); !reader.is_at_end();) {
      TRY(const auto value, reader.varint());
      TRY_STATUS(write_number(element.shape, value));
    }
  }
  writer_->end_array();
  return ok();
}

/// Source: Protocol Buffers, Encoding, "Maps": a repeated entry with key 1 and value 2; what is
/// absent is zero, and the last entry of a key counts.
Status MessageWriter::write_map(const TypeRef& element, Run first, Run last, int depth) {
  std::map<std::string_view, WireField> entries;
  for (auto at = first; at != last; ++at) {
    if (at->wire.wire != Wire::bytes) {
      return wrong_wire(at->wire);
    }
    TRY(const auto entry, SmallMessage::read(at->wire.bytes));
    TRY(const auto key, entry.bytes(1));
    TRY_STATUS(check_text(key));
    auto value = entry.field(2);
    if (value.number == 0) {
      value.wire = is_number(element.shape) ? Wire::varint : Wire::bytes;
    }
    entries[key] = value;
  }
  writer_->begin_object();
  for (const auto& [key, value] : entries) {
    writer_->key(key);
    TRY_STATUS(write_value(element, value, depth));
  }
  writer_->end_object();
  return ok();
}

Status MessageWriter::write_value(const TypeRef& ref, const WireField& wire, int depth) {
  TRY_STATUS(check_wire(ref.shape, wire));
  if (is_number(ref.shape)) {
    return write_number(ref.shape, wire.value);
  }
  return write_text(ref, wire.bytes, depth);
}

Status MessageWriter::write_number(Shape shape, std::uint64_t value) {
  if (shape == Shape::boolean) {
    writer_->boolean(value != 0);
  } else if (shape == Shape::int32) {
    writer_->integer(static_cast<std::int32_t>(value));  // as Go: what does not fit is cut off
  } else {
    writer_->integer(static_cast<std::int64_t>(value));
  }
  return ok();
}

Status MessageWriter::write_text(const TypeRef& ref, std::string_view bytes, int depth) {
  switch (ref.shape) {
    case Shape::string:
      return write_string(bytes);
    case Shape::bytes:
      writer_->string(base64_encode(bytes));
      return ok();
    case Shape::time:
    case Shape::micro_time:
      return write_time(bytes, ref.shape == Shape::micro_time);
    case Shape::quantity: {
      // Source: k8s.io/apimachinery v0.36.3, pkg/api/resource Quantity: string 1.
      TRY(const auto quantity, SmallMessage::read(bytes));
      TRY(const auto text, quantity.bytes(1));
      return write_string(quantity.field(1).number == 0 ? "0" : text);
    }
    case Shape::int_or_string:
      return write_int_or_string(bytes);
    case Shape::any:
      return write_any(bytes);
    case Shape::object:
      writer_->begin_object();
      TRY_STATUS(write_members(*ref.type, bytes, depth + 1));
      writer_->end_object();
      return ok();
    case Shape::list:
      return write_string_list(bytes);
    default:
      return Error{Code::internal, "protobuf: a shape that no table has here"};
  }
}

Status MessageWriter::write_string(std::string_view text) {
  TRY_STATUS(check_text(text));
  writer_->string(text);
  return ok();
}

/// Source: k8s.io/apimachinery v0.36.3, pkg/apis/meta/v1 Time and MicroTime: seconds 1, nanos 2;
/// only MicroTime looks at the latter, in whole microseconds.
Status MessageWriter::write_time(std::string_view message, bool is_micro) {
  constexpr std::int64_t kFirst = -62'135'596'800;  // 0001-01-01T00:00:00Z
  constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31T23:59:59Z
  TRY(const auto time, SmallMessage::read(message));
  TRY(const auto seconds_value, time.varint(1));
  TRY(const auto nanos_value, time.varint(2));
  const auto seconds = static_cast<std::int64_t>(seconds_value);
  const auto nanos = static_cast<std::int32_t>(nanos_value);
  if (seconds < kFirst || seconds > kLast || nanos < 0 || nanos > 999'999'999) {
    return malformed("protobuf: a time is outside the years 1 to 9999");
  }
  const TimePoint point{std::chrono::seconds(seconds)};
  writer_->string(is_micro ? format_micro_time(point + std::chrono::microseconds(nanos / 1000))
                           : format_time(point));
  return ok();
}

/// Source: k8s.io/apimachinery v0.36.3, pkg/util/intstr IntOrString: type 1 (0 a number, 1 a text),
/// intVal 2, strVal 3.
Status MessageWriter::write_int_or_string(std::string_view message) {
  TRY(const auto value, SmallMessage::read(message));
  TRY(const auto type, value.varint(1));
  TRY(const auto number, value.varint(2));
  TRY(const auto text, value.bytes(3));
  if (type > 1) {
    return malformed(fmt::format("protobuf: type {} of an IntOrString", type));
  }
  return type == 1 ? write_string(text) : write_number(Shape::int32, number);
}

/// Source: k8s.io/apimachinery v0.36.3, pkg/runtime RawExtension and pkg/apis/meta/v1 FieldsV1:
/// JSON text as field 1.
Status MessageWriter::write_any(std::string_view message) {
  TRY(const auto extension, SmallMessage::read(message));
  TRY(const auto json, extension.bytes(1));
  if (json.empty()) {
    writer_->null();
    return ok();
  }
  const auto parsed = object::Document::parse(json);
  if (!parsed.ok()) {
    return malformed("protobuf: free content is no JSON: " + parsed.error().message);
  }
  writer_->raw((*parsed)->bytes());
  return ok();
}

/// A list that is the value of a map is a message of its own. Source: k8s.io/api v0.36.3,
/// authentication/v1 and authorization/v1 ExtraValue: items 1.
Status MessageWriter::write_string_list(std::string_view message) {
  writer_->begin_array();
  for (ProtobufReader reader(message); !reader.is_at_end();) {
    TRY(const auto item, reader.next());
    if (item.number != 1) {
      continue;
    }
    if (item.wire != Wire::bytes) {
      return wrong_wire(item);
    }
    TRY_STATUS(write_string(item.bytes));
  }
  writer_->end_array();
  return ok();
}

}  // namespace tetrarch::schema
