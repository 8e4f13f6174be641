// SPDX-License-Identifier: Apache-2.0
// The fields of an object, and the difference between two.
#include <utility>

#include "schema/field_shape.h"
#include "schema/fields.h"

namespace tetrarch::schema {

using object::FieldSet;
using object::View;

namespace {

/// Below one value.
FieldSet fields_below(const std::vector<Part>& parts, FieldShape around);

/// What is said by one part: itself, or what is below it.
void put_part(const Part& part, FieldShape around, FieldSet& out) {
  const auto shape = shape_of(part.place);
  if (shape == FieldShape::leaf) {
    out.add(part.step);
    return;
  }
  // Ours: an empty list is one too, as compare_fields() has it.
  const bool is_member = is_bare(part.value) || around != FieldShape::object;
  out.put(part.step, is_member, fields_below(parts_of(part.place, part.value), shape));
}

FieldSet fields_below(const std::vector<Part>& parts, FieldShape around) {
  FieldSet out;
  const PartIndex index(parts);
  for (const auto& part : parts) {
    if (is_list(around) && index.count(part.step) > 1) {
      out.add(part.step);  // told apart from its like by nothing: owned as one
    } else {
      put_part(part, around, out);
    }
  }
  return out;
}

/// One walk over two objects.
class Comparer {
 public:
  FieldChanges run(const Type& type, View old, View fresh, const FieldSet& ignored) {
    FieldChanges out;
    compare_parts(parts_of(type, old), parts_of(type, fresh), {true, true, &ignored}, out);
    return out;
  }

 private:
  struct Around {
    bool was_there = true;
    bool is_there = true;
    const FieldSet* ignored = nullptr;
  };

  void compare_parts(const std::vector<Part>& old,
                     const std::vector<Part>& fresh,
                     const Around& around,
                     FieldChanges& out) {
    const PartIndex old_index(old);
    const PartIndex fresh_index(fresh);
    for (const auto& part : old) {
      if (old_index.find(part.step) == &part && !is_ignored(around, part.step)) {
        const auto* other = fresh_index.find(part.step);
        if (old_index.count(part.step) > 1 || fresh_index.count(part.step) > 1) {
          compare_repeated(old, fresh, part.step, out);
        } else {
          compare(part.step, part.place, {part.value, other ? other->value : View()}, around, out);
        }
      }
    }
    for (const auto& part : fresh) {
      const bool is_first = fresh_index.find(part.step) == &part;
      if (!is_first || old_index.find(part.step) != nullptr || is_ignored(around, part.step)) {
        continue;
      }
      if (fresh_index.count(part.step) > 1) {
        compare_repeated(old, fresh, part.step, out);
      } else {
        compare(part.step, part.place, {View(), part.value}, around, out);
      }
    }
  }

  static bool is_ignored(const Around& around, std::string_view step) {
    return around.ignored != nullptr && around.ignored->has(step);
  }

  struct Two {
    View old;
    View fresh;
  };

  void compare(std::string_view step,
               const Place& place,
               const Two& values,
               const Around& around,
               FieldChanges& out) {
    const auto [old, fresh] = values;
    if (old.same_as(fresh) || (!old && !fresh)) {
      return;
    }
    const bool by_value = is_by_value(place);
    const bool was_there = old || (by_value && around.was_there);
    const bool is_there = fresh || (by_value && around.is_there);
    if (shape_of(place) == FieldShape::leaf || (is_bare(old) && is_bare(fresh))) {
      out.added.put(step, !was_there, {});
      out.removed.put(step, !is_there, {});
      out.modified.put(step, was_there && is_there && shape_of(place) == FieldShape::leaf, {});
      return;
    }
    const auto* ignored = around.ignored == nullptr ? nullptr : around.ignored->below(step);
    FieldChanges below;
    compare_parts(
        parts_of(place, old), parts_of(place, fresh), {was_there, is_there, ignored}, below);
    out.added.put(step, !was_there, std::move(below.added));
    out.removed.put(step, !is_there, std::move(below.removed));
    out.modified.put(step, false, std::move(below.modified));
  }

  /// Elements of one step that are there more than once count as one.
  void compare_repeated(const std::vector<Part>& old,
                        const std::vector<Part>& fresh,
                        std::string_view step,
                        FieldChanges& out) {
    const auto before = values_of(old, step);
    const auto after = values_of(fresh, step);
    if (before.size() > 1 && after.size() > 1) {
      bool is_same = before.size() == after.size();
      for (std::size_t i = 0; is_same && i < before.size(); ++i) {
        is_same = before[i].same_as(after[i]);
      }
      out.modified.put(step, !is_same, {});
      return;
    }
    const auto& place = (old.empty() ? fresh : old).front().place;
    if (before.size() > 1) {
      if (!after.empty()) {
        compare(step, place, {View(), after.front()}, {}, out);
      }
      out.removed.add(step);
      return;
    }
    if (!before.empty()) {
      compare(step, place, {before.front(), View()}, {}, out);
    }
    out.added.add(step);
  }

  static std::vector<View> values_of(const std::vector<Part>& parts, std::string_view step) {
    std::vector<View> values;
    for (const auto& part : parts) {
      if (part.step == step) {
        values.push_back(part.value);
      }
    }
    return values;
  }
};

}  // namespace

FieldSet fields_of(const Type& type, View object) {
  return fields_below(parts_of(type, object), FieldShape::object);
}

FieldChanges compare_fields(const Type& type, View old, View fresh, const FieldSet& ignored) {
  return Comparer().run(type, old, fresh, ignored);
}

FieldSet with_named_fields(const Type& type, const FieldSet& fields) {
  struct Walk {
    static FieldSet below(const FieldSet& set, const Place& around, const Type* type) {
      FieldSet out;
      for (const auto& entry : set.entries()) {
        const auto place =
            type != nullptr ? place_below(*type, entry.step) : place_below(around, entry.step);
        const bool is_named = place.field != nullptr && !entry.below.is_empty();
        out.put(entry.step, entry.is_member || is_named, below(entry.below, place, nullptr));
      }
      return out;
    }
  };

  return Walk::below(fields, {}, &type);
}

}  // namespace tetrarch::schema
