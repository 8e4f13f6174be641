// SPDX-License-Identifier: Apache-2.0
#include "net/connection.h"

#include <cstring>

#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>

#include "base/check.h"
#include "base/log.h"
#include "net/access_note.h"
#include "net/exchange.h"
#include "net/http2_connection.h"
#include "net/peer_address.h"
#include "net/refusal.h"
#include "net/spare.h"

namespace tetrarch::net {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kBufferMin = 4 * 1024;
constexpr std::size_t kReadMax = 64 * 1024;
/// How much of a refused request is read and dropped, so that the client gets to see the refusal.
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
/// The part of all bodies that one address may hold.
constexpr std::uint64_t kBodiesShare = 8;

}  // namespace

ServerCore::ServerCore(asio::any_io_executor strand,
                       Handler& its_handler,
                       ServerOptions its_options,
                       const Clock& its_clock)
    : handler(its_handler),
      options(std::move(its_options)),
      limits{
          options.header_bytes_max, options.body_bytes_max, options.headers_max, &options.uploads},
      clock(its_clock),
      bodies(options.bodies_bytes_max, options.bodies_bytes_max / kBodiesShare),
      group(std::move(strand), "net") {}

ServerCore::Admission ServerCore::admit(const std::string& address) const {
  const auto is_far_beyond = [](std::size_t count, std::size_t limit) {
    return count >= limit + limit / 10 + 8;
  };
  const std::lock_guard lock(mutex);
  const auto at = by_address.find(address);
  const auto mine = at == by_address.end() || address.empty() ? 0 : at->second;
  Admission out;
  if (connections.size() >= options.connections_max) {
    out.refusal = "the server has as many connections as it may have; try again later";
  } else if (mine >= options.connections_per_address_max) {
    out.refusal = "your address has as many connections as it may have; close some";
  }
  out.closes = is_far_beyond(connections.size(), options.connections_max) ||
               is_far_beyond(mine, options.connections_per_address_max);
  return out;
}

std::size_t ServerCore::open_connections() const {
  const std::lock_guard lock(mutex);
  return connections.size();
}

void ServerCore::wait_until_empty() {
  std::unique_lock lock(mutex);
  is_empty.wait_for(lock, options.drain_limit, [this] { return connections.empty(); });
}

Connection::Connection(std::shared_ptr<ServerCore> core,
                       std::unique_ptr<Transport> transport,
                       std::string_view refusal)
    : core_(std::move(core)),
      strand_(transport->socket().get_executor()),
      transport_(std::move(transport)),
      refusal_(refusal),
      address_(address_bytes(transport_->socket())),
      wanted_(kBufferMin) {
  const std::lock_guard lock(core_->mutex);
  core_->connections.insert(this);
  ++core_->by_address[address_];
}

Connection::~Connection() {
  const std::lock_guard lock(core_->mutex);
  core_->connections.erase(this);
  if (const auto at = core_->by_address.find(address_); --at->second == 0) {
    core_->by_address.erase(at);
  }
  if (core_->connections.empty()) {
    core_->is_empty.notify_all();
  }
}

Task<void> Connection::serve(std::shared_ptr<Connection> self) {
  struct Closer {
    Connection& connection;

    ~Closer() {
      connection.note_gone();
      if (connection.transport_) {
        connection.transport_->close();  // ends a read ahead, too
      }
    }
  };

  const Closer closer{*self};
  co_await self->run();
}

Task<void> Connection::run() {
  bool goes_on = co_await open();
  if (goes_on && transport_->tls() != nullptr && transport_->tls()->has_chosen_http2()) {
    co_await run_http2();
    co_return;
  }
  while (goes_on) {
    goes_on = co_await serve_one();
  }
}

Task<void> Connection::run_http2() {
  http2_ =
      std::make_shared<Http2Connection>(core_, std::exchange(transport_, nullptr), peer_, refusal_);
  co_await Http2Connection::run(http2_);
}

Task<bool> Connection::open() {
  describe_address(transport_->socket(), peer_);
  if (transport_->tls() == nullptr) {
    co_return true;
  }
  transport_->arm(core_->options.handshake_limit);
  const auto shaken = co_await transport_->handshake();
  if (!shaken.ok()) {
    log::debug("net", "{}: {}: {}", core_->options.name, peer_.address, shaken.error().message);
    co_return false;
  }
  transport_->tls()->describe_peer(peer_);
  co_return true;
}

Task<bool> Connection::serve_one() {
  BodyBudget::Held held(core_->bodies, address_);  // until it is answered
  RequestParser parser(core_->limits);
  auto received = co_await receive(parser, held);
  if (received.has_ended) {
    co_return false;
  }
  if (received.refusal == 0 && !refusal_.empty()) {
    received = {503, std::string(refusal_)};
  }
  if (received.refusal != 0) {
    std::string().swap(parser.request().body);  // nobody will read it
    (void)held.set(0);
    co_await refuse(std::move(received));
    co_return false;
  }
  auto& request = parser.request();
  request.peer = peer_;
  ConnectionExchange exchange(
      *this, parser.is_http10(), parser.keep_alive(), request.method == "HEAD");
  exchange.stream_from(parser);
  if (parser.upgrade()) {
    exchange.remember_upgrade(request.headers);
  }
  const AccessNote note(core_->options, core_->clock, request);
  if (auto* const taker = parser.taker()) {
    co_await taker->handle(std::move(request), exchange, exchange);
  } else {
    co_await core_->handler.handle(std::move(request), exchange);
  }
  const bool goes_on = co_await exchange.complete();
  note.answered(peer_, exchange.status(), exchange.body_bytes());
  if (transport_ && !parser.is_done() && !is_gone_) {
    co_await linger();
    co_return false;
  }
  co_return goes_on;
}

Task<Connection::Received> Connection::receive(RequestParser& parser, BodyBudget::Held& held) {
  enum class Phase { idle, head, body };
  Phase phase = Phase::idle;
  is_idle_ = begin_ == end_;
  if (is_idle_ && core_->is_draining) {
    co_return Received{.has_ended = true};
  }
  transport_->arm(core_->options.idle_limit);
  bool has_continued = false;
  while (true) {
    auto refused = feed(parser);
    if (refused.refusal != 0) {
      co_return refused;
    }
    if (parser.taker() == nullptr && !held.set(parser.request().body.size())) {
      co_return Received{503, std::string(kTooManyBodies)};
    }
    if (parser.is_done() || (parser.is_header_done() && parser.taker() != nullptr)) {
      transport_->disarm();
      co_return Received{};
    }
    if (end_ - begin_ > core_->options.header_bytes_max + kReadMax) {
      // What the parser does not take in pieces (chunk extensions, trailers) has no limit of its
      // own.
      co_return Received{431, "a line of the request is too long"};
    }
    if (parser.is_header_done() && phase != Phase::body) {
      phase = Phase::body;
      transport_->arm(core_->options.body_limit);
    } else if (phase == Phase::idle && !is_idle_) {
      phase = Phase::head;
      transport_->arm(core_->options.header_limit);
    }
    if (phase == Phase::body && parser.expects_continue() && !has_continued) {
      has_continued = true;
      CHECK(transport_->append("HTTP/1.1 100 Continue\r\n\r\n").ok());
      if (!(co_await transport_->flush()).ok()) {
        co_return Received{.has_ended = true};
      }
    }
    const auto got = co_await fill();
    if (!got.ok() && got.error().code == Code::timeout && phase != Phase::idle) {
      co_return Received{408, "the request took too long to arrive"};
    }
    if (!got.ok() || *got == 0) {
      co_return Received{.has_ended = true};
    }
    is_idle_ = false;
  }
}

Connection::Received Connection::feed(RequestParser& parser) {
  while (begin_ < end_ && !parser.is_done()) {
    ParseError error;
    const auto used = parser.put(asio::const_buffer(buffer_.data() + begin_, end_ - begin_), error);
    begin_ += used;
    if (error == http::error::need_more) {
      break;
    }
    if (error) {
      const int refusal = parser.refusal() != 0 ? parser.refusal() : refusal_of(error);
      return {refusal, message_of(refusal, error, core_->options)};
    }
  }
  return {};
}

Task<Result<std::size_t>> Connection::fill() {
  // The read that watched for the end of the connection becomes the read of the next request.
  while (is_reading_ahead_) {
    co_await reader_ended_.wait();
    if (is_gone_ || begin_ < end_) {
      co_return is_gone_ ? 0 : end_ - begin_;
    }
  }
  co_return co_await read_some();
}

Task<Result<std::size_t>> Connection::read_some() {
  if (begin_ == end_) {
    give_spare(buffer_);
    begin_ = 0;
    end_ = 0;
    CO_TRY_STATUS(co_await transport_->readable());
    take_spare(buffer_, kReadMax);
    buffer_.resize(wanted_);
  } else if (end_ == buffer_.size()) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else {
      buffer_.resize(buffer_.size() * 2);
    }
  }
  auto got = co_await transport_->read(buffer_.data() + end_, buffer_.size() - end_);
  if (got.ok()) {
    end_ += *got;
    if (*got == buffer_.size() && *got < kReadMax) {
      wanted_ = 2 * *got;
    } else if (*got < kBufferMin / 2) {
      wanted_ = kBufferMin;
    }
  }
  co_return got;
}

Task<void> Connection::refuse(Received why) {
  auto page = core_->handler.error_body(why.refusal, why.message);
  Headers headers;
  headers.add("Content-Type", std::move(page.content_type));
  if (why.refusal == 503) {
    headers.add("Retry-After", "1");
  }
  ConnectionExchange exchange(*this, false, false, false);
  const auto answered =
      co_await exchange.respond(why.refusal, std::move(headers), std::move(page.body));
  if (core_->options.on_access) {
    core_->options.on_access({"", "", "", &peer_, why.refusal, 0, exchange.body_bytes(), {}});
  }
  if (!answered.ok()) {
    co_return;
  }
  const auto shut = co_await transport_->shut_write();
  if (!shut.ok()) {
    co_return;
  }
  co_await linger();
}

Task<void> Connection::linger() {
  // Closing while bytes arrive would reset the connection and destroy the answer on its way.
  transport_->arm(core_->options.linger_limit);
  std::size_t dropped = 0;
  while (dropped < kLingerBytesMax) {
    begin_ = end_;
    const auto got = co_await read_some();
    if (!got.ok() || *got == 0) {
      co_return;
    }
    dropped += *got;
  }
}

Task<Result<std::string>> Connection::read_body(RequestParser& parser) {
  auto& body = parser.request().body;
  body.clear();
  while (true) {
    auto refused = feed(parser);
    if (refused.refusal != 0) {
      co_return Error{Code::malformed, std::move(refused.message)};
    }
    if (!body.empty() || parser.is_done()) {
      co_return std::exchange(body, {});
    }
    if (end_ - begin_ > core_->options.header_bytes_max + kReadMax) {
      co_return Error{Code::malformed, "a line of the request is too long"};
    }
    const auto got = co_await fill();
    if (!got.ok()) {
      co_return got.error();
    }
    if (*got == 0) {
      co_return Error{Code::unavailable, "the request broke off"};
    }
  }
}

void Connection::watch_for_end() {
  is_watched_ = true;
  if (!is_reading_ahead_ && end_ - begin_ < kReadMax) {
    is_reading_ahead_ = true;
    core_->group.spawn_on(strand_, wait_for_end(shared_from_this()));
  }
}

void Connection::end_watch() {
  is_watched_ = false;
  is_streaming_ = false;
  notice_ = nullptr;
}

Task<void> Connection::wait_for_end(std::shared_ptr<Connection> self) {
  // Bounded: what a client pipelines behind a stream waits in the kernel.
  while (self->is_watched_ && self->transport_ && self->end_ - self->begin_ < kReadMax) {
    const auto got = co_await self->read_some();
    if (!got.ok() || *got == 0) {
      self->note_gone();
      break;
    }
  }
  self->is_reading_ahead_ = false;
  self->reader_ended_.raise();
}

void Connection::note_gone() {
  is_gone_ = true;
  if (auto notice = std::exchange(notice_, nullptr)) {
    notice();
  }
}

void Connection::drain() {
  asio::post(strand_, [self = shared_from_this()] { self->drain_here(); });
}

void Connection::drain_here() {
  if (http2_) {
    http2_->drain();
  } else if (is_idle_ && transport_) {
    transport_->close();
  } else if (is_streaming_) {
    note_gone();
  }
}

}  // namespace tetrarch::net
