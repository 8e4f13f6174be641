// SPDX-License-Identifier: Apache-2.0
#include "schema/protobuf_reader.h"

#include <fmt/format.h>

namespace tetrarch::schema {

namespace {

constexpr std::uint64_t kNumberMax = (1U << 29) - 1;

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

}  // namespace

Result<std::uint64_t> ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) {
      return malformed("protobuf: the message ends in the middle of a number");
    }
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return malformed("protobuf: a number has more than 64 bits");
}

Result<std::string_view> ProtobufReader::take(std::uint64_t size) {
  if (size > rest_.size()) {
    return malformed("protobuf: the message ends in the middle of a field");
  }
  const auto taken = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(taken.size());
  return taken;
}

Result<WireField> ProtobufReader::next() {
  TRY(const auto tag, varint());
  if ((tag >> 3) == 0 || (tag >> 3) > kNumberMax) {
    return malformed(fmt::format("protobuf: {} is no field number", tag >> 3));
  }
  WireField field{static_cast<std::uint32_t>(tag >> 3), static_cast<Wire>(tag & 7)};
  switch (field.wire) {
    case Wire::varint: {
      TRY(field.value, varint());
      return field;
    }
    case Wire::bytes: {
      TRY(const auto size, varint());
      TRY(field.bytes, take(size));
      return field;
    }
    case Wire::fixed64: {
      TRY(field.bytes, take(8));
      return field;
    }
    case Wire::fixed32: {
      TRY(field.bytes, take(4));
      return field;
    }
  }
  // Ours: groups (3 and 4) are refused too; nothing of Kubernetes ever had one.
  return malformed(fmt::format("protobuf: wire type {} of field {}", tag & 7, field.number));
}

Result<SmallMessage> SmallMessage::read(std::string_view message) {
  SmallMessage out;
  for (ProtobufReader reader(message); !reader.is_at_end();) {
    TRY(const auto field, reader.next());
    if (field.number < out.fields_.size()) {
      out.fields_[field.number] = field;
    }
  }
  return out;
}

Result<std::uint64_t> SmallMessage::varint(std::size_t number) const {
  const auto& field = fields_[number];
  if (field.number != 0 && field.wire != Wire::varint) {
    return wrong_wire(field);
  }
  return field.value;
}

Result<std::string_view> SmallMessage::bytes(std::size_t number) const {
  const auto& field = fields_[number];
  if (field.number != 0 && field.wire != Wire::bytes) {
    return wrong_wire(field);
  }
  return field.bytes;
}

Error wrong_wire(const WireField& field) {
  return malformed(fmt::format(
      "protobuf: wrong wire type {} of field {}", static_cast<unsigned>(field.wire), field.number));
}

}  // namespace tetrarch::schema
