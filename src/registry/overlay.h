// SPDX-License-Identifier: Apache-2.0
// Overlay: changes to a few members of an immutable document, printed in one pass over it. What is
// not changed is copied as bytes, so setting one field of a large object costs neither a tree nor a
// second parse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::registry {

/// What happens to one value. A value type without threads of its own.
class Overlay {
 public:
  /// The change to a member of this object; made on demand. The reference lives until the next
  /// call.
  Overlay& member(std::string_view name);
  /// The change to an element of this array, which must exist in the base.
  Overlay& element(std::size_t place);
  /// Follows a dotted path of members.
  Overlay& at(std::string_view dotted_path);
  /// Puts canonical JSON in the value's place.
  void replace(std::string json);
  void drop();
  /// Adds an element to this array, which is made where it is absent.
  void append(std::string json);
  bool is_empty() const;
  /// Canonical JSON of `base` with the changes. Call only where writes_value().
  void write(object::Writer& out, object::View base) const;
  /// Whether anything is left to print: a dropped value has nothing.
  bool writes_value(object::View base) const;
  /// The members of `base` with the changes, less those that `skips` names (null: none), between
  /// braces of the caller's. New members come in the order of names, as the schema writes them:
  /// equal objects have equal bytes.
  void write_members(object::Writer& out, object::View base, bool (*skips)(std::string_view)) const;
  /// The change to that member, or null.
  const Overlay* find(std::string_view name) const;

 private:
  enum class Action : std::uint8_t { keep, replace, drop };
  struct Member;
  struct Element;

  void write_object(object::Writer& out, object::View base) const;
  void write_array(object::Writer& out, object::View base) const;

  Action action_ = Action::keep;
  std::string json_;  // for replace
  std::vector<Member> members_;
  std::vector<Element> elements_;
  std::vector<std::string> appended_;
};

struct Overlay::Member {
  std::string name;
  Overlay change;
};

struct Overlay::Element {
  std::size_t place = 0;
  Overlay change;
};

/// A JSON string literal.
std::string quoted(std::string_view text);

}  // namespace tetrarch::registry
