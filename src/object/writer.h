// SPDX-License-Identifier: Apache-2.0
// Writer: prints canonical JSON straight into a string. The caller keeps the calls well nested.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "object/document.h"

namespace tetrarch::object {

void append_utf8(std::string& out, std::uint32_t code_point);

class Writer {
 public:
  /// Appends to `out`, which outlives the writer.
  explicit Writer(std::string& out) : out_(out) {}

  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view name);
  Writer& string(std::string_view text);
  Writer& integer(std::int64_t value);
  Writer& unsigned_integer(std::uint64_t value);
  Writer& number(double value);  ///< shortest form that reads back the same
  Writer& boolean(bool value);
  Writer& null();
  /// A value that is canonical JSON already.
  Writer& raw(std::string_view json);

  Writer& view(View value) { return raw(value.raw()); }

  // A member and its value.
  Writer& field(std::string_view name, std::string_view text) { return key(name).string(text); }

  Writer& field(std::string_view name, const std::string& text) { return key(name).string(text); }

  Writer& field(std::string_view name, const char* text) { return key(name).string(text); }

  Writer& field(std::string_view name, std::int64_t value) { return key(name).integer(value); }

  Writer& field(std::string_view name, int value) { return key(name).integer(value); }

  Writer& field(std::string_view name, bool value) { return key(name).boolean(value); }

  Writer& field(std::string_view name, View value) { return key(name).view(value); }

 private:
  void separate();

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace tetrarch::object
