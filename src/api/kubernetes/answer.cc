// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/answer.h"

#include <algorithm>

#include "async/yield.h"
#include "net/gzip.h"

namespace tetrarch::api::kubernetes {
namespace {

/// Compressed in one go, some 2 ms; then others have their turn.
constexpr std::size_t kTurn = 256 * 1024;
/// What is ready is sent once it is this much.
constexpr std::size_t kSendMin = 64 * 1024;

std::size_t size_of(const net::Body& body) {
  std::size_t total = 0;
  for (const auto piece : body.pieces) {
    total += piece.size();
  }
  return total;
}

Task<Status> send(net::Exchange& to, std::string& made) {
  net::Body body;
  body.pieces.emplace_back(made);
  auto sent = co_await to.write(std::move(body));
  made.clear();
  co_return sent;
}

}  // namespace

void Answer::mark(net::Headers& headers) const {
  headers.add("Audit-Id", audit_id_);
  if (adds) {
    adds(headers);
  }
}

void Answer::keep(int status, const net::Body& body) {
  if (!keeps || !keeps(status) || size_of(body) > kKeptMax) {
    return;
  }
  for (const auto piece : body.pieces) {
    kept_ += piece;
  }
}

void Answer::note_started(int status) const {
  if (on_started) {
    on_started(status);
  }
}

Task<Status> Answer::respond(int status, net::Headers headers, std::string body) {
  mark(headers);
  if (keeps) {
    net::Body whole;
    whole.pieces.emplace_back(body);
    keep(status, whole);
  }
  if (takes_gzip_ && body.size() > kGzipMin) {
    return respond_zipped_text(status, std::move(headers), std::move(body));
  }
  return inner_.respond(status, std::move(headers), std::move(body));
}

Task<Status> Answer::respond(int status, net::Headers headers, net::Body body) {
  mark(headers);
  keep(status, body);
  if (takes_gzip_ && size_of(body) > kGzipMin) {
    return respond_zipped(status, std::move(headers), std::move(body));
  }
  return inner_.respond(status, std::move(headers), std::move(body));
}

Task<Status> Answer::respond_zipped_text(int status, net::Headers headers, std::string body) {
  net::Body pieces;
  pieces.pieces.emplace_back(body);
  co_return co_await respond_zipped(status, std::move(headers), std::move(pieces));
}

Task<Status> Answer::respond_zipped(int status, net::Headers headers, net::Body body) {
  headers.add("Content-Encoding", "gzip");
  headers.add("Vary", "Accept-Encoding");
  CO_TRY_STATUS(co_await inner_.start(status, std::move(headers)));
  net::Gzip gzip;
  std::string made;
  std::size_t turn = 0;
  for (auto piece : body.pieces) {
    while (!piece.empty()) {
      const auto part = piece.substr(0, kTurn - turn);
      piece.remove_prefix(part.size());
      gzip.add(part, made);
      turn += part.size();
      if (made.size() >= kSendMin) {
        CO_TRY_STATUS(co_await send(inner_, made));
      }
      if (turn == kTurn) {
        turn = 0;
        co_await async::yield();
      }
    }
  }
  gzip.finish(made);
  CO_TRY_STATUS(co_await send(inner_, made));
  co_return co_await inner_.finish();
}

Task<Status> Answer::start(int status, net::Headers headers) {
  mark(headers);
  note_started(status);
  return inner_.start(status, std::move(headers));
}

Task<Status> Answer::write(net::Body body) {
  return inner_.write(std::move(body));
}

Task<Status> Answer::finish() {
  return inner_.finish();
}

bool Answer::is_client_gone() const {
  return inner_.is_client_gone();
}

void Answer::on_client_gone(std::function<void()> notice) {
  inner_.on_client_gone(std::move(notice));
}

Task<Result<std::unique_ptr<net::Stream>>> Answer::upgrade_raw(net::Headers headers) {
  mark(headers);
  note_started(101);
  return inner_.upgrade_raw(std::move(headers));
}

Task<Result<std::unique_ptr<net::WebSocket>>> Answer::upgrade_websocket(std::string subprotocol) {
  note_started(101);
  return inner_.upgrade_websocket(std::move(subprotocol));
}

}  // namespace tetrarch::api::kubernetes
