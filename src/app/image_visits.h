// SPDX-License-Identifier: Apache-2.0
// Requests of the image registry among those of the Kubernetes API: the same priority levels, the
// same audit log.
#pragma once

#include "api/distribution/visit.h"
#include "api/kubernetes/audit.h"
#include "api/kubernetes/fairness.h"
#include "base/clock.h"
#include "base/random.h"

namespace tetrarch::app {

/// All outlive the visits.
struct VisitParts {
  api::kubernetes::Fairness& fairness;
  const api::kubernetes::AuditLog* audit;  ///< null: no audit log
  const Clock& clock;
  Random& random;
};

api::distribution::Visits make_image_visits(VisitParts parts);

}  // namespace tetrarch::app
