// SPDX-License-Identifier: Apache-2.0
// One request of HTTP/1.1 over a stream to a backend, and its answer to the client, piece by piece
// as it comes: never more than a window of it is held. Used by the proxy subresources.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "api/kubernetes/context.h"
#include "async/task.h"
#include "net/client.h"

namespace tetrarch::api::kubernetes {

/// The headers of an answer as the client gets them.
using AnswerHeaders = std::function<net::Headers(const net::Headers& headers, bool is_upgrade)>;

/// Ours: Kubernetes waits for as long as the client does, which cannot be known before an answer
/// has begun.
inline constexpr std::chrono::minutes kHeadMax{10};

/// Answers the exchange; where the backend takes the upgrade that the client asks for, carries
/// bytes until one side ends. Code::unavailable or Code::timeout, and nothing is answered: the
/// backend did not answer within `head_max`. An answer that breaks off is cut off here too.
Task<Status> relay_request(Context& context,
                           std::unique_ptr<net::Stream> backend,
                           net::ClientRequest request,
                           AnswerHeaders headers,
                           std::chrono::seconds head_max = kHeadMax);

}  // namespace tetrarch::api::kubernetes
