// SPDX-License-Identifier: Apache-2.0
// Two tasks side by side inside one: for a connection that is read and written at the same time.
// Both are owned by the caller: its cancellation reaches both, and it goes on only when both have
// ended.
#pragma once

#include "async/task.h"

namespace tetrarch::async {

/// Waits for both.
Task<void> both(Task<void> a, Task<void> b);
/// Waits for the first to end, then cancels the other and waits for its end.
Task<void> first_of(Task<void> a, Task<void> b);

}  // namespace tetrarch::async
