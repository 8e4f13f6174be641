// SPDX-License-Identifier: Apache-2.0
// What a unit asks of the machine it runs on: its section [X-Fleet]. Source: fleet reference,
// section 5.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unitfile/unit_file.h"

namespace tetrarch::unitfile {

/// The section read for one unit, with the unit's name put in for specifiers (%n %N %p %i). Older
/// spellings (X-ConditionMachineID and so on) are read like the present ones.
struct Requirements {
  std::string machine_id;              ///< empty: any
  std::vector<std::string> peers;      ///< MachineOf: units of the same machine
  std::vector<std::string> conflicts;  ///< patterns of units that may not be there
  std::vector<std::string> replaces;   ///< units whose machine it takes
  /// MachineMetadata: for each key one of the values.
  std::map<std::string, std::set<std::string>> metadata;
  bool is_global = false;  ///< one on every machine that suits
  // Ours: what fleet does not know.
  std::string cpu;     ///< CPU: what is reserved, as Kubernetes writes it; empty: the default
  std::string memory;  ///< Memory: the same
  std::vector<std::pair<std::string, std::string>> labels;  ///< Label: by which Services select it
  std::vector<std::string> unknown_keys;

  bool operator==(const Requirements&) const = default;
};

/// Never fails: what is malformed is left out, as fleet does.
Requirements read_requirements(std::string_view unit_name, const Options& options);

/// Code::malformed with fleet's sentence where the requirements cannot hold together.
Status check_requirements(const Requirements& requirements);

/// Whether a conflict of one names the other; never with itself.
bool are_in_conflict(std::string_view name,
                     const Requirements& of,
                     std::string_view other_name,
                     const Requirements& other);

}  // namespace tetrarch::unitfile
