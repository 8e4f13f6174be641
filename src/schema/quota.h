// SPDX-License-Identifier: Apache-2.0
// What objects count against the quotas of their namespace. Admission (registry) charges by it and
// the recount (reconcile) checks by it, so both say the same.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "object/document.h"
#include "object/quantity.h"

namespace tetrarch::schema {

using Amounts = std::map<std::string, object::Quantity, std::less<>>;

/// A map of quantities, as in status.hard; what cannot be read is left out.
Amounts amounts_in(object::View map);
/// "pods=1,requests.cpu=2": as refusals name them.
std::string amounts_text(const Amounts& amounts);
/// Those of `amounts` that are in `names` too.
Amounts masked(const Amounts& amounts, const Amounts& names);

/// Whether objects of that resource ("pods", "deployments.apps") are what a quota counts under that
/// name.
bool is_counted_by(std::string_view name, std::string_view resource);
/// What an object takes. A pod that has ended takes only its place as an object.
Amounts usage_of(std::string_view resource, object::View object, TimePoint now);
/// Whether the scopes in a quota's spec are about this object. Quotas with scopes are about pods
/// only.
bool is_in_scope(object::View quota_spec, std::string_view resource, object::View object);
/// "limits.cpu for: c1,c2; requests.memory for: c1": what containers must state because a quota
/// counts it; empty: nothing is missing.
std::string missing_amounts(const Amounts& hard, object::View pod_spec);

/// Calls back for each object of a resource in the quota's namespace.
using ForEach = std::function<void(std::string_view resource,
                                   const std::function<void(object::View object)>& visit)>;
/// What everything that is there takes of spec.hard.
Amounts counted(object::View quota_spec, TimePoint now, const ForEach& for_each);

}  // namespace tetrarch::schema
