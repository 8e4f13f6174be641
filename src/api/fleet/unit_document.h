// SPDX-License-Identifier: Apache-2.0
// A unit as clients of fleet write and read it, and as the object that keeps it. Source: fleet
// reference, sections 2 and 3.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "object/document.h"
#include "object/stored.h"
#include "unitfile/unit_file.h"

namespace tetrarch::api::fleet {

inline constexpr const char* kUnits = "units.fleet.tetrarch.dev";
inline constexpr const char* kUnitStates = "unitstates.fleet.tetrarch.dev";
inline constexpr const char* kMachines = "machines.fleet.tetrarch.dev";

/// The body of a PUT.
struct UnitBody {
  std::string name;           ///< may be empty: the path's counts
  std::string desired_state;  ///< may be empty
  unitfile::Options options;
};

/// Code::malformed with fleet's sentence.
Result<UnitBody> read_unit_body(std::string_view json);

/// Whether fleet knows such a state.
bool is_state(std::string_view text);

/// What is kept of a unit.
struct UnitSpec {
  unitfile::Options options;
  std::string desired_state = "inactive";
  /// Counts the starts that were asked for while the unit was being stopped: each is a stop and a
  /// start of its own.
  std::int64_t restarts = 0;
  /// When it was last asked to stop; empty: it is to run, or never ran.
  std::string stop_asked = {};
};

UnitSpec read_spec(object::View unit);
/// The object; `old` (may be absent) gives all that clients of fleet do not see.
DocumentPtr unit_object(std::string_view name,
                        std::string_view ns,
                        const UnitSpec& spec,
                        object::View old);

/// What a client of fleet sees of the unit now. The state of a unit that was asked to stop stays
/// `launched` for a moment: fleetctl restart waits for it (trap T1).
std::string unit_json(const Stored& unit, TimePoint now);
std::string current_state(object::View unit, TimePoint now);

/// One UnitState, from its object.
std::string unit_state_json(object::View state);
/// The state that a Unit's status tells. One that no machine has loaded is a state too: the real
/// client crashes where there is none (trap T2).
std::string state_of_unit_json(const Stored& unit);

}  // namespace tetrarch::api::fleet
