// SPDX-License-Identifier: Apache-2.0
// What a hollow agent says of a unit of fleet: that all was done at once that its Pod asks for. For
// `tetrarch bench fleet`.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "object/stored.h"

namespace tetrarch::app {

struct HollowUnit {
  std::string status;  ///< canonical JSON; empty: the Pod says so already
  bool is_active = false;
};

/// Code::invalid: what no agent would run.
Result<HollowUnit> hollow_unit(const Stored& pod, const std::string& host_ip, TimePoint now);

}  // namespace tetrarch::app
