// SPDX-License-Identifier: Apache-2.0
#include "reconcile/endpoint_packing.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "reconcile/child_name.h"
#include "reconcile/edit.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

/// What makes two endpoints the same one, changed or not.
std::string identity(const Tree& endpoint) {
  const auto& fields = endpoint.as_object();
  std::string out;
  if (const auto* addresses = fields.if_contains("addresses");
      addresses != nullptr && !addresses->as_array().empty()) {
    out = std::string(addresses->as_array()[0].as_string());
  }
  if (const auto* target = fields.if_contains("targetRef");
      target != nullptr && target->is_object()) {
    const auto* uid = target->get_object().if_contains("uid");
    out += "|" + (uid == nullptr ? std::string() : std::string(uid->as_string()));
  }
  return out;
}

/// A slice as it will be.
struct Slice {
  const Stored* stored = nullptr;  // null: new
  TreeArray endpoints;
  bool is_changed = false;
};

class Packing {
 public:
  Packing(const Mirror& seen, const SliceOwner& owner, Plan* plan)
      : seen_(seen), owner_(owner), plan_(plan) {
    for (const auto* slice : seen.controlled_by(kSliceResource, owner.owner.uid())) {
      if (slice->metadata()["labels"][kManagedBy].string() == owner.managed_by) {
        existing_.push_back(slice);
      }
    }
  }

  void pack(const SliceGroup& group) {
    auto slices = take_existing(group);
    auto left = keep(group, &slices);
    fill(&left, &slices);
    for (auto& slice : slices) {
      commit(group, slice, group.endpoints.empty());
    }
  }

  void remove_rest() {
    for (const auto* slice : existing_) {
      plan_->changes.push_back(removal_of(*slice));
    }
  }

 private:
  std::vector<Slice> take_existing(const SliceGroup& group) {
    std::vector<Slice> out;
    std::erase_if(existing_, [&](const Stored* slice) {
      const auto root = slice->root();
      if (root["addressType"].string() != group.address_type ||
          !same_meaning(root["ports"], group.ports)) {
        return false;
      }
      out.push_back({.stored = slice, .endpoints = {}, .is_changed = false});
      return true;
    });
    return out;
  }

  /// Leaves endpoints where they are; returns those that are nowhere yet.
  static std::vector<Tree> keep(const SliceGroup& group, std::vector<Slice>* slices) {
    std::map<std::string, const Tree*> wanted;
    for (const auto& endpoint : group.endpoints) {
      wanted.emplace(identity(endpoint), &endpoint);
    }
    for (auto& slice : *slices) {
      for (const auto view : slice.stored->root()["endpoints"].elements()) {
        const auto old = object::to_tree(view);
        const auto found = wanted.find(identity(old));
        if (found == wanted.end() || slice.endpoints.size() >= kEndpointsPerSlice) {
          slice.is_changed = true;
          continue;
        }
        slice.is_changed = slice.is_changed || !same_meaning(old, *found->second);
        slice.endpoints.push_back(*found->second);
        wanted.erase(found);
      }
    }
    std::vector<Tree> left;
    for (const auto& endpoint : group.endpoints) {
      if (wanted.erase(identity(endpoint)) > 0) {
        left.push_back(endpoint);
      }
    }
    return left;
  }

  /// Into slices that are written anyway, then into the fullest with room, then into new ones.
  static void fill(std::vector<Tree>* left, std::vector<Slice>* slices) {
    std::stable_sort(slices->begin(), slices->end(), [](const Slice& a, const Slice& b) {
      return a.is_changed != b.is_changed ? a.is_changed : a.endpoints.size() > b.endpoints.size();
    });
    auto next = left->begin();
    for (auto& slice : *slices) {
      for (; next != left->end() && slice.endpoints.size() < kEndpointsPerSlice; ++next) {
        slice.endpoints.push_back(*next);
        slice.is_changed = true;
      }
    }
    while (next != left->end() || slices->empty()) {
      Slice fresh;
      for (; next != left->end() && fresh.endpoints.size() < kEndpointsPerSlice; ++next) {
        fresh.endpoints.push_back(*next);
      }
      slices->push_back(std::move(fresh));
    }
  }

  TreeObject labels() const {
    TreeObject out = owner_.labels;
    out[kServiceName] = owner_.service;
    out[kManagedBy] = owner_.managed_by;
    return out;
  }

  /// `may_be_empty`: one slice without endpoints says that the service has none.
  void commit(const SliceGroup& group, const Slice& slice, bool may_be_empty) {
    if (slice.endpoints.empty() && (!may_be_empty || std::exchange(has_empty_, true))) {
      if (slice.stored != nullptr) {
        plan_->changes.push_back(removal_of(*slice.stored));
      }
      return;
    }
    if (slice.stored == nullptr) {
      plan_->changes.push_back(creation(group, slice));
      return;
    }
    if (slice.is_changed || !same_meaning(slice.stored->metadata()["labels"], labels())) {
      Edit edit(*slice.stored);
      edit.metadata()["labels"] = labels();
      edit.root()["endpoints"] = slice.endpoints;
      plan_->changes.push_back(update_of(*slice.stored, edit.document()));
    }
  }

  Change creation(const SliceGroup& group, const Slice& slice) {
    std::string name;
    for (int i = 0; name.empty(); ++i) {
      auto candidate = child_name(
          owner_.service, fmt::format("{}/{}/{}", owner_.owner.uid(), owner_.managed_by, i));
      if (seen_.get(kSliceResource, owner_.owner.key.ns, candidate) == nullptr &&
          names_.insert(candidate).second) {
        name = std::move(candidate);
      }
    }
    const TreeObject document{
        {"kind", "EndpointSlice"},
        {"apiVersion", "discovery.k8s.io/v1"},
        {"metadata",
         TreeObject{{"name", name},
                    {"generateName", owner_.service + "-"},
                    {"namespace", owner_.owner.key.ns},
                    {"labels", labels()},
                    {"ownerReferences", TreeArray{controller_reference(owner_.owner)}}}},
        {"addressType", group.address_type},
        {"endpoints", slice.endpoints},
        {"ports", group.ports}};
    Change change{.verb = Change::Verb::create,
                  .key = Key{std::string(kSliceResource), owner_.owner.key.ns, name}};
    change.document = object::to_document(document);
    return change;
  }

  const Mirror& seen_;
  const SliceOwner& owner_;
  Plan* plan_;
  std::vector<const Stored*> existing_;
  std::set<std::string> names_;
  bool has_empty_ = false;
};

}  // namespace

void pack_slices(const Mirror& seen,
                 const SliceOwner& owner,
                 const std::vector<SliceGroup>& groups,
                 Plan* plan) {
  Packing packing(seen, owner, plan);
  for (const auto& group : groups) {
    packing.pack(group);
  }
  packing.remove_rest();
}

}  // namespace tetrarch::reconcile
