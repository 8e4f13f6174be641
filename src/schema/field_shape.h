// SPDX-License-Identifier: Apache-2.0
// How server-side apply sees a value: as one, or as parts with owners of their own, and what the
// step to each part is called. Internal to the room.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "object/document.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

enum class FieldShape : std::uint8_t {
  leaf,        ///< a scalar, free JSON, an atomic list, map or type
  object,      ///< named fields
  map,         ///< names of the client's
  keyed_list,  ///< elements are told apart by the values of some fields
  set,         ///< elements are scalars and told apart by themselves
};

/// What the schema knows of a value. `ref` is null where it knows nothing.
struct Place {
  const TypeRef* ref = nullptr;
  const Field* field = nullptr;  ///< that holds it; null for an element or a map's value
};

FieldShape shape_of(const Place& place);

inline bool is_list(FieldShape shape) {
  return shape == FieldShape::keyed_list || shape == FieldShape::set;
}

/// A place that is never absent while the object around it is there: a Go struct that is held by
/// value.
bool is_by_value(const Place& place);

struct Part {
  std::string step;
  object::View value;
  Place place;
};

/// The parts of a value that is no leaf, in its own order. Elements whose step cannot be made (a
/// key that is missing) are left out: check_applied() names them.
std::vector<Part> parts_of(const Place& place, object::View value);
/// The same for the members of a whole object.
std::vector<Part> parts_of(const Type& type, object::View object);
/// What the schema knows of the part that a step of a FieldSet leads to.
Place place_below(const Place& place, std::string_view step);
Place place_below(const Type& type, std::string_view step);
/// Empty: a key is missing, or the element is no object.
std::string keyed_step(const Field& list, object::View element);

/// No value, an empty list or an empty object.
bool is_bare(object::View value);

/// Places in a list of parts by their step: the first of that step, and how many there are.
class PartIndex {
 public:
  explicit PartIndex(const std::vector<Part>& parts);

  const Part* find(std::string_view step) const;
  std::size_t count(std::string_view step) const;

 private:
  struct Found {
    const Part* first = nullptr;
    std::size_t count = 0;
  };

  const Found* look_up(std::string_view step) const;

  const std::vector<Part>* parts_;
  // Only where there are many parts, or two of one step: a walk over a few is cheaper.
  std::unordered_map<std::string_view, Found> by_step_;
};

}  // namespace tetrarch::schema
