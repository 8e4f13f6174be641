// SPDX-License-Identifier: Apache-2.0
// What another server serves, from the list that it gives to the form of aggregated discovery.
#pragma once

#include "api/kubernetes/remote_api.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {

/// The members of `resources` of its version; none where its list was never seen.
void write_remote_resources(object::Writer& writer, const RemoteApi& api);

}  // namespace tetrarch::api::kubernetes
