// SPDX-License-Identifier: Apache-2.0
// The fields of a new object, printed while it is walked: each create pays for this, so no set is
// built.
#include <string>
#include <utility>

#include "object/writer.h"
#include "schema/field_shape.h"
#include "schema/fields.h"

namespace tetrarch::schema {

using object::FieldSet;
using object::View;

namespace {

class FieldPrinter {
 public:
  explicit FieldPrinter(std::string& out) : out_(out) {}

  void print_root(const Type& type, View object, const FieldSet& ignored) {
    out_ += '{';
    Level level{&ignored};
    print_members(level, &type, {}, object);
    out_ += '}';
  }

 private:
  /// The object of FieldsV1 that is open.
  struct Level {
    const FieldSet* ignored = nullptr;
    bool was_there = true;  ///< what it stands for is there in an object with nothing in it
    bool is_first = true;
  };

  void open(Level& level, std::string_view step) {
    out_ += level.is_first ? "" : ",";
    level.is_first = false;
    object::Writer(out_).string(step);
    out_ += ":{";
  }

  void print_members(Level& level, const Type* type, const Place& of_map, View object) {
    std::string step;
    for (const auto [name, value] : object.members()) {
      step.assign("f:").append(name);
      if (level.ignored != nullptr && level.ignored->has(step)) {
        continue;
      }
      if (type == nullptr) {
        print(level, step, of_map, value);
      } else {
        const auto* field = type->field(name);
        print(level, step, field == nullptr ? Place{} : Place{&field->ref, field}, value);
      }
    }
  }

  void print_elements(Level& level, const Place& list, View value) {
    const auto parts = parts_of(list, value);
    const PartIndex index(parts);
    for (const auto& part : parts) {
      if (index.count(part.step) == 1) {
        print(level, part.step, part.place, part.value);
      } else if (index.find(part.step) == &part) {
        open(level, part.step);
        out_ += '}';
      }
    }
  }

  void print(Level& level, std::string_view step, const Place& place, View value) {
    if (!value) {
      return;
    }
    const auto shape = shape_of(place);
    const bool was_there = level.was_there && is_by_value(place);
    if (shape == FieldShape::leaf || is_bare(value)) {
      if (!was_there) {
        open(level, step);
        out_ += '}';
      }
      return;
    }
    const auto start = out_.size();
    const bool was_first = level.is_first;
    open(level, step);
    Level below{level.ignored == nullptr ? nullptr : level.ignored->below(step), was_there};
    if (!was_there) {
      out_ += "\".\":{}";
      below.is_first = false;
    }
    if (is_list(shape)) {
      print_elements(below, place, value);
    } else {
      const bool is_map = shape == FieldShape::map;
      print_members(below,
                    is_map ? nullptr : place.ref->type,
                    {is_map ? place.ref->element.get() : nullptr},
                    value);
    }
    out_ += '}';
    if (below.is_first) {
      out_.resize(start);
      level.is_first = was_first;
    }
  }

  std::string& out_;
};

}  // namespace

void print_new_fields(std::string& out, const Type& type, View object, const FieldSet& ignored) {
  FieldPrinter(out).print_root(type, object, ignored);
}

}  // namespace tetrarch::schema
