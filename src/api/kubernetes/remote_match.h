// SPDX-License-Identifier: Apache-2.0
// Which requests are passed on to another API server, and what they ask for as far as we must know
// it: for authorization, the audit log and flow control. Pure but for the question who serves what.
#pragma once

#include <memory>
#include <string_view>

#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/routes.h"

namespace tetrarch::api::kubernetes {

/// Sets `remote` where another server serves the path; else it stays as it is. A match without a
/// route: the path could mean one thing to us and another to that server.
Result<Match> match_remote(std::string_view path,
                           const Aggregator& aggregator,
                           std::shared_ptr<const RemoteApi>& remote);

/// Of the segments behind /apis/GROUP/VERSION.
Match describe_remote(const std::vector<std::string>& segments);

}  // namespace tetrarch::api::kubernetes
