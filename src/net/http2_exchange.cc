// SPDX-License-Identifier: Apache-2.0
#include "net/http2_exchange.h"

namespace tetrarch::net {
namespace {

Error gone() {
  return {Code::cancelled, "the client has gone away"};
}

}  // namespace

/// The pieces' memory ends with the frame that waits: what is not taken by then never will be.
struct Http2Exchange::Dropped {
  Http2Exchange& exchange;

  ~Dropped() {
    if (exchange.stream_.left > 0) {
      exchange.connection_.session_.reset(exchange.stream_, Http2Session::Reason::failed);
    }
  }
};

Status Http2Exchange::expect(Step step) const {
  return step_ == step
             ? ok()
             : Status{Error{Code::internal, "a request was answered twice, or out of order"}};
}

Status Http2Exchange::begin(int status, Headers headers, bool has_body) {
  status_ = status;
  headers.add("Date", std::string(connection_.date_.at(connection_.core_->clock.now())));
  return connection_.session_.begin_answer(stream_, status, headers, has_body);
}

Task<Status> Http2Exchange::taken() {
  const Dropped dropped{*this};
  connection_.pump();
  while (stream_.left > 0) {
    co_await stream_.changed.wait();
  }
  if (stream_.is_closed && !stream_.is_ended) {
    co_return gone();
  }
  co_return ok();
}

Task<Status> Http2Exchange::respond(int status, Headers headers, std::string body) {
  Body pieces;
  pieces.pieces.emplace_back(body);
  co_return co_await respond(status, std::move(headers), std::move(pieces));
}

Task<Status> Http2Exchange::respond(int status, Headers headers, Body body) {
  CO_TRY_STATUS(expect(Step::waiting));
  step_ = Step::finished;
  const auto size = size_of(body);
  const bool may_have_body = !has_no_content(status);
  const bool has_body = size > 0 && may_have_body && !is_head_;
  if (may_have_body) {
    headers.add("Content-Length", std::to_string(size));
  }
  CO_TRY_STATUS(begin(status, std::move(headers), has_body));
  if (has_body) {
    body_bytes_ = size;
    connection_.session_.push(
        stream_, std::move(body.pieces), true, connection_.core_->clock.steady());
  }
  co_return co_await taken();
}

Task<Status> Http2Exchange::start(int status, Headers headers) {
  CO_TRY_STATUS(expect(Step::waiting));
  step_ = Step::streaming;
  CO_TRY_STATUS(begin(status, std::move(headers), !is_head_));
  stream_.is_streaming = true;
  if (connection_.core_->is_draining) {
    stream_.note_gone();
  }
  co_return co_await taken();
}

Task<Status> Http2Exchange::write(Body body) {
  if (stream_.is_gone) {
    co_return gone();
  }
  CO_TRY_STATUS(expect(Step::streaming));
  const auto size = size_of(body);
  if (size == 0 || is_head_) {
    co_return ok();
  }
  body_bytes_ += size;
  connection_.session_.push(
      stream_, std::move(body.pieces), false, connection_.core_->clock.steady());
  co_return co_await taken();
}

Task<Status> Http2Exchange::finish() {
  stream_.notice = nullptr;
  if (stream_.is_gone) {
    co_return gone();
  }
  CO_TRY_STATUS(expect(Step::streaming));
  step_ = Step::finished;
  if (is_head_) {
    co_return ok();
  }
  connection_.session_.push(stream_, {}, true, connection_.core_->clock.steady());
  co_return co_await taken();
}

void Http2Exchange::on_client_gone(std::function<void()> notice) {
  if (stream_.is_gone) {
    notice();
    return;
  }
  stream_.notice = std::move(notice);
}

Task<Result<std::string>> Http2Exchange::read_body() {
  while (stream_.arrived.empty()) {
    if (is_whole()) {
      co_return std::string{};
    }
    if (stream_.is_closed || stream_.is_cut) {
      co_return Error{Code::unavailable, "the request broke off"};
    }
    if (!co_await stream_.more.wait_for(connection_.core_->options.stream_write_limit)) {
      co_return Error{Code::timeout, "the request took too long to arrive"};
    }
  }
  auto piece = connection_.session_.take_arrived(stream_);
  connection_.pump();
  co_return piece;
}

Task<void> Http2Exchange::complete() {
  if (step_ != Step::waiting) {
    co_return;
  }
  auto page = connection_.core_->handler.error_body(500, "the request was not answered");
  Headers headers;
  headers.add("Content-Type", std::move(page.content_type));
  (void)co_await respond(500, std::move(headers), std::move(page.body));
}

/// Source: RFC 9113 section 8.6: the Upgrade header has no place in HTTP/2.
Task<Error> Http2Exchange::refuse_upgrade() {
  const std::string message =
      "HTTP/2 has no upgrades: ask for this over HTTP/1.1 (offer http/1.1 by ALPN)";
  auto page = connection_.core_->handler.error_body(400, message);
  Headers headers;
  headers.add("Content-Type", std::move(page.content_type));
  (void)co_await respond(400, std::move(headers), std::move(page.body));
  co_return Error{Code::malformed, message};
}

Task<Result<std::unique_ptr<Stream>>> Http2Exchange::upgrade_raw(Headers /*headers*/) {
  co_return co_await refuse_upgrade();
}

Task<Result<std::unique_ptr<WebSocket>>> Http2Exchange::upgrade_websocket(
    std::string /*subprotocol*/) {
  co_return co_await refuse_upgrade();
}

}  // namespace tetrarch::net
