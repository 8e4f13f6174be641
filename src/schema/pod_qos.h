// SPDX-License-Identifier: Apache-2.0
// The quality of service of a pod, as its containers' requests and limits say.
#pragma once

#include <string_view>

#include "object/document.h"

namespace tetrarch::schema {

/// BestEffort, Burstable or Guaranteed. Source: Kubernetes documentation, "Pod Quality of Service
/// Classes".
std::string_view qos_class(object::View pod_spec);

}  // namespace tetrarch::schema
