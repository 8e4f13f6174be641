// SPDX-License-Identifier: Apache-2.0
#include "schema/pod_qos.h"

#include "object/quantity.h"

namespace tetrarch::schema {

using object::Quantity;
using object::View;

namespace {

bool is_zero(View quantity) {
  const auto value = Quantity::from(quantity);
  return !value.ok() || value->is_zero();
}

}  // namespace

std::string_view qos_class(View pod_spec) {
  bool asks_any = false;
  bool is_guaranteed = true;
  for (const auto* list : {"containers", "initContainers"}) {
    for (const View container : pod_spec[list].elements()) {
      for (const auto* resource : {"cpu", "memory"}) {
        const View request = container["resources"]["requests"][resource];
        const View limit = container["resources"]["limits"][resource];
        asks_any = asks_any || !is_zero(request) || !is_zero(limit);
        const auto wanted = Quantity::from(request ? request : limit);
        const auto most = Quantity::from(limit);
        is_guaranteed =
            is_guaranteed && !is_zero(limit) && wanted.ok() && most.ok() && *wanted == *most;
      }
    }
  }
  return !asks_any ? "BestEffort" : is_guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace tetrarch::schema
