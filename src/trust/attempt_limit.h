// SPDX-License-Identifier: Apache-2.0
// AttemptLimit: who shows wrong secrets too often has to wait. Counts failures by address, forgets
// them with time, and keeps a bounded number of addresses.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tetrarch::trust {

struct AttemptOptions {
  int failures_max = 10;                ///< at once; one more is refused
  std::chrono::seconds forgets_one{6};  ///< a failure is forgotten after this, one after the other
  std::size_t addresses_max = 4096;     ///< the one whose failures end first is forgotten first
};

/// Thread-safe.
class AttemptLimit {
 public:
  explicit AttemptLimit(AttemptOptions options = {}) : options_(options) {}

  /// Zero: it may try. Else how long it has to wait.
  std::chrono::seconds wait_of(std::string_view address, TimePoint now);
  void note_failure(std::string_view address, TimePoint now);
  std::size_t size() const;

 private:
  void make_room(TimePoint now);

  const AttemptOptions options_;
  mutable std::mutex mutex_;  // guards forgotten_at_
  /// When the last failure of an address will be forgotten.
  std::map<std::string, TimePoint, std::less<>> forgotten_at_;
};

/// "192.0.2.7" of "192.0.2.7:4711", "[2001:db8::1]" of "[2001:db8::1]:4711".
std::string_view without_port(std::string_view address);

}  // namespace tetrarch::trust
