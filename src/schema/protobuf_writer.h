// SPDX-License-Identifier: Apache-2.0
// The few wire forms of protobuf that we write by hand. Source: Protocol Buffers, Encoding (wire
// types 0 and 2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tetrarch::schema {

class ProtobufWriter {
 public:
  ProtobufWriter& text(std::uint32_t field, std::string_view value);
  ProtobufWriter& boolean(std::uint32_t field, bool value);

  ProtobufWriter& message(std::uint32_t field, const ProtobufWriter& value) {
    return text(field, value.bytes_);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value);

  std::string bytes_;
};

}  // namespace tetrarch::schema
