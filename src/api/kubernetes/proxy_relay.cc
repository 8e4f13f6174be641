// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/proxy_relay.h"

#include <utility>

#include <fmt/core.h>

#include "api/kubernetes/proxy_headers.h"
#include "api/kubernetes/stream_copy.h"
#include "async/timer.h"
#include "async/together.h"
#include "net/stream_request.h"

namespace tetrarch::api::kubernetes {
namespace {

struct Relay {
  Context& context;
  net::StreamRequest backend;
  const AnswerHeaders headers;
  const std::chrono::seconds head_max;
  bool is_head = false;  ///< the method is HEAD
  bool is_upgrade = false;
  std::uint64_t pieces = 0;  ///< of the body, that were sent
  bool is_left = false;      ///< the client has gone, or failed: what the backend says is moot
  Status outcome = Error{Code::cancelled, "the client has gone away"};
};

/// A failure of the client, in a code that is not taken for one of the backend.
Error of_client(Error error) {
  if (error.code == Code::unavailable) {
    error.code = Code::cancelled;
  } else if (error.code == Code::timeout) {
    error.code = Code::malformed;
  }
  return error;
}

Error of_backend(Error error) {
  error.code = Code::unavailable;
  return error;
}

/// An error is one of the client's. Where the backend takes no more, its answer says why, or that
/// there is none.
Task<Status> send(Relay& relay, net::ClientRequest request) {
  auto& body = relay.context.body;
  const auto size = body.size(relay.context.request.headers.get("Content-Length"));
  auto passed = co_await relay.backend.begin(std::move(request), size);
  while (passed.ok() && !body.is_at_end()) {
    const auto piece = co_await body.read();
    if (!piece.ok()) {
      co_return of_client(piece.error());
    }
    ++relay.pieces;
    passed = co_await relay.backend.send_piece(*piece);
  }
  if (passed.ok()) {
    (void)co_await relay.backend.end();
  }
  co_return ok();
}

/// Until the client has gone, or fails.
Task<void> follow_client(Relay& relay, net::ClientRequest request) {
  auto sent = co_await send(relay, std::move(request));
  if (sent.ok()) {
    co_await wait_until_gone(relay.context.exchange);
  } else {
    relay.outcome = std::move(sent);
  }
  relay.is_left = true;
}

Task<void> read_head(Relay& relay, Status& outcome) {
  auto read = co_await relay.backend.read_head(relay.is_head);
  if (read.ok() || read.error().code != Code::cancelled) {
    outcome = std::move(read);
  }
}

/// Once nothing was sent for so long.
Task<void> expire(const Relay& relay) {
  std::uint64_t before = 0;
  do {
    before = relay.pieces;
    co_await async::sleep_for(relay.head_max);
  } while (before != relay.pieces);
}

Task<Status> copy_body(net::StreamRequest& from, net::Exchange& to) {
  while (true) {
    CO_TRY(const auto piece, co_await from.read());
    if (piece.empty()) {
      co_return ok();
    }
    net::Body body;
    body.pieces.emplace_back(piece);
    CO_TRY_STATUS(co_await to.write(std::move(body)));
  }
}

bool has_no_body(int status) {
  return status == 204 || status == 304;
}

Task<Status> pass_answer(Relay& relay) {
  auto& exchange = relay.context.exchange;
  const int status = relay.backend.status();
  auto headers = relay.headers(relay.backend.headers(), false);
  relay.context.answered = status;
  if (has_no_body(status)) {
    co_return co_await exchange.respond(status, std::move(headers), std::string());
  }
  CO_TRY_STATUS(co_await exchange.start(status, std::move(headers)));
  CO_TRY_STATUS(co_await copy_body(relay.backend, exchange));
  co_return co_await exchange.finish();
}

/// Source: k8s.io/apimachinery 1.35, pkg/util/proxy/upgradeaware.go: it is over once one side ends.
Task<Status> pass_upgrade(Relay& relay) {
  auto headers = relay.headers(relay.backend.headers(), true);
  relay.context.answered = 101;
  const auto backend = relay.backend.take_stream();
  CO_TRY(const auto client, co_await relay.context.exchange.upgrade_raw(std::move(headers)));
  co_await async::first_of(copy_stream(*client, *backend), copy_stream(*backend, *client));
  client->close();
  backend->close();
  co_return ok();
}

Task<Status> answer(Relay& relay) {
  Status read =
      Error{Code::timeout, fmt::format("no answer within {} seconds", relay.head_max.count())};
  co_await async::first_of(read_head(relay, read), expire(relay));
  if (!read.ok()) {
    co_return of_backend(std::move(read).error());
  }
  if (relay.backend.status() != 101) {
    co_return co_await pass_answer(relay);
  }
  if (!relay.is_upgrade) {
    co_return Error{Code::unavailable, "it changed the protocol, which nobody asked for"};
  }
  co_return co_await pass_upgrade(relay);
}

Task<void> follow_backend(Relay& relay) {
  auto outcome = co_await answer(relay);
  if (!relay.is_left) {
    relay.outcome = std::move(outcome);
  }
}

/// The connection is the other protocol's from the answer on: nothing may be read ahead of it.
Task<Status> relay_upgrade(Relay& relay, net::ClientRequest request) {
  auto body = co_await relay.context.body.gather();
  if (!body.ok()) {
    co_return of_client(std::move(body).error());
  }
  request.body = *std::move(body);
  auto sent = co_await relay.backend.send(std::move(request));
  if (!sent.ok()) {
    co_return of_backend(std::move(sent).error());
  }
  co_return co_await answer(relay);
}

}  // namespace

Task<Status> relay_request(Context& context,
                           std::unique_ptr<net::Stream> backend,
                           net::ClientRequest request,
                           AnswerHeaders headers,
                           std::chrono::seconds head_max) {
  Relay relay{context, net::StreamRequest(std::move(backend)), std::move(headers), head_max};
  relay.is_head = request.method == "HEAD";
  relay.is_upgrade = wants_upgrade(request.headers);
  if (relay.is_upgrade) {
    co_return co_await relay_upgrade(relay, std::move(request));
  }
  co_await async::first_of(follow_client(relay, std::move(request)), follow_backend(relay));
  relay.backend.close();  // what is still being sent is not wanted any more
  co_return std::move(relay.outcome);
}

}  // namespace tetrarch::api::kubernetes
