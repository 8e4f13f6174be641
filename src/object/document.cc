// SPDX-License-Identifier: Apache-2.0
#include "object/document.h"

#include <algorithm>
#include <simdjson.h>
#include <unordered_map>
#include <unordered_set>

#include "object/document_index.h"
#include "object/writer.h"

namespace tetrarch::object {
namespace {

using Element = simdjson::dom::element;
using Member = simdjson::dom::key_value_pair;

void write_element(Writer& writer, Element element);

bool has_duplicate_keys(simdjson::dom::object object) {
  std::unordered_set<std::string_view> seen;
  for (const auto member : object) {
    if (!seen.insert(member.key).second) {
      return true;
    }
  }
  return false;
}

/// Of a member that is there twice: its first place, its last value.
void write_object(Writer& writer, simdjson::dom::object object) {
  writer.begin_object();
  if (!has_duplicate_keys(object)) {
    for (const auto member : object) {
      writer.key(member.key);
      write_element(writer, member.value);
    }
    writer.end_object();
    return;
  }
  std::vector<Member> members;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const auto member : object) {
    const auto [place, is_new] = places.emplace(member.key, members.size());
    if (is_new) {
      members.push_back(member);
    } else {
      members[place->second].value = member.value;
    }
  }
  for (const auto& member : members) {
    writer.key(member.key);
    write_element(writer, member.value);
  }
  writer.end_object();
}

void write_element(Writer& writer, Element element) {
  switch (element.type()) {
    case simdjson::dom::element_type::OBJECT:
      write_object(writer, element);
      return;
    case simdjson::dom::element_type::ARRAY:
      writer.begin_array();
      for (const auto item : simdjson::dom::array(element)) {
        write_element(writer, item);
      }
      writer.end_array();
      return;
    case simdjson::dom::element_type::STRING:
      writer.string(std::string_view(element));
      return;
    case simdjson::dom::element_type::INT64:
      writer.integer(std::int64_t(element));
      return;
    case simdjson::dom::element_type::UINT64:
      writer.unsigned_integer(std::uint64_t(element));
      return;
    case simdjson::dom::element_type::DOUBLE:
      writer.number(double(element));
      return;
    case simdjson::dom::element_type::BOOL:
      writer.boolean(bool(element));
      return;
    case simdjson::dom::element_type::NULL_VALUE:
      writer.null();
      return;
  }
}

/// A parser that keeps its buffers between the calls of one thread, unless a document was large.
class ReusedParser {
 public:
  ~ReusedParser() {
    if (parser_.capacity() > kCapacityKept) {
      parser_ = simdjson::dom::parser();
    }
  }

  Result<Element> parse(std::string_view json) {
    if (parser_.capacity() < json.size() || parser_.capacity() == 0) {
      if (parser_.allocate(std::max(json.size(), kCapacityMin), kDepthMax) != simdjson::SUCCESS) {
        return Error{Code::too_large, "JSON document is too large"};
      }
    }
    Element root;
    if (const auto error = parser_.parse(json.data(), json.size()).get(root); error) {
      return Error{Code::malformed, std::string("invalid JSON: ") + simdjson::error_message(error)};
    }
    return root;
  }

 private:
  static constexpr std::size_t kDepthMax = 512;
  static constexpr std::size_t kCapacityMin = std::size_t{16} << 10;
  static constexpr std::size_t kCapacityKept = std::size_t{1} << 20;

  static simdjson::dom::parser& of_thread() {
    thread_local simdjson::dom::parser parser;
    return parser;
  }

  simdjson::dom::parser& parser_ = of_thread();
};

}  // namespace

Document::Document(std::string bytes, std::unique_ptr<const DocumentIndex> index)
    : bytes_(std::move(bytes)), index_(index.release()) {}

Result<DocumentPtr> Document::parse(std::string_view json) {
  ReusedParser parser;
  TRY(const auto root, parser.parse(json));
  // Most clients send canonical JSON: then the bytes are taken as they are, and the index comes
  // with the check.
  if (auto index = build_index_if_canonical(json); index != nullptr) {
    return std::make_shared<const Document>(std::string(json), std::move(index));
  }
  std::string bytes;
  bytes.reserve(json.size());
  Writer writer(bytes);
  write_element(writer, root);
  return from_canonical(std::move(bytes));
}

DocumentPtr Document::from_canonical(std::string bytes) {
  return std::make_shared<const Document>(std::move(bytes));
}

Document::~Document() {
  delete index_.load();
}  // NOLINT: the atomic owns it

View Document::root() const {
  return bytes_.empty() ? View() : View(this, 0, 0);
}

std::uint32_t Document::metadata_offset() const {
  return index().metadata_offset;
}

const DocumentIndex& Document::make_index() const {
  const DocumentIndex* found = nullptr;
  auto built = build_index(bytes_);
  if (index_.compare_exchange_strong(found, built.get(), std::memory_order_acq_rel)) {
    found = built.release();
  }
  return *found;
}

}  // namespace tetrarch::object
