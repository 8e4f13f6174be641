// SPDX-License-Identifier: Apache-2.0
#include "schema/protobuf_numbers.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "schema/builtin_tables.h"
#include "schema/table_line.h"

namespace tetrarch::schema {

namespace {

using Messages = std::map<std::string, ProtobufMessage, std::less<>>;

/// `name=4`, `name=4!` or `*Type=4`; an embedded type is of the same package and gets its (maybe
/// still empty) place.
Result<ProtobufField> read_field(std::string_view word,
                                 std::string_view package,
                                 Messages& messages) {
  ProtobufField field;
  auto text = word;
  if (text.ends_with('!')) {
    field.is_zero_given = true;
    text.remove_suffix(1);
  }
  const auto equals = text.find('=');
  const auto digits = equals == text.npos ? text : text.substr(equals + 1);
  const auto* end = digits.data() + digits.size();
  const auto [stop, code] = std::from_chars(digits.data(), end, field.number);
  if (equals == text.npos || equals == 0 || code != std::errc{} || stop != end) {
    return Error{Code::invalid, fmt::format("\"{}\" is no field=number", word)};
  }
  field.name = text.substr(0, equals);
  if (field.name.starts_with('*')) {
    field.embedded = &messages[fmt::format("{}.{}", package, field.name.substr(1))];
  }
  return field;
}

}  // namespace

const ProtobufField* ProtobufMessage::field(std::uint32_t number) const {
  const auto is_before = [](const ProtobufField& one, std::uint32_t wanted) {
    return one.number < wanted;
  };
  const auto at = std::lower_bound(fields.begin(), fields.end(), number, is_before);
  return at == fields.end() || at->number != number ? nullptr : &*at;
}

const Result<ProtobufNumbers>& ProtobufNumbers::builtin() {
  static const auto numbers = read(builtin_protobuf_numbers());
  return numbers;
}

Result<ProtobufNumbers> ProtobufNumbers::read(std::string_view table) {
  ProtobufNumbers numbers;
  for (const auto& text : split_list(table, '\n')) {
    const auto words = split_table_line(text).words;
    if (words.empty()) {
      continue;
    }
    const std::string_view name = words[0];
    auto& message = numbers.messages_[words[0]];
    for (std::size_t i = 1; i < words.size(); ++i) {
      TRY(auto field, read_field(words[i], name.substr(0, name.rfind('.')), numbers.messages_));
      message.fields.push_back(std::move(field));
    }
    std::sort(message.fields.begin(), message.fields.end(), [](const auto& a, const auto& b) {
      return a.number < b.number;
    });
  }
  return numbers;
}

const ProtobufMessage* ProtobufNumbers::find(std::string_view full_name) const {
  const auto at = messages_.find(full_name);
  return at == messages_.end() ? nullptr : &at->second;
}

}  // namespace tetrarch::schema
