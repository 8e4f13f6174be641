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
#include <utility>
#include <vector>

#include "base/result.h"

namespace tetrarch::object {

class View;

/// One object or array of the buffer.
struct Container {
  std::uint32_t begin;  ///< its opening bracket
  std::uint32_t end;    ///< one past its closing bracket
  std::uint32_t first;  ///< of its children, among the places
  std::uint32_t count;  ///< of its children
};

/// The text of a string that has escapes.
struct DecodedText {
  std::uint32_t begin;  ///< of the string: its opening quote
  std::string text;
};

/// Where a look into the document begins: its containers, and in each the keys or elements. Where a
/// scalar ends is found by looking at it. Built once, then immutable.
struct DocumentIndex {
  /// In the order of the bytes; the first is the whole. Of the others those that are not empty.
  std::vector<Container> containers;
  std::vector<std::uint32_t> places;  ///< first bytes of keys and elements, by container
  std::vector<DecodedText> decoded;   ///< in the order of the bytes
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

  const DocumentIndex& index() const {
    const auto* made = index_.load(std::memory_order_acquire);
    return made != nullptr ? *made : make_index();
  }

  const DocumentIndex& make_index() const;

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

  /// The value whose first byte is at `begin`; `container` is its place in the index where it is
  /// one.
  View(const Document* document, std::uint32_t begin, std::uint32_t container)
      : document_(document), begin_(begin), container_(container) {}

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
  /// The element at that place; absent where there is none.
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
  /// Of an empty object or array, which the index does not have: one without children.
  const Container& container() const;
  bool is_bare() const;

  /// The value at `begin`, inside this one.
  View inside(std::uint32_t begin) const;
  /// One past its last byte.
  std::uint32_t end() const;

  const Document* document_ = nullptr;
  std::uint32_t begin_ = 0;
  std::uint32_t container_ = 0;
};

class View::ElementRange {
 public:
  struct Iterator {
    View array;
    std::uint32_t place;  ///< in the index

    View operator*() const;

    Iterator& operator++() {
      ++place;
      return *this;
    }

    bool operator==(const Iterator& other) const { return place == other.place; }
  };

  ElementRange(View array, std::uint32_t first, std::uint32_t count)
      : begin_{array, first}, end_{array, first + count} {}

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
    View object;
    std::uint32_t place;  ///< in the index

    Member operator*() const;

    Iterator& operator++() {
      ++place;
      return *this;
    }

    bool operator==(const Iterator& other) const { return place == other.place; }
  };

  MemberRange(View object, std::uint32_t first, std::uint32_t count)
      : begin_{object, first}, end_{object, first + count} {}

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
