// SPDX-License-Identifier: Apache-2.0
#include "net/stream_exchange.h"

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "async/breaker.h"
#include "async/ticker.h"
#include "net/access_note.h"
#include "net/ending_stream.h"
#include "net/peer_address.h"
#include "net/refusal.h"
#include "net/request_parser.h"
#include "net/response_head.h"

namespace tetrarch::net {
namespace {

constexpr std::size_t kReadSize = 4 * 1024;
/// Of what the parser does not take in pieces, beyond a head: chunk extensions, trailers.
constexpr std::size_t kLineMax = 64 * 1024;
/// Pieces of a body that are smaller leave together.
constexpr std::size_t kWriteSize = 32 * 1024;

Error gone() {
  return {Code::cancelled, "the client has gone away"};
}

/// A request that is not whole when the time is over, or that cannot be read.
struct Refusal {
  int status = 0;  ///< 0: there is none
  std::string message = {};
  bool has_ended = false;  ///< before it was whole: nobody waits for an answer
};

Task<void> receive(Stream& stream,
                   const ServerCore& core,
                   RequestParser& parser,
                   Refusal& refusal) {
  std::string buffer(kReadSize, '\0');
  std::size_t end = 0;
  while (!parser.is_done()) {
    if (end == buffer.size()) {
      buffer.resize(2 * buffer.size());  // a head that comes whole; its length has a limit
    }
    const auto got = co_await stream.read(buffer.data() + end, buffer.size() - end);
    if (!got.ok() || *got == 0) {
      refusal = {.has_ended = true};
      co_return;
    }
    end += *got;
    std::size_t begin = 0;
    while (begin < end && !parser.is_done()) {
      ParseError error;
      begin += parser.put(asio::const_buffer(buffer.data() + begin, end - begin), error);
      if (error == boost::beast::http::error::need_more) {
        break;
      }
      if (error) {
        const int status = parser.refusal() != 0 ? parser.refusal() : refusal_of(error);
        refusal = {status, message_of(status, error, core.options)};
        co_return;
      }
    }
    if (end - begin > core.options.header_bytes_max + kLineMax) {
      refusal = {431, "a line of the request is too long"};
      co_return;
    }
    buffer.erase(0, begin);
    buffer.resize(std::max(buffer.size(), kReadSize));
    end -= begin;
  }
  refusal = {};
}

Task<Refusal> receive_in_time(Stream& stream, const ServerCore& core, RequestParser& parser) {
  Refusal refusal{408, "the request took too long to arrive"};
  const auto limit = core.options.body_limit;
  const auto strand = co_await asio::this_coro::executor;
  async::Breaker breaker;
  const async::Ticker clock(strand, limit, [&breaker, limit] {
    breaker.cut();
    return limit;
  });
  co_await breaker.run(receive(stream, core, parser, refusal));
  co_return refusal;
}

}  // namespace

/// Who waits for the answer.
struct StreamExchange::Client {
  explicit Client(std::shared_ptr<Stream> its_stream) : stream(std::move(its_stream)) {}

  void note_gone() {
    is_gone = true;
    if (auto tell = std::exchange(notice, nullptr)) {
      tell();
    }
  }

  const std::shared_ptr<Stream> stream;
  std::function<void()> notice;
  bool is_gone = false;
};

Task<void> serve_stream(std::shared_ptr<ServerCore> core,
                        std::unique_ptr<Stream> stream,
                        Peer peer) {
  const std::shared_ptr<Stream> shared = std::move(stream);
  auto limits = core->limits;
  limits.uploads = nullptr;
  auto parser = std::make_unique<RequestParser>(limits);
  auto refusal = co_await receive_in_time(*shared, *core, *parser);
  if (refusal.has_ended) {
    co_return;
  }
  StreamExchange exchange(core, shared);
  auto& request = parser->request();
  request.peer = peer;
  const AccessNote note(core->options, core->clock, request);
  if (refusal.status != 0) {
    (void)co_await exchange.respond_error(refusal.status, std::move(refusal.message));
  } else {
    if (request.method == "HEAD") {
      exchange.leave_out_body();
    }
    auto answering = core->handler.handle(std::move(request), exchange);
    parser.reset();  // the answer may stay open for days
    co_await std::move(answering);
  }
  const bool is_whole = co_await exchange.complete();
  note.answered(peer, exchange.status(), exchange.body_bytes());
  if (is_whole) {
    (void)co_await shared->shut_write();
  }
}

StreamExchange::StreamExchange(std::shared_ptr<ServerCore> core, std::shared_ptr<Stream> stream)
    : core_(std::move(core)), client_(std::make_shared<Client>(std::move(stream))) {}

StreamExchange::~StreamExchange() {
  client_->notice = nullptr;
}

Status StreamExchange::expect(Step step) const {
  return step_ == step
             ? ok()
             : Status{Error{Code::internal, "a request was answered twice, or out of order"}};
}

std::string StreamExchange::head_of(int status, const Headers& headers) {
  status_ = status;
  std::string head;
  begin_head(head,
             status,
             format_http_date(std::chrono::floor<std::chrono::seconds>(core_->clock.now())),
             headers);
  return head;
}

Task<Status> StreamExchange::send(std::string first, Body body, std::string_view last) {
  std::string waiting = std::move(first);
  for (const auto piece : body.pieces) {
    auto rest = piece;
    while (!rest.empty()) {
      const auto n = std::min(rest.size(), kWriteSize);
      waiting += rest.substr(0, n);
      rest.remove_prefix(n);
      if (waiting.size() >= kWriteSize) {
        CO_TRY_STATUS(co_await client_->stream->write(waiting));
        waiting.clear();
      }
    }
  }
  waiting += last;
  co_return co_await client_->stream->write(waiting);
}

Task<Status> StreamExchange::respond(int status, Headers headers, std::string body) {
  Body pieces;
  pieces.pieces.emplace_back(body);
  co_return co_await respond(status, std::move(headers), std::move(pieces));
}

Task<Status> StreamExchange::respond(int status, Headers headers, Body body) {
  CO_TRY_STATUS(expect(Step::waiting));
  auto head = head_of(status, headers);
  if (!has_no_content(status)) {
    body_bytes_ = size_of(body);
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", body_bytes_);
  }
  head += "\r\n";
  if (is_head_ || has_no_content(status)) {
    body = {};
  }
  auto sent = co_await send(std::move(head), std::move(body), "");
  step_ = sent.ok() ? Step::finished : Step::broken;
  co_return sent;
}

Task<Status> StreamExchange::start(int status, Headers headers) {
  CO_TRY_STATUS(expect(Step::waiting));
  auto head = head_of(status, headers);
  is_chunked_ = !headers.contains("Content-Length");
  head += is_chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
  auto sent = co_await client_->stream->write(head);
  step_ = sent.ok() ? Step::streaming : Step::broken;
  if (!sent.ok()) {
    client_->note_gone();
    co_return sent;
  }
  if (auto* const ending = dynamic_cast<EndingStream*>(client_->stream.get())) {
    ending->on_end([waiting = std::weak_ptr(client_)] {
      if (const auto client = waiting.lock()) {
        client->note_gone();
      }
    });
  } else {
    const auto strand = co_await asio::this_coro::executor;
    core_->group.spawn_on(strand, watch_for_end(client_));
  }
  if (core_->is_draining) {
    client_->note_gone();
  }
  co_return ok();
}

/// What comes behind the request is none of ours; that no more comes does not mean that nobody
/// waits.
Task<void> StreamExchange::watch_for_end(std::shared_ptr<Client> client) {
  char byte = 0;
  while (true) {
    const auto got = co_await client->stream->read(&byte, 1);
    if (!got.ok()) {
      client->note_gone();
      co_return;
    }
    if (*got == 0) {
      co_return;
    }
  }
}

Task<Status> StreamExchange::write(Body body) {
  if (client_->is_gone || step_ == Step::broken) {
    co_return gone();
  }
  CO_TRY_STATUS(expect(Step::streaming));
  const auto size = size_of(body);
  if (size == 0 || is_head_) {
    co_return ok();
  }
  body_bytes_ += size;
  auto first = is_chunked_ ? fmt::format("{:x}\r\n", size) : std::string();
  const std::string_view last = is_chunked_ ? "\r\n" : "";
  auto sent = co_await send(std::move(first), std::move(body), last);
  if (!sent.ok()) {
    step_ = Step::broken;
    client_->note_gone();
  }
  co_return sent;
}

Task<Status> StreamExchange::finish() {
  client_->notice = nullptr;
  if (client_->is_gone) {
    co_return gone();
  }
  CO_TRY_STATUS(expect(Step::streaming));
  const std::string_view last = is_chunked_ && !is_head_ ? "0\r\n\r\n" : "";
  auto sent = co_await client_->stream->write(last);
  step_ = sent.ok() ? Step::finished : Step::broken;
  co_return sent;
}

bool StreamExchange::is_client_gone() const {
  return client_->is_gone;
}

void StreamExchange::on_client_gone(std::function<void()> notice) {
  if (client_->is_gone) {
    notice();
    return;
  }
  client_->notice = std::move(notice);
}

Task<Status> StreamExchange::respond_error(int status, std::string message) {
  auto page = core_->handler.error_body(status, message);
  Headers headers;
  headers.add("Content-Type", std::move(page.content_type));
  co_return co_await respond(status, std::move(headers), std::move(page.body));
}

Task<bool> StreamExchange::complete() {
  client_->notice = nullptr;
  if (step_ == Step::waiting) {
    (void)co_await respond_error(500, "the request was not answered");
  }
  const bool is_whole = step_ == Step::finished;
  if (!is_whole) {
    client_->stream->close();
  }
  co_return is_whole;
}

Task<Error> StreamExchange::refuse_upgrade() {
  const std::string message = "a stream of reach cannot be upgraded: ask for this on a connection";
  (void)co_await respond_error(400, message);
  co_return Error{Code::malformed, message};
}

Task<Result<std::unique_ptr<Stream>>> StreamExchange::upgrade_raw(Headers /*headers*/) {
  co_return co_await refuse_upgrade();
}

Task<Result<std::unique_ptr<WebSocket>>> StreamExchange::upgrade_websocket(
    std::string /*subprotocol*/) {
  co_return co_await refuse_upgrade();
}

}  // namespace tetrarch::net
