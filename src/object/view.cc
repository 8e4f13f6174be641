// SPDX-License-Identifier: Apache-2.0
// View: how a document is looked into, by its index and its bytes.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "object/byte_scan.h"
#include "object/document.h"

namespace tetrarch::object {
namespace {

/// One past the closing quote of the string that begins at `begin`.
std::uint32_t string_end(std::string_view bytes, std::uint32_t begin) {
  auto at = find_special(bytes, begin + 1);
  while (bytes[at] == '\\') {
    at = find_special(bytes, at + 2);
  }
  return static_cast<std::uint32_t>(at + 1);
}

std::string_view string_text(const DocumentIndex& index,
                             std::string_view bytes,
                             std::uint32_t begin) {
  const auto at = find_special(bytes, begin + 1);
  if (bytes[at] == '"') {
    return bytes.substr(begin + 1, at - begin - 1);
  }
  return std::ranges::lower_bound(index.decoded, begin, {}, &DecodedText::begin)->text;
}

/// Of a number or a word.
std::uint32_t scalar_end(std::string_view bytes, std::uint32_t begin) {
  auto at = begin;
  while (at < bytes.size() && bytes[at] != ',' && bytes[at] != '}' && bytes[at] != ']') {
    ++at;
  }
  return at;
}

/// Of a document with escapes: the key may be one whose bytes are not its spelling.
View decoded_member(const View& object, std::string_view key) {
  if (find_special(key, 0) == key.size()) {
    return {};
  }
  for (const auto member : object.members()) {
    if (member.key == key) {
      return member.value;
    }
  }
  return {};
}

}  // namespace

Kind View::kind() const {
  if (document_ == nullptr) {
    return Kind::absent;
  }
  switch (document_->bytes_[begin_]) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

bool View::is_bare() const {
  const char next = document_->bytes_[begin_ + 1];
  return next == '}' || next == ']';
}

const Container& View::container() const {
  static constexpr Container kBare{};
  return is_bare() ? kBare : document_->index().containers[container_];
}

View View::inside(std::uint32_t begin) const {
  const char first = document_->bytes_[begin];
  const View there{document_, begin, 0};
  if ((first != '{' && first != '[') || there.is_bare()) {
    return there;
  }
  const auto& containers = document_->index().containers;
  const auto found = std::ranges::lower_bound(
      containers.begin() + container_ + 1, containers.end(), begin, {}, &Container::begin);
  return {document_, begin, static_cast<std::uint32_t>(found - containers.begin())};
}

std::uint32_t View::end() const {
  switch (document_->bytes_[begin_]) {
    case '{':
    case '[':
      return is_bare() ? begin_ + 2 : container().end;
    case '"':
      return string_end(document_->bytes_, begin_);
    default:
      return scalar_end(document_->bytes_, begin_);
  }
}

View View::operator[](std::string_view key) const {
  if (!is_object()) {
    return {};
  }
  const DocumentIndex& index = document_->index();
  const std::string_view bytes = document_->bytes_;
  const Container& here = container();
  const char first = key.empty() ? '"' : key.front();
  for (std::uint32_t i = here.first; i < here.first + here.count; ++i) {
    const std::size_t name = index.places[i] + 1;
    const std::size_t end = name + key.size();
    // The quote first: bytes are compared of the one member that it is, and hardly of another.
    if (end < bytes.size() && bytes[end] == '"' && bytes[name] == first &&
        std::memcmp(bytes.data() + name, key.data(), key.size()) == 0) {
      if (find_special(bytes, name) == end) {
        return inside(static_cast<std::uint32_t>(end) + 2);
      }
      break;  // the key's bytes are not its spelling
    }
  }
  return index.decoded.empty() ? View() : decoded_member(*this, key);
}

View View::at(std::size_t place) const {
  if (!is_array() || place >= container().count) {
    return {};
  }
  return inside(document_->index().places[container().first + place]);
}

View View::find(std::string_view dotted_path) const {
  View at = *this;
  while (!dotted_path.empty() && at.exists()) {
    const auto dot = dotted_path.find('.');
    at = at[dotted_path.substr(0, dot)];
    dotted_path = dot == std::string_view::npos ? "" : dotted_path.substr(dot + 1);
  }
  return at;
}

std::size_t View::size() const {
  return is_object() || is_array() ? container().count : 0;
}

std::string_view View::string(std::string_view fallback) const {
  if (kind() != Kind::string) {
    return fallback;
  }
  return string_text(document_->index(), document_->bytes_, begin_);
}

/// A fraction is cut off; what 64 bits cannot hold is no integer.
std::int64_t View::integer(std::int64_t fallback) const {
  if (kind() != Kind::number) {
    return fallback;
  }
  const auto text = raw();
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) {
    return fallback;
  }
  if (rest == text.data() + text.size()) {
    return value;
  }
  constexpr double kLimit = 9'223'372'036'854'775'808.0;  // 2^63
  const double real = number();
  return real >= -kLimit && real < kLimit ? static_cast<std::int64_t>(real) : fallback;
}

double View::number(double fallback) const {
  if (kind() != Kind::number) {
    return fallback;
  }
  const auto text = raw();
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool View::boolean(bool fallback) const {
  return kind() == Kind::boolean ? raw() == "true" : fallback;
}

std::string_view View::raw() const {
  if (document_ == nullptr) {
    return "null";
  }
  return std::string_view(document_->bytes_).substr(begin_, end() - begin_);
}

View::ElementRange View::elements() const {
  return is_array() ? ElementRange(*this, container().first, container().count)
                    : ElementRange(*this, 0, 0);
}

View::MemberRange View::members() const {
  return is_object() ? MemberRange(*this, container().first, container().count)
                     : MemberRange(*this, 0, 0);
}

View View::ElementRange::Iterator::operator*() const {
  return array.inside(array.document_->index().places[place]);
}

Member View::MemberRange::Iterator::operator*() const {
  const DocumentIndex& index = object.document_->index();
  const std::string_view bytes = object.document_->bytes_;
  const std::uint32_t begin = index.places[place];
  return {string_text(index, bytes, begin), object.inside(string_end(bytes, begin) + 1)};
}

}  // namespace tetrarch::object
