// SPDX-License-Identifier: Apache-2.0
// TLS as a client over any stream, for what is not reached by a socket of our own.
#pragma once

#include <memory>
#include <string>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"

namespace tetrarch::net {

/// Shakes hands and gives the stream inside. `server_name` (a DNS name or an IP address) is what
/// the certificate must be for. The caller sets a limit of time. Code::unavailable: no agreement.
Task<Result<std::unique_ptr<Stream>>> begin_tls(std::unique_ptr<Stream> outside,
                                                std::shared_ptr<TlsContext> tls,
                                                std::string server_name);

}  // namespace tetrarch::net
