// SPDX-License-Identifier: Apache-2.0
// Rotation: the certificates that the server issues for itself, each replaced long before it ends.
// Owned by the control plane.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"

namespace tetrarch::app {

/// add() before run(); then all of it is on the strand of the group that runs it.
class Rotation {
 public:
  /// Issues a certificate, takes it into use and returns it as PEM; more may follow it.
  using Issue = std::function<Result<std::string>()>;

  /// Issues the first one. `name` is for the log.
  Status add(std::string name, Issue issue);
  /// Replaces what is due. What fails is tried again at the next look.
  void look(TimePoint now);
  /// Until the next look: an hour at most, since timers stand still while a machine sleeps, and
  /// clocks are set.
  std::chrono::nanoseconds pause(TimePoint now) const;
  /// Looks for ever. Owned by a TaskGroup.
  Task<void> run(const Clock& clock);

 private:
  struct Kept {
    std::string name;
    Issue issue;
    std::string present;
    TimePoint due() const;
  };

  std::vector<Kept> all_;
};

}  // namespace tetrarch::app
