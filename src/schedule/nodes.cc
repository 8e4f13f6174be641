// SPDX-License-Identifier: Apache-2.0
#include "schedule/nodes.h"

#include <algorithm>
#include <cmath>

#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

TaintEffect read_effect(std::string_view text) {
  if (text == "PreferNoSchedule") {
    return TaintEffect::prefer_no_schedule;
  }
  return text == "NoExecute" ? TaintEffect::no_execute : TaintEffect::no_schedule;
}

bool collide(const HostPort& a, const HostPort& b) {
  return a.port == b.port && a.protocol == b.protocol &&
         (a.address.empty() || b.address.empty() || a.address == b.address);
}

}  // namespace

bool have_common_port(const Claim& a, const Claim& b) {
  return std::any_of(a.ports.begin(), a.ports.end(), [&](const HostPort& mine) {
    return std::any_of(b.ports.begin(), b.ports.end(), [&](const HostPort& yours) {
      return collide(mine, yours);
    });
  });
}

std::int64_t Nodes::at(const std::vector<Column>& columns, Place place, Dimension dimension) {
  return dimension < columns.size() && place < columns[dimension].size() ? columns[dimension][place]
                                                                         : 0;
}

void Nodes::set(std::vector<Column>& columns,
                Place place,
                Dimension dimension,
                std::int64_t value) {
  if (dimension >= columns.size()) {
    columns.resize(dimension + 1);
  }
  if (place >= columns[dimension].size()) {
    columns[dimension].resize(std::max<std::size_t>(place + 1, rows_.size()));
  }
  columns[dimension][place] = value;
}

Place Nodes::take_place(std::string_view name) {
  auto place = static_cast<Place>(rows_.size());
  if (free_places_.empty()) {
    rows_.emplace_back();
  } else {
    place = free_places_.back();
    free_places_.pop_back();
  }
  rows_[place].name = name;
  rows_[place].is_used = true;
  by_name_.emplace(std::string(name), place);
  return place;
}

Place Nodes::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? kNowhere : found->second;
}

std::vector<Label> Nodes::read_labels(object::View node) {
  std::vector<Label> labels;
  for (const auto& [key, value] : views::NodeView(node).metadata().labels()) {
    labels.push_back({texts_.intern(key), texts_.intern(value)});
  }
  std::sort(
      labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.key < b.key; });
  return labels;
}

std::vector<Taint> Nodes::read_taints(object::View node) {
  std::vector<Taint> taints;
  const auto spec = views::NodeView(node).spec();
  for (const auto taint : spec.taints()) {
    // A controller keeps this one like spec.unschedulable, a moment later: who waits for a node
    // that is opened is not to be refused once more for it.
    if (taint.key() == "node.kubernetes.io/unschedulable" && !spec.unschedulable()) {
      continue;
    }
    taints.push_back(
        {texts_.intern(taint.key()), texts_.intern(taint.value()), read_effect(taint.effect())});
  }
  return taints;
}

bool Nodes::set_allocatable(Place place, object::View node) {
  bool is_changed = false;
  std::vector<std::int64_t> fresh(allocatable_.size());
  for (const auto& [name, quantity] : views::NodeView(node).status().allocatable()) {
    const auto dimension = dimensions_.id(name);
    fresh.resize(std::max<std::size_t>(fresh.size(), dimension + 1));
    fresh[dimension] = amount_of(dimension, quantity);
  }
  for (Dimension dimension = 0; dimension < fresh.size(); ++dimension) {
    if (fresh[dimension] != allocatable(place, dimension)) {
      set(allocatable_, place, dimension, fresh[dimension]);
      is_changed = true;
    }
  }
  return is_changed;
}

Place Nodes::upsert(object::View node, bool& is_changed) {
  const views::NodeView view(node);
  Place place = find(view.metadata().name());
  is_changed = place == kNowhere;
  if (is_changed) {
    place = take_place(view.metadata().name());
  }
  auto labels = read_labels(node);
  auto taints = read_taints(node);
  Row& row = rows_[place];
  is_changed = is_changed || row.labels != labels || row.taints != taints ||
               row.is_unschedulable != view.spec().unschedulable();
  row.labels = std::move(labels);
  row.taints = std::move(taints);
  row.is_unschedulable = view.spec().unschedulable();
  const bool has_other_amounts = set_allocatable(place, node);
  is_changed = is_changed || has_other_amounts;
  return place;
}

bool Nodes::has_labels_and_taints(Place place, object::View node) {
  return rows_[place].labels == read_labels(node) && rows_[place].taints == read_taints(node);
}

Place Nodes::remove(std::string_view name) {
  const Place place = find(name);
  if (place == kNowhere) {
    return kNowhere;
  }
  by_name_.erase(std::string(name));
  rows_[place] = Row{};
  for (Dimension dimension = 0; dimension < allocatable_.size(); ++dimension) {
    set(allocatable_, place, dimension, 0);
  }
  for (Dimension dimension = 0; dimension < claimed_.size(); ++dimension) {
    set(claimed_, place, dimension, 0);
  }
  free_places_.push_back(place);
  return place;
}

void Nodes::claim(Place place, const Claim& claim) {
  for (const Amount& amount : claim.amounts) {
    set(claimed_, place, amount.dimension, claimed(place, amount.dimension) + amount.value);
  }
  Row& row = rows_[place];
  row.ranked_cpu += claim.ranked_cpu;
  row.ranked_memory += claim.ranked_memory;
  row.units += claim.is_unit ? 1 : 0;
  row.ports.insert(row.ports.end(), claim.ports.begin(), claim.ports.end());
}

void Nodes::release(Place place, const Claim& claim) {
  for (const Amount& amount : claim.amounts) {
    set(claimed_, place, amount.dimension, claimed(place, amount.dimension) - amount.value);
  }
  Row& row = rows_[place];
  row.ranked_cpu -= claim.ranked_cpu;
  row.ranked_memory -= claim.ranked_memory;
  row.units -= claim.is_unit ? 1 : 0;
  for (const HostPort& port : claim.ports) {
    if (const auto found = std::find(row.ports.begin(), row.ports.end(), port);
        found != row.ports.end()) {
      row.ports.erase(found);
    }
  }
}

std::uint32_t Nodes::label(Place place, std::uint32_t key) const {
  for (const Label& label : rows_[place].labels) {
    if (label.key == key) {
      return label.value;
    }
  }
  return Interner::kNone;
}

bool Nodes::fits(Place place, const Claim& claim) const {
  for (const Amount& amount : claim.amounts) {
    if (amount.value > free(place, amount.dimension)) {
      return false;
    }
  }
  return true;
}

bool Nodes::ports_are_free(Place place, const Claim& claim) const {
  const auto& taken = rows_[place].ports;
  return std::all_of(claim.ports.begin(), claim.ports.end(), [&](const HostPort& wanted) {
    return std::none_of(
        taken.begin(), taken.end(), [&](const HostPort& each) { return collide(wanted, each); });
  });
}

std::int32_t Nodes::rank(Place place, const Claim& claim) const {
  const auto used_share = [](std::int64_t used, std::int64_t all) {
    return all <= 0 ? 1.0 : std::min(1.0, static_cast<double>(used) / static_cast<double>(all));
  };
  const Row& row = rows_[place];
  const double cpu = used_share(row.ranked_cpu + claim.ranked_cpu, allocatable(place, kCpu));
  const double memory =
      used_share(row.ranked_memory + claim.ranked_memory, allocatable(place, kMemory));
  const double least_used = 1.0 - (cpu + memory) / 2;
  const double evenness = 1.0 - std::abs(cpu - memory) / 2;
  return static_cast<std::int32_t>(least_used * 10000 + evenness * 10000);
}

}  // namespace tetrarch::schedule
