// SPDX-License-Identifier: Apache-2.0
// Document: one immutable buffer of canonical JSON and a flat index into it, built at the first
// look inside. Shared by the store, caches, views and watchers: nobody copies or re-encodes it.
// View: a cursor into it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::object {

class View;

/// One value in the buffer. Members of an object follow it as key, value, key, value …
struct Node {
  std::uint32_t begin;         ///< first byte
  std::uint32_t end;           ///< one past the last byte
  std::uint32_t next;          ///< index of the node after this whole subtree
  std::uint32_t kind : 3;      ///< Kind
  std::uint32_t escaped : 29;  ///< 0, or 1 + the place of its decoded text
};

/// Where everything in a Document is. Built once, then immutable.
struct DocumentIndex {
  std::vector<Node> nodes;           ///< in the order of the bytes; the first is the whole
  std::vector<std::string> decoded;  ///< texts of strings that have escapes
  std::uint32_t metadata_offset = 0;
};

enum class Kind : std::uint8_t { absent, null, boolean, number, string, array, object };

/// Canonical: UTF-8, no white space outside strings, as our Writer prints it. At most 4 GiB.
/// Immutable and thread-safe; the index is built once, by whoever looks first.
class Document {
 public:
  /// Checks that `json` is one JSON value, nested at most 512 deep, and makes it canonical. Of a
  /// member that is there twice the last value counts, as in Go.
  static Result<std::shared_ptr<const Document>> parse(std::string_view json);
  /// Takes bytes that are known to be canonical: printed by a Writer, or read back from the store.
  static std::shared_ptr<const Document> from_canonical(std::string bytes);

  explicit Document(std::string bytes, std::unique_ptr<const DocumentIndex> index = nullptr);
  ~Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  const std::string& bytes() const { return bytes_; }

  View root() const;
  /// Where `"resourceVersion":"…"` is spliced in: just behind the `{` of the top-level metadata. 0:
  /// no metadata.
  std::uint32_t metadata_offset() const;

 private:
  friend class View;

  const DocumentIndex& index() const;

  const std::string bytes_;
  mutable std::atomic<const DocumentIndex*> index_{nullptr};
};

using DocumentPtr = std::shared_ptr<const Document>;

/// A value inside a Document, which must outlive it. A default View is absent: every question to it
/// answers "nothing", so paths can be followed without checks. Cheap to copy.
class View {
 public:
  class ElementRange;
  class MemberRange;

  View() = default;

  View(const Document* document, std::uint32_t node) : document_(document), node_(node) {}

  Kind kind() const;

  bool exists() const { return document_ != nullptr; }

  /// Exists and is not null.
  explicit operator bool() const { return kind() > Kind::null; }

  bool is_object() const { return kind() == Kind::object; }

  bool is_array() const { return kind() == Kind::array; }

  bool is_string() const { return kind() == Kind::string; }

  bool is_number() const { return kind() == Kind::number; }

  /// The member of that name; absent where there is none or this is no object.
  View operator[](std::string_view key) const;
  /// The element at that place; absent where there is none. Linear.
  View at(std::size_t place) const;
  /// Follows a dotted path of members: `find("spec.nodeName")`.
  View find(std::string_view dotted_path) const;
  /// Number of elements or members.
  std::size_t size() const;

  std::string_view string(std::string_view fallback = "") const;
  std::int64_t integer(std::int64_t fallback = 0) const;
  double number(double fallback = 0) const;
  bool boolean(bool fallback = false) const;
  /// Its canonical JSON; "null" where absent.
  std::string_view raw() const;

  /// Same JSON bytes (or both absent).
  bool same_as(View other) const { return exists() == other.exists() && raw() == other.raw(); }

  ElementRange elements() const;  ///< empty unless an array
  MemberRange members() const;    ///< empty unless an object

 private:
  const Node& node() const { return document_->index().nodes[node_]; }

  View text_node(std::uint32_t node) const { return {document_, node}; }

  const Document* document_ = nullptr;
  std::uint32_t node_ = 0;
};

class View::ElementRange {
 public:
  struct Iterator {
    const Document* document;
    std::uint32_t node;

    View operator*() const { return {document, node}; }

    Iterator& operator++();
    bool operator==(const Iterator&) const = default;
  };

  ElementRange(const Document* document, std::uint32_t first, std::uint32_t last)
      : begin_{document, first}, end_{document, last} {}

  Iterator begin() const { return begin_; }

  Iterator end() const { return end_; }

 private:
  Iterator begin_;
  Iterator end_;
};

struct Member {
  std::string_view key;
  View value;
};

class View::MemberRange {
 public:
  struct Iterator {
    const Document* document;
    std::uint32_t node;

    Member operator*() const { return {View(document, node).string(), View(document, node + 1)}; }

    Iterator& operator++();
    bool operator==(const Iterator&) const = default;
  };

  MemberRange(const Document* document, std::uint32_t first, std::uint32_t last)
      : begin_{document, first}, end_{document, last} {}

  Iterator begin() const { return begin_; }

  Iterator end() const { return end_; }

 private:
  Iterator begin_;
  Iterator end_;
};

}  // namespace tetrarch::object

namespace tetrarch {
using object::Document;
using object::DocumentPtr;
}  // namespace tetrarch
