// SPDX-License-Identifier: Apache-2.0
#include "object/document_index.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "object/byte_scan.h"
#include "object/writer.h"

namespace tetrarch::object {
namespace {

struct Open {
  std::uint32_t container;
  std::uint32_t first_child;  ///< of its own, among the children of all that are open
  bool is_array;
};

/// A key or an element.
struct Child {
  std::uint32_t begin;
  std::uint32_t size;  ///< of the text of a key
};

/// Reused by the calls of one thread: an index is built in it and copied out at its exact size.
struct Scratch {
  std::vector<Container> containers;
  std::vector<std::uint32_t> places;
  std::vector<Open> open;       ///< containers around the current byte
  std::vector<Child> children;  ///< of the open containers
};

/// What a thread keeps after a large document.
constexpr std::size_t kScratchMax = 64 * 1024;

/// Decodes the inside of a JSON string that is known to be valid.
std::string decode_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto hex4 = [&](std::size_t at) {
    std::uint32_t value = 0;
    if (at + 4 <= text.size()) {
      std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
    }
    return value;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (const char c = text[++i]; c) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        std::uint32_t point = hex4(i + 1);
        i += 4;
        if (point >= 0xd800 && point < 0xdc00 && i + 6 < text.size() && text[i + 1] == '\\') {
          point = 0x10000 + ((point - 0xd800) << 10) + (hex4(i + 3) - 0xdc00);
          i += 6;
        }
        append_utf8(out, point);
        break;
      }
      default:
        out += c;
    }
  }
  return out;
}

/// A whole number of at most 18 digits, spelt as the Writer would.
bool is_plain_integer(std::string_view text) {
  const bool is_negative = text.front() == '-';
  text.remove_prefix(is_negative ? 1 : 0);
  if (text.empty() || text.size() > 18 ||
      (text.front() == '0' && (text.size() > 1 || is_negative))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool has_duplicates(std::string_view bytes, std::span<const Child> keys) {
  constexpr std::size_t kPairwiseMax = 24;
  const auto text = [bytes](const Child& key) { return bytes.substr(key.begin + 1, key.size); };
  if (keys.size() > kPairwiseMax) {
    std::unordered_set<std::string_view> seen;
    return !std::ranges::all_of(keys,
                                [&](const Child& key) { return seen.insert(text(key)).second; });
  }
  for (std::size_t i = 1; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (keys[i].size == keys[j].size && text(keys[i]) == text(keys[j])) {
        return true;
      }
    }
  }
  return false;
}

class Builder {
 public:
  /// `is_strict`: gives up at what is not canonical.
  Builder(std::string_view bytes, Scratch& scratch, bool is_strict)
      : bytes_(bytes), scratch_(scratch), is_strict_(is_strict) {
    scratch_.containers.clear();
    scratch_.open.clear();
    scratch_.children.clear();
    scratch_.places.clear();
  }

  std::unique_ptr<DocumentIndex> build();

 private:
  void open();
  bool close();
  bool take_string();
  bool take_scalar();
  void take_key(std::size_t begin, std::string_view text);
  void note_element();

  std::string_view bytes_;
  Scratch& scratch_;
  std::vector<DecodedText> decoded_;
  std::uint32_t metadata_offset_ = 0;
  std::size_t at_ = 0;
  bool is_strict_;
};

std::unique_ptr<DocumentIndex> Builder::build() {
  bool is_good = true;
  while (is_good && at_ < bytes_.size()) {
    switch (bytes_[at_]) {
      case '{':
      case '[':
        open();
        break;
      case '}':
      case ']':
        is_good = close();
        break;
      case ',':
      case ':':
        ++at_;
        break;
      case '"':
        is_good = take_string();
        break;
      default:
        is_good = take_scalar();
    }
  }
  if (!is_good || !scratch_.open.empty()) {
    return nullptr;
  }
  auto out = std::make_unique<DocumentIndex>();
  out->containers.assign(scratch_.containers.begin(), scratch_.containers.end());
  out->places.assign(scratch_.places.begin(), scratch_.places.end());
  out->decoded = std::move(decoded_);
  out->metadata_offset = metadata_offset_;
  return out;
}

/// Of the innermost container, if that is an array.
void Builder::note_element() {
  if (!scratch_.open.empty() && scratch_.open.back().is_array) {
    scratch_.children.push_back({static_cast<std::uint32_t>(at_), 0});
  }
}

void Builder::open() {
  note_element();
  const char next = at_ + 1 < bytes_.size() ? bytes_[at_ + 1] : '\0';
  if (!scratch_.open.empty() && (next == '}' || next == ']')) {
    at_ += 2;  // nothing to find inside: it is as good as a scalar
    return;
  }
  scratch_.open.push_back({static_cast<std::uint32_t>(scratch_.containers.size()),
                           static_cast<std::uint32_t>(scratch_.children.size()),
                           bytes_[at_] == '['});
  scratch_.containers.push_back({static_cast<std::uint32_t>(at_), 0, 0, 0});
  ++at_;
}

bool Builder::close() {
  if (scratch_.open.empty()) {
    return false;
  }
  const Open closed = scratch_.open.back();
  scratch_.open.pop_back();
  ++at_;
  const auto children = std::span(scratch_.children).subspan(closed.first_child);
  auto& container = scratch_.containers[closed.container];
  container.end = static_cast<std::uint32_t>(at_);
  container.first = static_cast<std::uint32_t>(scratch_.places.size());
  container.count = static_cast<std::uint32_t>(children.size());
  for (const Child& child : children) {
    scratch_.places.push_back(child.begin);
  }
  const bool is_good = !is_strict_ || closed.is_array || !has_duplicates(bytes_, children);
  scratch_.children.resize(closed.first_child);
  return is_good;
}

bool Builder::take_string() {
  note_element();
  const std::size_t begin = at_;
  bool has_escape = false;
  std::size_t end = find_special(bytes_, begin + 1);
  while (end < bytes_.size() && bytes_[end] == '\\') {
    const char escaped = end + 1 < bytes_.size() ? bytes_[end + 1] : '\0';
    // The Writer spells only rare control characters as \u00xx: whoever sends \u gets it printed
    // anew.
    if (is_strict_ && (escaped == 'u' || escaped == '/')) {
      return false;
    }
    has_escape = true;
    end = find_special(bytes_, end + 2);
  }
  if (end >= bytes_.size() || bytes_[end] != '"') {
    return false;
  }
  at_ = end + 1;
  const auto text = bytes_.substr(begin + 1, end - begin - 1);
  if (has_escape) {
    decoded_.push_back({static_cast<std::uint32_t>(begin), decode_escapes(text)});
  }
  if (at_ < bytes_.size() && bytes_[at_] == ':') {
    take_key(begin, text);
  }
  return true;
}

void Builder::take_key(std::size_t begin, std::string_view text) {
  scratch_.children.push_back(
      {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(text.size())});
  const bool is_metadata = scratch_.open.size() == 1 && text == "metadata";
  if (is_metadata && metadata_offset_ == 0 && bytes_.substr(at_ + 1).starts_with('{')) {
    metadata_offset_ = static_cast<std::uint32_t>(at_ + 2);
  }
}

bool Builder::take_scalar() {
  note_element();
  std::size_t end = at_;
  while (end < bytes_.size() && bytes_[end] != ',' && bytes_[end] != '}' && bytes_[end] != ']') {
    ++end;
  }
  const auto text = bytes_.substr(at_, end - at_);
  const bool is_number = text.front() == '-' || (text.front() >= '0' && text.front() <= '9');
  const bool is_word = text == "true" || text == "false" || text == "null";
  at_ = end;
  return is_word || (is_strict_ ? is_plain_integer(text) : is_number);
}

std::unique_ptr<DocumentIndex> build(std::string_view bytes, bool is_strict) {
  thread_local Scratch scratch;
  auto index = Builder(bytes, scratch, is_strict).build();
  if (scratch.containers.capacity() > kScratchMax || scratch.places.capacity() > kScratchMax) {
    scratch = {};
  }
  return index;
}

}  // namespace

std::unique_ptr<DocumentIndex> build_index(std::string_view canonical) {
  auto index = build(canonical, false);
  CHECK(index != nullptr);
  return index;
}

std::unique_ptr<DocumentIndex> build_index_if_canonical(std::string_view valid_json) {
  return build(valid_json, true);
}

}  // namespace tetrarch::object
