// SPDX-License-Identifier: Apache-2.0
// Reads the fields of one protobuf message off untrusted bytes. Internal to the room.
// Source: Protocol Buffers, Encoding (varints, tags, wire types 0, 1, 2 and 5).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tetrarch::schema {

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct WireField {
  std::uint32_t number = 0;  ///< 0: there is none
  Wire wire = Wire::varint;
  std::uint64_t value = 0;      ///< of a varint
  std::string_view bytes = {};  ///< of the others; lies in the message
};

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : rest_(message) {}

  bool is_at_end() const { return rest_.empty(); }

  Result<WireField> next();
  Result<std::uint64_t> varint();

 private:
  Result<std::string_view> take(std::uint64_t size);

  std::string_view rest_;
};

/// The last value of each of the fields 1 to 4; others are passed over.
class SmallMessage {
 public:
  static Result<SmallMessage> read(std::string_view message);

  const WireField& field(std::size_t number) const { return fields_[number]; }

  /// 0 where it is absent.
  Result<std::uint64_t> varint(std::size_t number) const;
  /// "" where it is absent.
  Result<std::string_view> bytes(std::size_t number) const;

 private:
  std::array<WireField, 5> fields_;
};

Error wrong_wire(const WireField& field);

}  // namespace tetrarch::schema
