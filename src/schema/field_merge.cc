// SPDX-License-Identifier: Apache-2.0
// Merging an applied configuration into an object, and taking fields out of one.
#include <optional>
#include <string>
#include <utility>

#include "object/writer.h"
#include "schema/field_shape.h"
#include "schema/fields.h"

namespace tetrarch::schema {

using object::FieldSet;
using object::View;
using object::Writer;

namespace {

class Merger {
 public:
  explicit Merger(std::string& out) : out_(out) {}

  void merge_members(const std::vector<Part>& live, const std::vector<Part>& applied) {
    const PartIndex live_index(live);
    const PartIndex applied_index(applied);
    out_.begin_object();
    for (const auto& part : live) {
      const auto* other = applied_index.find(part.step);
      out_.key(name_of(part));
      merge(part.place, part.value, other == nullptr ? View() : other->value);
    }
    for (const auto& part : applied) {
      if (live_index.find(part.step) == nullptr) {
        out_.key(name_of(part));
        out_.view(part.value);
      }
    }
    out_.end_object();
  }

 private:
  static std::string_view name_of(const Part& part) {
    return std::string_view(part.step).substr(2);
  }

  void merge(const Place& place, View live, View applied) {
    const auto shape = shape_of(place);
    if (!applied.exists() || !live) {
      out_.view(applied.exists() ? applied : live);
    } else if (shape == FieldShape::leaf || (is_bare(live) && is_bare(applied))) {
      out_.view(applied);
    } else if (is_list(shape)) {
      merge_elements(parts_of(place, live), parts_of(place, applied));
    } else {
      merge_members(parts_of(place, live), parts_of(place, applied));
    }
  }

  /// What is applied comes in its own order. What only the live list has stays behind what it was
  /// behind.
  void merge_elements(const std::vector<Part>& live, const std::vector<Part>& applied) {
    const PartIndex live_index(live);
    const PartIndex applied_index(applied);
    auto next_live = live.begin();
    out_.begin_array();
    for (auto part = applied.begin(); part != applied.end(); ++part) {
      const auto* shared = next_shared(part, applied.end(), live_index);
      for (; next_live != live.end(); ++next_live) {
        if (applied_index.find(next_live->step) == nullptr) {
          out_.view(next_live->value);
        } else if (shared != nullptr && next_live->step == shared->step) {
          break;
        }
      }
      // Elements that are there more than once give way to the one that is applied.
      const bool is_one = live_index.count(part->step) == 1;
      merge(part->place, is_one ? live_index.find(part->step)->value : View(), part->value);
      if (next_live != live.end() && next_live->step == part->step) {
        ++next_live;
      }
    }
    for (; next_live != live.end(); ++next_live) {
      if (applied_index.find(next_live->step) == nullptr) {
        out_.view(next_live->value);
      }
    }
    out_.end_array();
  }

  static const Part* next_shared(std::vector<Part>::const_iterator from,
                                 std::vector<Part>::const_iterator end,
                                 const PartIndex& live) {
    for (; from != end; ++from) {
      if (live.find(from->step) != nullptr) {
        return &*from;
      }
    }
    return nullptr;
  }

  Writer out_;
};

class Remover {
 public:
  explicit Remover(std::string& out) : out_(out) {}

  void write(const Place& place, View value, const FieldSet& gone) {
    const auto shape = shape_of(place);
    if (shape == FieldShape::leaf || is_bare(value)) {
      out_.view(value);
    } else {
      write_parts(parts_of(place, value), shape, gone);
    }
  }

  void write_parts(const std::vector<Part>& parts, FieldShape shape, const FieldSet& gone) {
    is_list(shape) ? out_.begin_array() : out_.begin_object();
    for (const auto& part : parts) {
      if (gone.has(part.step)) {
        continue;
      }
      if (!is_list(shape)) {
        out_.key(std::string_view(part.step).substr(2));
      }
      const auto* below = gone.below(part.step);
      if (below == nullptr) {
        out_.view(part.value);
      } else {
        write(part.place, part.value, *below);
      }
    }
    is_list(shape) ? out_.end_array() : out_.end_object();
  }

 private:
  Writer out_;
};

}  // namespace

std::string merge_applied(const Type& type, View live, View applied) {
  std::string json;
  Merger(json).merge_members(parts_of(type, live), parts_of(type, applied));
  return json;
}

std::string without_fields(const Type& type, View object, const FieldSet& gone) {
  std::string json;
  Remover(json).write_parts(parts_of(type, object), FieldShape::object, gone);
  return json;
}

}  // namespace tetrarch::schema
