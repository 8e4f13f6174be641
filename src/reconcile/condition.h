// SPDX-License-Identifier: Apache-2.0
// Conditions of a status: set, keep their transition time, remove. Heavy header (trees): for .cc
// files.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "object/tree.h"

namespace tetrarch::reconcile {

struct Condition {
  std::string type;
  std::string status;  ///< True, False, Unknown
  std::string reason = {};
  std::string message = {};
};

/// The condition of that type; nullptr: none.
const object::TreeObject* find_condition(const object::TreeArray& conditions,
                                         std::string_view type);
bool has_condition(const object::TreeArray& conditions,
                   std::string_view type,
                   std::string_view reason);
void remove_condition(object::TreeArray& conditions, std::string_view type);
/// Sets it in its place, or at the end. lastTransitionTime moves only with the status.
void set_condition(object::TreeArray& conditions, const Condition& wanted, TimePoint now);
/// The same with a lastUpdateTime, which moves with the status or the reason (Deployments).
void set_updated_condition(object::TreeArray& conditions, const Condition& wanted, TimePoint now);

}  // namespace tetrarch::reconcile
