// SPDX-License-Identifier: Apache-2.0
// ResourceQuotas: says when what is used must be counted anew: when objects go or shrink, when the
// quota itself changes, and every few minutes. Charging is admission's (registry/quota.h). A mirror
// may lag behind a charge, so the number that a plan carries is only the reason to ask: the
// registry counts for itself, in one snapshot (subresource "usage").
#pragma once

#include <memory>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

std::unique_ptr<Controller> resource_quota_controller();

}  // namespace tetrarch::reconcile
