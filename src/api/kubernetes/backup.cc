// SPDX-License-Identifier: Apache-2.0
// Our own route for administrators: the store at one revision, as a stream. Made piece by piece, so
// that however large it is, little of it is in memory and other requests go on between two pieces.
#include "api/kubernetes/serve.h"
#include "base/log.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_backup(Context& context) {
  if (!context.parts.begin_backup) {
    co_return Error{Code::unimplemented, "this server gives no backups"};
  }
  const NextPiece next = context.parts.begin_backup();
  context.answered = 200;
  auto headers = make_headers(context, "application/octet-stream");
  CO_TRY_STATUS(co_await context.exchange.start(200, std::move(headers)));
  while (!context.exchange.is_client_gone()) {
    CO_TRY(auto piece,
           next());  // an error leaves the stream without its end, which tells the client
    if (piece.empty()) {
      log::info("api", "{} has taken a backup", context.identity.user);
      co_return co_await context.exchange.finish();
    }
    const auto owner =
        std::make_shared<const std::string>(std::move(piece));  // shared with the body
    net::Body body;
    body.pieces.emplace_back(*owner);
    body.owner = owner;
    CO_TRY_STATUS(co_await context.exchange.write(std::move(body)));
  }
  co_return ok();
}

}  // namespace tetrarch::api::kubernetes
