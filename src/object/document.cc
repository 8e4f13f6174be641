// SPDX-License-Identifier: Apache-2.0
#include "object/document.h"

#include <charconv>

#include <simdjson.h>

#include "base/check.h"
#include "object/writer.h"

namespace tetrarch::object {
namespace {

/// Decodes the inside of a JSON string that is known to be valid.
std::string decode_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto hex4 = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
    return value;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (const char c = text[++i]; c) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
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
      default: out += c;
    }
  }
  return out;
}

void write_element(Writer& writer, simdjson::dom::element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::OBJECT:
      writer.begin_object();
      for (const auto field : simdjson::dom::object(element)) {
        writer.key(field.key);
        write_element(writer, field.value);
      }
      writer.end_object();
      return;
    case simdjson::dom::element_type::ARRAY:
      writer.begin_array();
      for (const auto item : simdjson::dom::array(element)) {
        write_element(writer, item);
      }
      writer.end_array();
      return;
    case simdjson::dom::element_type::STRING: writer.string(std::string_view(element)); return;
    case simdjson::dom::element_type::INT64: writer.integer(std::int64_t(element)); return;
    case simdjson::dom::element_type::UINT64: writer.unsigned_integer(std::uint64_t(element)); return;
    case simdjson::dom::element_type::DOUBLE: writer.number(double(element)); return;
    case simdjson::dom::element_type::BOOL: writer.boolean(bool(element)); return;
    case simdjson::dom::element_type::NULL_VALUE: writer.null(); return;
  }
}

}  // namespace

Result<DocumentPtr> Document::parse(std::string_view json) {
  constexpr std::size_t kDepthMax = 512;
  simdjson::dom::parser parser;
  if (parser.allocate(json.size() + 1, kDepthMax) != simdjson::SUCCESS) {
    return Error{Code::too_large, "JSON document is too large"};
  }
  simdjson::dom::element root;
  if (const auto error = parser.parse(json.data(), json.size()).get(root); error) {
    return Error{Code::malformed, std::string("invalid JSON: ") + simdjson::error_message(error)};
  }
  std::string bytes;
  bytes.reserve(json.size());
  Writer writer(bytes);
  write_element(writer, root);
  return from_canonical(std::move(bytes));
}

DocumentPtr Document::from_canonical(std::string bytes) { return std::make_shared<const Document>(std::move(bytes)); }

Document::~Document() { delete index_.load(); }  // NOLINT: the atomic owns it

View Document::root() const { return index().nodes.empty() ? View() : View(this, 0); }

std::uint32_t Document::metadata_offset() const { return index().metadata_offset; }

const Document::Index& Document::index() const {
  const Index* found = index_.load(std::memory_order_acquire);
  if (found == nullptr) {
    auto built = build_index(bytes_);
    if (index_.compare_exchange_strong(found, built.get(), std::memory_order_acq_rel)) {
      found = built.release();
    }
  }
  return *found;
}

std::unique_ptr<Document::Index> Document::build_index(std::string_view bytes) {
  auto index = std::make_unique<Index>();
  auto& nodes = index->nodes;
  nodes.reserve(bytes.size() / 20 + 4);
  std::vector<std::uint32_t> open;  // containers around the current byte
  const auto add = [&](std::size_t begin, std::size_t end, Kind kind) {
    nodes.push_back({static_cast<std::uint32_t>(begin),
                     static_cast<std::uint32_t>(end),
                     static_cast<std::uint32_t>(nodes.size() + 1),
                     static_cast<std::uint32_t>(kind) & 7U,
                     0});
  };
  for (std::size_t i = 0; i < bytes.size();) {
    const char c = bytes[i];
    if (c == '{' || c == '[') {
      open.push_back(static_cast<std::uint32_t>(nodes.size()));
      add(i, i, c == '{' ? Kind::object : Kind::array);
      ++i;
    } else if (c == '}' || c == ']') {
      ++i;
      CHECK(!open.empty());
      nodes[open.back()].end = static_cast<std::uint32_t>(i);
      nodes[open.back()].next = static_cast<std::uint32_t>(nodes.size());
      open.pop_back();
    } else if (c == ',' || c == ':') {
      ++i;
    } else if (c == '"') {
      std::size_t end = i + 1;
      bool has_escape = false;
      while (bytes[end] != '"') {
        has_escape |= bytes[end] == '\\';
        end += bytes[end] == '\\' ? 2 : 1;
      }
      add(i, end + 1, Kind::string);
      if (has_escape) {
        index->decoded.push_back(decode_escapes(bytes.substr(i + 1, end - i - 1)));
        nodes.back().escaped = static_cast<std::uint32_t>(index->decoded.size()) & 0x1fffffffU;
      }
      i = end + 1;
    } else {
      std::size_t end = i;
      while (end < bytes.size() && bytes[end] != ',' && bytes[end] != '}' && bytes[end] != ']') {
        ++end;
      }
      add(i, end, c == 't' || c == 'f' ? Kind::boolean : c == 'n' ? Kind::null : Kind::number);
      i = end;
    }
  }
  nodes.shrink_to_fit();
  if (!nodes.empty() && nodes[0].kind == static_cast<std::uint32_t>(Kind::object)) {
    for (std::uint32_t at = 1; at < nodes[0].next; at = nodes[at + 1].next) {
      const auto key = bytes.substr(nodes[at].begin, nodes[at].end - nodes[at].begin);
      if (key == "\"metadata\"" && nodes[at + 1].kind == static_cast<std::uint32_t>(Kind::object)) {
        index->metadata_offset = nodes[at + 1].begin + 1;
        break;
      }
    }
  }
  return index;
}

Kind View::kind() const { return document_ == nullptr ? Kind::absent : static_cast<Kind>(node().kind); }

View View::operator[](std::string_view key) const {
  for (const auto [name, value] : members()) {
    if (name == key) {
      return value;
    }
  }
  return {};
}

View View::at(std::size_t place) const {
  for (const View element : elements()) {
    if (place-- == 0) {
      return element;
    }
  }
  return {};
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
  std::size_t count = 0;
  for (auto it = elements().begin(); it != elements().end(); ++it) {
    ++count;
  }
  for (auto it = members().begin(); it != members().end(); ++it) {
    ++count;
  }
  return count;
}

std::string_view View::string(std::string_view fallback) const {
  if (kind() != Kind::string) {
    return fallback;
  }
  const Node& at = node();
  if (at.escaped != 0) {
    return document_->index().decoded[at.escaped - 1];
  }
  return std::string_view(document_->bytes()).substr(at.begin + 1, at.end - at.begin - 2);
}

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
  return rest == text.data() + text.size() ? value : static_cast<std::int64_t>(number());
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

bool View::boolean(bool fallback) const { return kind() == Kind::boolean ? raw() == "true" : fallback; }

std::string_view View::raw() const {
  if (document_ == nullptr) {
    return "null";
  }
  return std::string_view(document_->bytes()).substr(node().begin, node().end - node().begin);
}

View::ElementRange View::elements() const {
  return is_array() ? ElementRange(document_, node_ + 1, node().next) : ElementRange(document_, 0, 0);
}

View::MemberRange View::members() const {
  return is_object() ? MemberRange(document_, node_ + 1, node().next) : MemberRange(document_, 0, 0);
}

View::ElementRange::Iterator& View::ElementRange::Iterator::operator++() {
  node = document->index().nodes[node].next;
  return *this;
}

View::MemberRange::Iterator& View::MemberRange::Iterator::operator++() {
  node = document->index().nodes[node + 1].next;
  return *this;
}

}  // namespace tetrarch::object
