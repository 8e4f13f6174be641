// SPDX-License-Identifier: Apache-2.0
// Names whose order is that of time, as clients that list by name show Events in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"

namespace tetrarch {

/// Makes `<name>.<16 hexadecimal digits>`: nanoseconds since 1970, the last millisecond of them
/// chance, so that several makers do not meet; of one maker each is behind the last. Source:
/// client-go tools/record, which names an Event by the time. Used on one strand.
class TimedNames {
 public:
  explicit TimedNames(Random& random) : random_(random) {}

  std::string next(std::string_view name, TimePoint now);

 private:
  Random& random_;
  std::uint64_t last_ = 0;
};

}  // namespace tetrarch
