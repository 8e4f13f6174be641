// SPDX-License-Identifier: Apache-2.0
// One request of HTTP/1.1 over a stream to a backend, and its answer to the client, both piece by
// piece as they come: never more than a window of either is held, and who is slow slows the other
// side down. Used by the proxy subresources and by what other API servers serve.
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

/// Ours: Kubernetes waits for as long as the client does; a client that is there and has forgotten
/// what it asked for is not told from one that waits.
inline constexpr std::chrono::minutes kHeadMax{10};

/// Answers the exchange; where the backend takes the upgrade that the client asks for, carries
/// bytes until one side ends. The body is the context's. Code::unavailable, and nothing is
/// answered: the backend did not answer, or not within `head_max` of the last piece that it was
/// sent. Code::cancelled: the client has gone away, and the backend's stream is closed. Other
/// codes: the client's body cannot be read. An answer that breaks off is cut off here too.
Task<Status> relay_request(Context& context,
                           std::unique_ptr<net::Stream> backend,
                           net::ClientRequest request,
                           AnswerHeaders headers,
                           std::chrono::seconds head_max = kHeadMax);

}  // namespace tetrarch::api::kubernetes
