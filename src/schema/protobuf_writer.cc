// SPDX-License-Identifier: Apache-2.0
#include "schema/protobuf_writer.h"

namespace tetrarch::schema {

namespace {

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kLengthDelimited = 2;

}  // namespace

void ProtobufWriter::varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  bytes_ += static_cast<char>(value);
}

ProtobufWriter& ProtobufWriter::text(std::uint32_t field, std::string_view value) {
  varint((field << 3) | kLengthDelimited);
  varint(value.size());
  bytes_.append(value);
  return *this;
}

ProtobufWriter& ProtobufWriter::boolean(std::uint32_t field, bool value) {
  varint((field << 3) | kVarint);
  varint(value ? 1 : 0);
  return *this;
}

}  // namespace tetrarch::schema
