// SPDX-License-Identifier: Apache-2.0
// metadata.managedFields of what is written: who the manager of a request is, whether its object is
// tracked at all, and what the entries are then. The rules of ownership are schema/ownership.h.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "object/field_set.h"
#include "object/stored.h"
#include "registry/planner.h"

namespace tetrarch::registry {

/// A request as this file sees it. Lives as long as the Write.
struct Tracking {
  const schema::Catalog& catalog;
  const Call& call;
  const std::string& now;
};

inline Tracking tracking_of(const Write& write) {
  return {write.here.catalog, write.call, write.now};
}

/// The name under which this caller's fields are kept.
std::string manager_of(const Call& call);

/// What a request to this subresource of the kind cannot own.
object::FieldSet ignored_by(const Call& call);

/// Canonical JSON, empty where the object is not tracked: what parts of Tetrarch create is not,
/// until somebody applies to it (docs/adr/0029).
Result<std::string> managed_of_new(const Tracking& tracking, const Body& body);

/// The same after an update of an object that is there.
Result<std::string> managed_of_update(const Tracking& tracking,
                                      const Stored& old,
                                      const Body& body);

/// Whether a request's body has `"managedFields": []`, which decoding drops.
bool has_empty_managed(std::string_view json);

}  // namespace tetrarch::registry
