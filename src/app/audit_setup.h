// SPDX-License-Identifier: Apache-2.0
// The audit log as the configuration wants it: its policy read, its file open.
#pragma once

#include <memory>

#include "api/kubernetes/audit.h"
#include "app/audit_file.h"
#include "app/config.h"

namespace tetrarch::app {

/// Outlives the API's handler.
struct AuditSetup {
  AuditSetup(AuditFileOptions options, async::BlockingPool& pool, Metrics& metrics);

  AuditFile file;
  api::kubernetes::AuditLog log;
};

/// Null where the configuration wants no audit log. Errors name the file and what is wrong in it.
Result<std::unique_ptr<AuditSetup>> open_audit(const Config& config,
                                               async::BlockingPool& pool,
                                               Metrics& metrics);

}  // namespace tetrarch::app
