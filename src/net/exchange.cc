// SPDX-License-Identifier: Apache-2.0
#include "net/exchange.h"

#include <charconv>

#include <fmt/format.h>

#include "base/encoding.h"
#include "net/request_parser.h"
#include "net/response_head.h"
#include "net/spare.h"
#include "net/transport_stream.h"
#include "net/websocket_codec.h"
#include "net/websocket_stream.h"

namespace tetrarch::net {
namespace {

std::optional<std::uint64_t> declared_length(const Headers& headers) {
  const auto text = headers.get("Content-Length");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number ? std::optional(number) : std::nullopt;
}

}  // namespace

void ConnectionExchange::compose_head(int status, const Headers& headers) {
  status_ = status;
  auto& head = connection_.head_;
  head.clear();
  begin_head(head, status, connection_.date_.at(connection_.core_->clock.now()), headers);
  if (equals_ignoring_case(headers.get("Connection"), "close")) {
    keeps_alive_ = false;
  }
  if (connection_.core_->is_draining || !is_whole()) {
    keeps_alive_ = false;
  }
  if (!keeps_alive_ && status != 101) {
    head += "Connection: close\r\n";
  } else if (is_http10_) {
    head += "Connection: keep-alive\r\n";
  }
}

Status ConnectionExchange::expect(Step step) const {
  return step_ == step
             ? ok()
             : Status{Error{Code::internal, "a request was answered twice, or out of order"}};
}

void ConnectionExchange::arm_write() {
  const auto& options = connection_.core_->options;
  connection_.transport_->arm(step_ == Step::streaming ? options.stream_write_limit
                                                       : options.write_limit);
}

Status ConnectionExchange::noted(Status outcome) {
  if (!outcome.ok()) {
    step_ = Step::broken;
    connection_.note_gone();
  }
  return outcome;
}

Task<Status> ConnectionExchange::send(const Body& body) {
  auto& transport = *connection_.transport_;
  arm_write();
  for (const auto piece : body.pieces) {
    auto rest = piece;
    while (!rest.empty()) {
      const auto n = std::min(rest.size(), Transport::kWriteSize);
      CO_TRY_STATUS(transport.append(rest.substr(0, n)));
      rest.remove_prefix(n);
      if (transport.pending() >= Transport::kWriteSize) {
        CO_TRY_STATUS(co_await transport.flush());
        arm_write();
      }
    }
  }
  co_return ok();
}

Task<Status> ConnectionExchange::respond(int status, Headers headers, std::string body) {
  Body pieces;
  pieces.pieces.emplace_back(body);
  co_return co_await respond(status, std::move(headers), std::move(pieces));
}

Task<Status> ConnectionExchange::respond(int status, Headers headers, Body body) {
  CO_TRY_STATUS(expect(Step::waiting));
  compose_head(status, headers);
  auto& head = connection_.head_;
  if (!has_no_content(status)) {
    body_bytes_ = size_of(body);
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", body_bytes_);
  }
  head += "\r\n";
  step_ = Step::finished;
  auto& transport = *connection_.transport_;
  auto appended = transport.append(head);
  if (appended.ok() && !is_head_ && !has_no_content(status)) {
    appended = co_await send(body);
  } else {
    arm_write();
  }
  if (!appended.ok()) {
    co_return noted(std::move(appended));
  }
  auto flushed = co_await transport.flush();
  transport.disarm();
  co_return noted(std::move(flushed));
}

Task<Status> ConnectionExchange::start(int status, Headers headers) {
  CO_TRY_STATUS(expect(Step::waiting));
  declared_ = declared_length(headers);
  if (is_http10_ && !declared_) {
    keeps_alive_ =
        false;  // HTTP/1.0 knows no chunks: the end of the connection is the end of the body
  }
  compose_head(status, headers);
  connection_.head_ += is_chunked() ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
  step_ = Step::streaming;
  auto& transport = *connection_.transport_;
  arm_write();
  auto sent = transport.append(connection_.head_);
  if (sent.ok()) {
    sent = co_await transport.flush();
  }
  transport.disarm();
  if (sent.ok()) {
    connection_.is_streaming_ = true;
    if (is_whole()) {
      connection_.watch_for_end();  // else read_body() is who notices
    }
    if (connection_.core_->is_draining) {
      connection_.note_gone();
    }
  }
  co_return noted(std::move(sent));
}

Task<Status> ConnectionExchange::write(Body body) {
  if (connection_.is_gone_ || step_ == Step::broken) {
    co_return Error{Code::cancelled, "the client has gone away"};
  }
  CO_TRY_STATUS(expect(Step::streaming));
  const auto size = size_of(body);
  if (size == 0 || is_head_) {
    co_return ok();
  }
  body_bytes_ += size;
  if (declared_ && body_bytes_ > *declared_) {
    co_return noted(Error{Code::internal, "an answer is longer than its Content-Length"});
  }
  auto& transport = *connection_.transport_;
  auto sent = is_chunked() ? transport.append(fmt::format("{:x}\r\n", size)) : ok();
  if (sent.ok()) {
    sent = co_await send(body);
  }
  if (sent.ok() && is_chunked()) {
    sent = transport.append("\r\n");
  }
  if (sent.ok()) {
    sent = co_await transport.flush();
  }
  transport.disarm();
  co_return noted(std::move(sent));
}

Task<Status> ConnectionExchange::finish() {
  connection_.end_watch();
  if (connection_.is_gone_ || step_ == Step::broken) {
    co_return Error{Code::cancelled, "the client has gone away"};
  }
  CO_TRY_STATUS(expect(Step::streaming));
  if (declared_ && body_bytes_ < *declared_ && !is_head_) {
    co_return noted(Error{Code::internal, "an answer is shorter than its Content-Length"});
  }
  step_ = Step::finished;
  if (!is_chunked() || is_head_) {
    co_return ok();
  }
  auto& transport = *connection_.transport_;
  arm_write();
  auto sent = transport.append("0\r\n\r\n");
  if (sent.ok()) {
    sent = co_await transport.flush();
  }
  transport.disarm();
  co_return noted(std::move(sent));
}

Task<Status> ConnectionExchange::say_continue() {
  if (step_ != Step::waiting || !parser_->expects_continue() ||
      std::exchange(has_continued_, true)) {
    co_return ok();
  }
  auto& transport = *connection_.transport_;
  arm_write();
  CO_TRY_STATUS(transport.append("HTTP/1.1 100 Continue\r\n\r\n"));
  co_return co_await transport.flush();
}

Task<Result<std::string>> ConnectionExchange::read_body() {
  if (is_whole() || !connection_.transport_) {
    co_return std::string{};
  }
  CO_TRY_STATUS(co_await say_continue());
  // Beside an answer the client may be silent for as long as it likes, and writing has the
  // deadline.
  if (step_ == Step::waiting) {
    connection_.transport_->arm(connection_.core_->options.stream_write_limit);
  }
  auto piece = co_await connection_.read_body(*parser_);
  if (step_ == Step::waiting) {
    connection_.transport_->disarm();
  } else if (!piece.ok() && piece.error().code != Code::cancelled) {
    // Cancelled: the answer was whole before the request, and whoever answered reads no more.
    connection_.note_gone();
  } else if (step_ == Step::streaming && is_whole()) {
    connection_.watch_for_end();
  }
  co_return piece;
}

void ConnectionExchange::on_client_gone(std::function<void()> notice) {
  if (connection_.is_gone_) {
    notice();
    return;
  }
  connection_.notice_ = std::move(notice);
  if (step_ == Step::waiting && is_whole()) {
    connection_.watch_for_end();
  }
}

Task<bool> ConnectionExchange::complete() {
  connection_.end_watch();
  if (step_ == Step::waiting) {
    auto page = connection_.core_->handler.error_body(500, "the request was not answered");
    Headers headers;
    headers.add("Content-Type", std::move(page.content_type));
    const auto answered = co_await respond(500, std::move(headers), std::move(page.body));
    co_return answered.ok() && keeps_alive_;
  }
  if (step_ == Step::finished && keeps_alive_ && !connection_.is_gone_) {
    co_return true;
  }
  if (step_ == Step::finished && connection_.transport_ && !connection_.is_gone_) {
    (void)co_await connection_.transport_->shut_write();
  }
  co_return false;
}

Task<Result<std::unique_ptr<Stream>>> ConnectionExchange::upgrade_raw(Headers headers) {
  if (auto misused = expect(Step::waiting); !misused.ok()) {
    co_return std::move(misused).error();
  }
  if (connection_.is_reading_ahead_ || !is_whole()) {
    co_return Error{Code::internal, "what is still being read cannot be taken over"};
  }
  compose_head(101, headers);
  connection_.head_ += "\r\n";
  step_ = Step::taken;
  auto& transport = *connection_.transport_;
  arm_write();
  auto sent = transport.append(connection_.head_);
  if (sent.ok()) {
    sent = co_await transport.flush();
  }
  transport.disarm();
  if (!sent.ok()) {
    co_return noted(std::move(sent)).error();
  }
  std::string early(connection_.buffer_.data() + connection_.begin_,
                    connection_.end_ - connection_.begin_);
  connection_.begin_ = connection_.end_;
  give_spare(connection_.buffer_);
  co_return make_transport_stream(std::move(connection_.transport_), std::move(early));
}

void ConnectionExchange::remember_upgrade(const Headers& headers) {
  wants_websocket_ =
      headers.has_word("Upgrade", "websocket") && headers.has_word("Connection", "upgrade");
  websocket_key_ = headers.get("Sec-WebSocket-Key");
  websocket_version_ = headers.get("Sec-WebSocket-Version");
}

Task<Result<std::unique_ptr<WebSocket>>> ConnectionExchange::upgrade_websocket(
    std::string subprotocol) {
  // Source: RFC 6455 section 4.2.
  const auto key = base64_decode(websocket_key_);
  if (!wants_websocket_ || websocket_version_ != "13" || !key.ok() || key->size() != 16) {
    const std::string message = "this is no WebSocket handshake of version 13";
    auto page = connection_.core_->handler.error_body(wants_websocket_ ? 426 : 400, message);
    Headers headers;
    headers.add("Content-Type", std::move(page.content_type));
    headers.add("Sec-WebSocket-Version", "13");
    CO_TRY_STATUS(
        co_await respond(wants_websocket_ ? 426 : 400, std::move(headers), std::move(page.body)));
    co_return Error{Code::malformed, message};
  }
  Headers headers;
  headers.add("Upgrade", "websocket");
  headers.add("Connection", "Upgrade");
  headers.add("Sec-WebSocket-Accept", websocket::accept_key(websocket_key_));
  if (!subprotocol.empty()) {
    headers.add("Sec-WebSocket-Protocol", std::move(subprotocol));
  }
  CO_TRY(auto stream, co_await upgrade_raw(std::move(headers)));
  co_return make_websocket(std::move(stream));
}

}  // namespace tetrarch::net
