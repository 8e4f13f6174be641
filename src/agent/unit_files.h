// SPDX-License-Identifier: Apache-2.0
// The files of units that this agent has placed, in a directory of its own that is not in systemd's
// load path, with a note beside each: what has no note is none of ours. Blocking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/systemd/systemd.h"
#include "base/result.h"

namespace tetrarch::agent {

/// What outlives the agent's process; a boot of the machine ends it, as it ends the unit.
struct UnitNote {
  std::string unit;
  std::string uid;  ///< of the Pod, whose key this is
  std::string ns;
  std::string pod;
  std::string hash;  ///< of the text
  bool is_launched = false;
  std::uint64_t restarts = 0;
  bool is_whole = true;  ///< read: the file is there, with the text that the hash is of
  bool operator==(const UnitNote&) const = default;
};

class UnitFiles {
 public:
  explicit UnitFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::filesystem::path file(std::string_view unit) const { return directory_ / unit; }

  /// Notes at which bus those units are that will be placed.
  Status prepare(const std::string& bus) const;
  std::string bus() const;
  Result<std::vector<UnitNote>> read() const;
  /// The note first: a file without one is somebody else's, and refused with Code::precondition.
  Status place(const UnitNote& note, std::string_view text) const;
  Status write(const UnitNote& note) const;
  Status remove(std::string_view unit) const;

 private:
  std::filesystem::path note_file(std::string_view unit) const;

  std::filesystem::path directory_;
};

/// Code::precondition: what systemd has by the name is none of ours. Nothing there is free.
Status check_own(const systemd::Fragment& found,
                 const std::string& unit,
                 const std::filesystem::path& ours);

}  // namespace tetrarch::agent
