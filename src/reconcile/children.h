// SPDX-License-Identifier: Apache-2.0
// What controllers of pods have in common: which objects are theirs (by selector), pods made from
// a template, their end. Heavy header (trees): for .cc files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "object/selector.h"
#include "object/tree.h"
#include "reconcile/controller.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

struct Claim {
  const Stored& owner;
  std::string_view resource;  ///< of the children: pods
  const object::LabelSelector& selector;
  bool (*may_adopt)(const Stored& child, const Stored& owner);
  std::string_view finalizer = {};  ///< what is taken gets it, unless it is empty
};

/// The owner's children. What the selector does not match is let go, what it matches and nobody
/// controls is taken: both are added to `plan`, and what is taken counts at once. An owner that
/// ends claims nothing.
std::vector<const Stored*> claim_children(const Question& asked, const Claim& claim, Plan* plan);

/// For claims of pods: those that are neither finished nor terminating.
bool may_adopt_active(const Stored& child, const Stored& owner);
bool may_adopt_living(const Stored& child, const Stored& owner);

/// An owner's selector; one that cannot be read or would match everything matches nothing.
using SelectorOf = std::function<object::LabelSelector(const Stored& owner)>;

/// spec.selector as a label selector.
object::LabelSelector selector_of(const Stored& owner);

/// The controlling owner, if it is a `kind`; else the owners of `resource` that may want the
/// object.
Watching::Keys keys_of_child(std::string resource, std::string kind, SelectorOf selector);

/// A pod without a name, made from the template, with `owner` as its controller.
object::TreeObject pod_from(const Stored& owner, views::PodTemplateSpecView source);
/// Its name must be set. Tells of it in an event about the owner.
Change pod_creation(const Stored& owner, const object::TreeObject& pod);
/// The same for an end.
Change pod_removal(const Stored& owner, const Stored& pod);

/// Ours: the slot a pod was made for; the next one made gets a higher slot, hence another name.
inline constexpr std::string_view kSlot = "tetrarch.dev/slot";

/// -1: the pod was not made for one.
std::int64_t slot_of(const Stored& pod);
/// The highest slot of these; -1: there is none.
std::int64_t highest_slot(const std::vector<const Stored*>& pods);

/// Text as a whole number, `otherwise` if it is none.
std::int64_t number_in(std::string_view text, std::int64_t otherwise);

/// A status field that is left out where it is 0.
void set_count(object::TreeObject& status, std::string_view name, std::int64_t value);

/// The object with this status, if that says something else than the one it has.
void report_status(const Stored& object, object::Tree status, Plan* plan);

}  // namespace tetrarch::reconcile
