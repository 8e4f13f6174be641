// SPDX-License-Identifier: Apache-2.0
// Recovery: from what the journal has to the state that a store starts with.
#pragma once

#include <memory>

#include "store/journal.h"
#include "store/root.h"

namespace tetrarch::store {

struct Recovered {
  std::shared_ptr<Snapshot::Root>
      root;       ///< its revision: at least every one that was ever given out
  Revision last;  ///< of the last change that is there
};

/// Refuses a newer format, damage, and encrypted objects without their key, in words for the
/// operator.
Result<Recovered> recover(Journal& journal, const Sealing& sealing);

}  // namespace tetrarch::store
