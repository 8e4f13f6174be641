// SPDX-License-Identifier: Apache-2.0
// Walks a protobuf message and its type together and writes JSON. One per body; internal to the
// room.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/writer.h"
#include "schema/catalog.h"
#include "schema/protobuf_numbers.h"
#include "schema/protobuf_reader.h"

namespace tetrarch::schema {

class MessageWriter {
 public:
  MessageWriter(object::Writer& writer, const ProtobufNumbers& numbers)
      : writer_(&writer), numbers_(&numbers) {}

  /// The members of an object, without its braces: in the order of the table, each once.
  Status write_members(const Type& type, std::string_view message, int depth);

 private:
  /// One occurrence of a field. Messages repeat fields for lists and maps, and may for others.
  struct Given {
    const Field* field;
    bool is_zero_given;
    WireField wire;
  };

  using Run = std::vector<Given>::const_iterator;

  Status gather(const Type& type,
                const ProtobufMessage& numbers,
                std::string_view message,
                int depth,
                std::vector<Given>& out) const;
  Status write_run(Run first, Run last, int depth);
  Status write_single(Run first, Run last, int depth);
  Status write_list(const TypeRef& element, Run first, Run last, int depth);
  Status write_map(const TypeRef& element, Run first, Run last, int depth);
  Status write_value(const TypeRef& ref, const WireField& wire, int depth);
  Status write_number(Shape shape, std::uint64_t value);
  Status write_text(const TypeRef& ref, std::string_view bytes, int depth);
  Status write_string(std::string_view text);
  Status write_time(std::string_view message, bool is_micro);
  Status write_int_or_string(std::string_view message);
  Status write_any(std::string_view message);
  Status write_string_list(std::string_view message);

  object::Writer* writer_;
  const ProtobufNumbers* numbers_;
};

/// Malformed unless it is UTF-8.
Status check_text(std::string_view text);

}  // namespace tetrarch::schema
