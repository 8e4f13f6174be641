// SPDX-License-Identifier: Apache-2.0
// What schema/protobuf.numbers says: which field of a type has which number in Kubernetes' protobuf
// form. Internal to the room.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::schema {

struct ProtobufMessage;

struct ProtobufField {
  std::uint32_t number = 0;
  std::string name;  ///< in JSON
  bool is_zero_given =
      false;  ///< a zero is a value; elsewhere Go's encoder writes zeros of its own
  const ProtobufMessage* embedded = nullptr;  ///< whose fields are fields of the outer type
};

struct ProtobufMessage {
  std::vector<ProtobufField> fields;  ///< by number
  const ProtobufField* field(std::uint32_t number) const;
};

/// Immutable once read; shared by all threads.
class ProtobufNumbers {
 public:
  /// The table built into the binary.
  static const Result<ProtobufNumbers>& builtin();
  static Result<ProtobufNumbers> read(std::string_view table);
  /// By the type's full name; nullptr: there is none.
  const ProtobufMessage* find(std::string_view full_name) const;

 private:
  /// Nodes stay where they are: embedded messages are pointed to.
  std::map<std::string, ProtobufMessage, std::less<>> messages_;
};

}  // namespace tetrarch::schema
