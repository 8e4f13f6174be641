// SPDX-License-Identifier: Apache-2.0
// Decoder: walks a parsed body and its type together and writes the canonical object: fields in the
// order of the tables, map keys sorted, so that equal objects have equal bytes. One per call of
// decode(); internal to the room (simdjson in the header).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/writer.h"
#include "schema/computed_defaults.h"
#include "schema/decode.h"
#include "schema/siblings.h"
#include "schema/step.h"

namespace tetrarch::schema {

class Decoder {
 public:
  Decoder(object::Writer& writer, Unknown unknown, bool fills_defaults = true)
      : writer_(&writer), unknown_(unknown), fills_defaults_(fills_defaults) {}

  /// The whole object, kind and apiVersion first. The body is an object.
  Status write_top(const Kind& kind, Element body);

  /// Unknown and duplicate fields, in the words of a strict decoding error. Empty under
  /// Unknown::ignore.
  const std::vector<std::string>& complaints() const { return complaints_; }

  const std::string& resource_version() const { return resource_version_; }

 private:
  Status write_value(const TypeRef& ref, Element value, const Step& at, const Scope* scope);
  Status write_any(Element value);
  Status write_object(const Type& type, Element value, const Step& at, const Scope* parent);
  Status write_empty_object(const Type& type, const Step& at, const Scope* parent);
  Status write_field(const Scope& scope, std::size_t place, const Step* parent);
  Status write_default(const Field& field,
                       std::string_view json,
                       const Scope& scope,
                       const Step& at);
  Status write_filled_map(const Field& field,
                          const Computed& computed,
                          const Slot& slot,
                          const Scope& scope,
                          const Step& at);
  Status write_list(const TypeRef& ref, Element value, const Step& at, const Scope* scope);
  Status write_map(const TypeRef& ref, Element value, const Step& at, const Scope* scope);
  Status write_zero(const TypeRef& ref, const Step& at, const Scope* scope);
  Result<Scope> read_members(const Type& type, Element value, const Step& at, const Scope* parent);
  /// The value as it would be written, on its own.
  Result<std::string> written(const TypeRef& ref,
                              Element value,
                              const Step& at,
                              const Scope* scope);
  void complain(std::string_view what, const Step& at, std::string_view name);

  object::Writer* writer_;
  Unknown unknown_;
  bool fills_defaults_;
  std::vector<std::string> complaints_;
  std::string resource_version_;
};

}  // namespace tetrarch::schema
