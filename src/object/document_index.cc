// SPDX-License-Identifier: Apache-2.0
#include "object/document_index.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "object/byte_scan.h"
#include "object/writer.h"

namespace tetrarch::object {
namespace {

/// Reused by the calls of one thread: an index is built in it and copied out at its exact size.
struct Scratch {
  std::vector<Node> nodes;
  std::vector<std::uint32_t> open;  ///< containers around the current byte
};

/// What a thread keeps after a large document.
constexpr std::size_t kScratchNodesMax = 64 * 1024;

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

class Builder {
 public:
  /// `is_strict`: gives up at what is not canonical.
  Builder(std::string_view bytes, Scratch& scratch, bool is_strict)
      : bytes_(bytes), nodes_(scratch.nodes), open_(scratch.open), is_strict_(is_strict) {
    nodes_.clear();
    open_.clear();
  }

  std::unique_ptr<DocumentIndex> build();

 private:
  bool add_string();
  bool add_scalar();
  bool close();
  bool has_duplicate_keys(std::uint32_t object) const;
  std::uint32_t find_metadata() const;

  void add(std::size_t begin, std::size_t end, Kind kind, std::uint32_t escaped = 0) {
    nodes_.push_back({static_cast<std::uint32_t>(begin),
                      static_cast<std::uint32_t>(end),
                      static_cast<std::uint32_t>(nodes_.size() + 1),
                      static_cast<std::uint32_t>(kind) & 7U,
                      escaped & 0x1fffffffU});
  }

  std::string_view text_of(const Node& node) const {
    return bytes_.substr(node.begin, node.end - node.begin);
  }

  std::string_view bytes_;
  std::vector<Node>& nodes_;
  std::vector<std::uint32_t>& open_;
  std::vector<std::string> decoded_;
  std::size_t at_ = 0;
  bool is_strict_;
};

std::unique_ptr<DocumentIndex> Builder::build() {
  bool is_good = true;
  while (is_good && at_ < bytes_.size()) {
    switch (const char c = bytes_[at_]; c) {
      case '{':
      case '[':
        open_.push_back(static_cast<std::uint32_t>(nodes_.size()));
        add(at_, at_, c == '{' ? Kind::object : Kind::array);
        ++at_;
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
        is_good = add_string();
        break;
      default:
        is_good = add_scalar();
    }
  }
  if (!is_good || !open_.empty()) {
    return nullptr;
  }
  auto out = std::make_unique<DocumentIndex>();
  out->nodes.assign(nodes_.begin(), nodes_.end());
  out->decoded = std::move(decoded_);
  out->metadata_offset = find_metadata();
  return out;
}

bool Builder::add_string() {
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
  if (has_escape) {
    decoded_.push_back(decode_escapes(bytes_.substr(begin + 1, end - begin - 1)));
  }
  add(begin, at_, Kind::string, has_escape ? static_cast<std::uint32_t>(decoded_.size()) : 0);
  return true;
}

bool Builder::add_scalar() {
  std::size_t end = at_;
  while (end < bytes_.size() && bytes_[end] != ',' && bytes_[end] != '}' && bytes_[end] != ']') {
    ++end;
  }
  const auto text = bytes_.substr(at_, end - at_);
  const bool is_number = text.front() == '-' || (text.front() >= '0' && text.front() <= '9');
  const bool is_word = text == "true" || text == "false" || text == "null";
  if (is_strict_ ? !is_word && !is_plain_integer(text) : !is_word && !is_number) {
    return false;
  }
  add(at_, end, is_number ? Kind::number : text == "null" ? Kind::null : Kind::boolean);
  at_ = end;
  return true;
}

bool Builder::close() {
  if (open_.empty()) {
    return false;
  }
  const auto container = open_.back();
  open_.pop_back();
  ++at_;
  nodes_[container].end = static_cast<std::uint32_t>(at_);
  nodes_[container].next = static_cast<std::uint32_t>(nodes_.size());
  return !is_strict_ || nodes_[container].kind != static_cast<std::uint32_t>(Kind::object) ||
         !has_duplicate_keys(container);
}

bool Builder::has_duplicate_keys(std::uint32_t object) const {
  constexpr std::uint32_t kPairwiseMax = 24;
  const auto end = static_cast<std::uint32_t>(nodes_.size());
  std::uint32_t count = 0;
  std::unordered_set<std::string_view> seen;
  for (std::uint32_t at = object + 1; at + 1 < end; at = nodes_[at + 1].next, ++count) {
    const auto key = text_of(nodes_[at]);
    if (count < kPairwiseMax) {
      for (std::uint32_t other = object + 1; other != at; other = nodes_[other + 1].next) {
        if (text_of(nodes_[other]) == key) {
          return true;
        }
      }
      continue;
    }
    if (seen.empty()) {
      for (std::uint32_t other = object + 1; other != at; other = nodes_[other + 1].next) {
        seen.insert(text_of(nodes_[other]));
      }
    }
    if (!seen.insert(key).second) {
      return true;
    }
  }
  return false;
}

std::uint32_t Builder::find_metadata() const {
  constexpr auto kObject = static_cast<std::uint32_t>(Kind::object);
  if (nodes_.empty() || nodes_[0].kind != kObject) {
    return 0;
  }
  for (std::uint32_t at = 1; at + 1 < nodes_[0].next; at = nodes_[at + 1].next) {
    if (text_of(nodes_[at]) == "\"metadata\"" && nodes_[at + 1].kind == kObject) {
      return nodes_[at + 1].begin + 1;
    }
  }
  return 0;
}

std::unique_ptr<DocumentIndex> build(std::string_view bytes, bool is_strict) {
  thread_local Scratch scratch;
  auto index = Builder(bytes, scratch, is_strict).build();
  if (scratch.nodes.capacity() > kScratchNodesMax) {
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
