// SPDX-License-Identifier: Apache-2.0
// Nodes as columns: what is allocatable and what is claimed per dimension, labels and taints as
// numbers, ports. A node keeps its place while it is known; places of removed nodes are used again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "object/document.h"
#include "schedule/claim.h"
#include "schedule/interner.h"

namespace tetrarch::schedule {

using Place = std::uint32_t;
inline constexpr Place kNowhere = 0xffffffff;

struct Label {
  std::uint32_t key;
  std::uint32_t value;
  bool operator==(const Label&) const = default;
};

enum class TaintEffect : std::uint8_t { no_schedule, prefer_no_schedule, no_execute };

struct Taint {
  std::uint32_t key;
  std::uint32_t value;
  TaintEffect effect;
  bool operator==(const Taint&) const = default;
};

/// Both could not be on one machine.
bool have_common_port(const Claim& a, const Claim& b);

class Nodes {
 public:
  explicit Nodes(Dimensions& dimensions, Interner& texts)
      : dimensions_(dimensions), texts_(texts) {}

  /// Adds the node or takes over its changes. Returns its place; `is_changed` tells whether
  /// anything that scheduling looks at is different.
  Place upsert(object::View node, bool& is_changed);
  /// Whether these are the labels and taints that it has already.
  bool has_labels_and_taints(Place place, object::View node);
  /// kNowhere where it was not known. Claims on it are dropped.
  Place remove(std::string_view name);
  Place find(std::string_view name) const;

  void claim(Place place, const Claim& claim);
  void release(Place place, const Claim& claim);

  /// One past the highest place in use.
  std::size_t places() const { return rows_.size(); }

  std::size_t count() const { return by_name_.size(); }

  bool is_used(Place place) const { return rows_[place].is_used; }

  const std::string& name(Place place) const { return rows_[place].name; }

  bool is_unschedulable(Place place) const { return rows_[place].is_unschedulable; }

  const std::vector<Label>& labels(Place place) const { return rows_[place].labels; }

  const std::vector<Taint>& taints(Place place) const { return rows_[place].taints; }

  /// Interner::kNone where the node has no such label.
  std::uint32_t label(Place place, std::uint32_t key) const;

  std::int64_t allocatable(Place place, Dimension dimension) const {
    return at(allocatable_, place, dimension);
  }

  std::int64_t claimed(Place place, Dimension dimension) const {
    return at(claimed_, place, dimension);
  }

  std::int64_t free(Place place, Dimension dimension) const {
    return allocatable(place, dimension) - claimed(place, dimension);
  }

  bool fits(Place place, const Claim& claim) const;
  bool ports_are_free(Place place, const Claim& claim) const;

  std::string_view dimension_name(Dimension dimension) const { return dimensions_.name(dimension); }

  /// How many units of fleet are there.
  std::int32_t units(Place place) const { return rows_[place].units; }

  /// How good the node is after the claim: 0 to 20,000; more free and more evenly used is better.
  std::int32_t rank(Place place, const Claim& claim) const;

 private:
  struct Row {
    std::string name;
    bool is_used = false;
    bool is_unschedulable = false;
    std::vector<Label> labels;
    std::vector<Taint> taints;
    std::vector<HostPort> ports;
    std::int64_t ranked_cpu = 0;
    std::int64_t ranked_memory = 0;
    std::int32_t units = 0;
  };

  using Column = std::vector<std::int64_t>;  // by place
  static std::int64_t at(const std::vector<Column>& columns, Place place, Dimension dimension);
  void set(std::vector<Column>& columns, Place place, Dimension dimension, std::int64_t value);
  bool set_allocatable(Place place, object::View node);
  std::vector<Label> read_labels(object::View node);
  std::vector<Taint> read_taints(object::View node);
  Place take_place(std::string_view name);

  Dimensions& dimensions_;
  Interner& texts_;
  std::vector<Row> rows_;
  std::vector<Column> allocatable_;  // by dimension
  std::vector<Column> claimed_;      // by dimension
  std::vector<Place> free_places_;
  std::unordered_map<std::string, Place> by_name_;
};

}  // namespace tetrarch::schedule
