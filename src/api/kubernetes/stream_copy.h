// SPDX-License-Identifier: Apache-2.0
// What the streams of this room have in common: bytes from one stream to another, and waiting for
// a client to go.
#pragma once

#include "async/task.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// Until `from` ends; then `to` is told. Where one side fails, neither direction goes on: both
/// streams are closed. Both outlive it.
Task<void> copy_stream(net::Stream& from, net::Stream& to);

/// Of an answer that has been started: ends when the client has gone, so that what runs beside it
/// is cancelled.
Task<void> wait_until_gone(net::Exchange& exchange);

}  // namespace tetrarch::api::kubernetes
