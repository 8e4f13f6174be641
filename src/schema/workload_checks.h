// SPDX-License-Identifier: Apache-2.0
// What the rules of several workload kinds have in common: a selector that fits the template, pods
// that restart, numbers or percentages. Internal to the room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schema/problems.h"

namespace tetrarch::schema {

/// spec.selector is a label selector that says something and matches the template's labels. `owner`
/// as it stands in the message: "deployment".
void check_selector(Problems& problems, const Site& spec, std::string_view owner);
/// The template's labels must match, as far as `selector` can be read.
void check_selector_matches(Problems& problems, const Site& spec);
void complain_of_labels(Problems& problems, const Site& spec);
/// Pods of the template run for ever. `owner` as it stands in the message: "ReplicaSet".
void check_lasting_template(Problems& problems, const Site& spec, std::string_view owner);

/// The number before '%'; -1 where it is a plain number or no percentage.
std::int64_t percent_of(object::View value);
/// A number that is not negative, or a percentage.
void check_share(Problems& problems, const std::string& path, object::View value);
void check_at_most_all(Problems& problems, const std::string& path, object::View value);
bool is_zero_share(object::View value);

/// The same members with the same values, but for these.
bool same_but(object::View fresh, object::View old, const std::vector<std::string_view>& except);

}  // namespace tetrarch::schema
