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
  Status outcome = ok();
};

/// Where that fails the answer says why, or that there is none.
Task<void> send(Relay& relay, net::ClientRequest request) {
  (void)co_await relay.backend.send(std::move(request));
}

Task<void> read_head(Relay& relay, Status& outcome) {
  auto read = co_await relay.backend.read_head(relay.is_head);
  if (read.ok() || read.error().code != Code::cancelled) {
    outcome = std::move(read);
  }
}

Task<void> expire(std::chrono::seconds after) {
  co_await async::sleep_for(after);
}

Task<void> copy_body(net::StreamRequest& from, net::Exchange& to, Status& outcome) {
  while (true) {
    const auto piece = co_await from.read();
    if (!piece.ok() || piece->empty()) {
      outcome = piece.ok() ? ok() : Status(piece.error());
      co_return;
    }
    net::Body body;
    body.pieces.emplace_back(*piece);
    outcome = co_await to.write(std::move(body));
    if (!outcome.ok()) {
      co_return;
    }
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
  Status copied = Error{Code::cancelled, "the client has gone away"};
  co_await async::first_of(copy_body(relay.backend, exchange, copied), wait_until_gone(exchange));
  CO_TRY_STATUS(copied);
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
  co_await async::first_of(read_head(relay, read), expire(relay.head_max));
  CO_TRY_STATUS(read);
  if (relay.backend.status() != 101) {
    co_return co_await pass_answer(relay);
  }
  if (!relay.is_upgrade) {
    co_return Error{Code::unavailable, "it changed the protocol, which nobody asked for"};
  }
  co_return co_await pass_upgrade(relay);
}

/// What is still being sent when the answer is there is not wanted any more.
Task<void> answer_and_close(Relay& relay) {
  relay.outcome = co_await answer(relay);
  relay.backend.close();
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
    CO_TRY_STATUS(co_await relay.backend.send(std::move(request)));
    co_return co_await answer(relay);
  }
  co_await async::both(send(relay, std::move(request)), answer_and_close(relay));
  co_return std::move(relay.outcome);
}

}  // namespace tetrarch::api::kubernetes
