// SPDX-License-Identifier: Apache-2.0
// One check of a probe or one lifecycle hook, carried out: exec, HTTP, TCP, gRPC health.
#pragma once

#include <chrono>
#include <string>

#include "agent/runtime/runtime.h"
#include "async/task.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

/// Where a handler is carried out. `handler` is the JSON of a Probe or LifecycleHandler; kept alive
/// by `owner`.
struct CheckTarget {
  DocumentPtr owner;
  object::View handler;
  object::View container;  ///< for named ports
  std::string container_id;
  std::string pod_ip;
  /// Of a lifecycle hook: any answer to an HTTP request is success, whatever its status.
  bool is_hook = false;
};

struct CheckResult {
  bool is_success = false;
  std::string message = {};
};

/// Ends within about `limit`. A handler of none of the known kinds succeeds.
Task<CheckResult> run_check(runtime::Runtime& runtime,
                            CheckTarget target,
                            std::chrono::milliseconds limit);

}  // namespace tetrarch::agent
