// SPDX-License-Identifier: Apache-2.0
// Defaults that a table cannot write down: `= @name` in a table names one of these. Internal to the
// room.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "schema/siblings.h"

namespace tetrarch::schema {

/// Canonical JSON of the default; "" for none. Asked where the field is absent (or an empty
/// string). For a field that holds an object it answers "{}": its own defaults are filled in.
using ComputedDefault = std::string (*)(const Siblings& siblings);

/// A map's members as canonical JSON, after the client's have been decoded: may add and replace.
using MapEntries = std::map<std::string, std::string, std::less<>>;
using MapFill = void (*)(const Siblings& siblings, MapEntries& entries);

struct Computed {
  std::string_view name;
  ComputedDefault value = nullptr;
  MapFill fill = nullptr;
  /// Asked also where the client gave a value; an answer other than "" replaces it.
  bool is_forced = false;
  /// No default but another spelling of what the client gave: also where no defaults are asked for.
  bool is_translation = false;
};

/// nullptr: there is none of that name (with its '@').
const Computed* find_computed(std::string_view name);

}  // namespace tetrarch::schema
