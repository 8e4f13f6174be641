// SPDX-License-Identifier: Apache-2.0
#include "net/transport.h"

#include <algorithm>
#include <cerrno>
#include <tuple>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/socket.h>

#include "net/spare.h"

namespace tetrarch::net {

namespace {
// Source: RFC 8446 section 5.1: a record holds at most 2^14 bytes.
constexpr std::size_t kRecordSize = 16 * 1024;
}  // namespace

struct Transport::Watchdog : std::enable_shared_from_this<Transport::Watchdog> {
  Watchdog(Socket* watched, const Clock& its_clock, asio::any_io_executor strand)
      : socket(watched), clock(its_clock), timer(std::move(strand)) {}

  void wait() {
    is_waiting = true;
    timer_end = deadline;
    timer.expires_after(deadline - clock.steady());
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) {
        self->woke();
      }
    });
  }

  void woke() {
    is_waiting = false;
    if (socket == nullptr || deadline == SteadyPoint::max()) {
      return;
    }
    if (clock.steady() < deadline) {
      wait();
      return;
    }
    has_fired = true;
    boost::system::error_code ignored;
    socket->cancel(ignored);
  }

  Socket* socket;  // null once the transport is gone
  const Clock& clock;
  asio::steady_timer timer;
  SteadyPoint deadline = SteadyPoint::max();
  SteadyPoint timer_end = SteadyPoint::max();
  bool is_waiting = false;
  bool has_fired = false;
};

Transport::Transport(Socket socket, const Clock& clock)
    : socket_(std::move(socket)),
      clock_(clock),
      watchdog_(std::make_shared<Watchdog>(&socket_, clock, socket_.get_executor())) {
  boost::system::error_code ignored;
  if (socket_.is_open()) {
    socket_.non_blocking(true, ignored);
  }
}

Transport::~Transport() {
  park();
}

void Transport::arm(std::chrono::nanoseconds limit) {
  auto& dog = *watchdog_;
  dog.has_fired = false;
  dog.deadline = clock_.steady() + limit;
  if (!dog.is_waiting || dog.deadline < dog.timer_end) {
    dog.wait();
  }
}

void Transport::disarm() {
  watchdog_->has_fired = false;
  watchdog_->deadline = SteadyPoint::max();
}

void Transport::park() {
  if (watchdog_) {
    watchdog_->socket = nullptr;
    watchdog_->timer.cancel();
    watchdog_.reset();
  }
}

void Transport::unpark(asio::any_io_executor strand) {
  park();
  watchdog_ = std::make_shared<Watchdog>(&socket_, clock_, std::move(strand));
}

Error Transport::failure(std::string_view what, const boost::system::error_code& code) const {
  if (watchdog_->has_fired) {
    return {Code::timeout, std::string(what) + ": the time limit has passed"};
  }
  if (code == asio::error::operation_aborted) {
    return {Code::cancelled, std::string(what) + ": the connection was closed here"};
  }
  return {Code::unavailable, std::string(what) + ": " + code.message()};
}

Task<Status> Transport::connect(asio::generic::stream_protocol::endpoint endpoint) {
  auto [error] = co_await socket_.async_connect(endpoint, kAwait);
  if (error) {
    co_return failure("connect", error);
  }
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  co_return ok();
}

Task<Status> Transport::handshake() {
  while (true) {
    auto progress = tls_->handshake();
    if (!tls_->output().empty()) {
      // On a failure this is the alert that tells the peer why.
      CO_TRY_STATUS(co_await flush());
    }
    if (!progress.ok()) {
      co_return std::move(progress).error();
    }
    if (*progress == TlsEngine::Progress::done) {
      co_return ok();
    }
    const auto space = tls_->input_space();
    auto [error, n] =
        co_await socket_.async_read_some(asio::buffer(space.data, space.size), kAwait);
    if (error && error != asio::error::eof) {
      co_return failure("TLS handshake", error);
    }
    tls_->filled(n);
  }
}

Task<Result<std::size_t>> Transport::read(char* into, std::size_t size) {
  while (true) {
    if (watchdog_->has_fired) {
      co_return failure("read", asio::error::timed_out);
    }
    if (tls_) {
      const auto plain = tls_->read(into, size);
      if (!plain.ok()) {
        boost::system::error_code ignored;
        if (!is_writing_) {
          socket_.write_some(asio::buffer(tls_->output()),
                             ignored);  // the alert, if it goes at once
        }
        co_return plain.error();
      }
      if (plain->progress != TlsEngine::Progress::needs_input) {
        co_return plain->size;
      }
    }
    if (!tls_) {
      auto [error, n] = co_await socket_.async_read_some(asio::buffer(into, size), kAwait);
      if (error && error != asio::error::eof) {
        co_return failure("read", error);
      }
      may_have_more_ = n == size;
      co_return n;
    }
    CO_TRY(const bool is_fed, feed_tls());
    if (!is_fed) {
      CO_TRY_STATUS(co_await wait_for_input());
    }
  }
}

Result<bool> Transport::feed_tls() {
  if (!may_have_more_) {
    return false;
  }
  const auto space = tls_->input_space();
  boost::system::error_code error;
  const auto n = socket_.read_some(asio::buffer(space.data, space.size), error);
  if (error == asio::error::would_block) {
    may_have_more_ = false;
    return false;
  }
  if (error && error != asio::error::eof) {
    return failure("read", error);
  }
  may_have_more_ = n == space.size || n == 0;
  tls_->filled(n);
  return true;
}

/// Holds no buffer meanwhile.
Task<Status> Transport::wait_for_input() {
  if (tls_) {
    tls_->rest();
  }
  auto [error] = co_await socket_.async_wait(Socket::wait_read, kAwait);
  may_have_more_ = true;
  co_return error ? Status(failure("read", error)) : ok();
}

Task<Status> Transport::readable() {
  if (watchdog_->has_fired) {
    co_return failure("read", asio::error::timed_out);
  }
  if (may_have_more_ || (tls_ && tls_->has_input())) {
    co_return ok();
  }
  co_return co_await wait_for_input();
}

Status Transport::append(std::string_view bytes) {
  take_spare(plain_);
  if (!tls_) {
    plain_.append(bytes);
    return ok();
  }
  while (!bytes.empty()) {
    if (plain_.empty() && bytes.size() >= kRecordSize) {
      TRY_STATUS(tls_->encrypt(bytes.substr(0, kRecordSize)));
      bytes.remove_prefix(kRecordSize);
      continue;
    }
    const auto n = std::min(bytes.size(), kRecordSize - plain_.size());
    plain_.append(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (plain_.size() == kRecordSize) {
      TRY_STATUS(seal());
    }
  }
  return ok();
}

Status Transport::seal() {
  if (!tls_ || plain_.empty()) {
    return ok();
  }
  auto sealed = tls_->encrypt(plain_);
  plain_.clear();
  return sealed;
}

asio::const_buffer Transport::next_to_send() {
  if (sending_.empty()) {
    std::swap(sending_, tls_ ? tls_->output() : plain_);
  }
  return asio::buffer(sending_) + sent_;
}

void Transport::note_sent(std::size_t count) {
  sent_ += count;
  if (sent_ < sending_.size()) {
    return;
  }
  sent_ = 0;
  sending_.clear();
}

void Transport::rest() {
  give_spare(sending_);
  if (plain_.empty()) {
    give_spare(plain_);
  }
  if (tls_) {
    tls_->rest();
  }
}

Task<Status> Transport::flush() {
  CO_TRY_STATUS(seal());
  is_writing_ = true;
  Status outcome = ok();
  for (auto rest = next_to_send(); rest.size() > 0; rest = next_to_send()) {
    if (watchdog_->has_fired) {
      outcome = failure("write", asio::error::timed_out);
      break;
    }
    boost::system::error_code error;
    std::size_t n = socket_.write_some(rest, error);
    if (error == asio::error::would_block) {
      std::tie(error, n) = co_await socket_.async_write_some(rest, kAwait);
    }
    note_sent(n);
    if (error) {
      outcome = failure("write", error);
      break;
    }
  }
  is_writing_ = false;
  if (outcome.ok()) {
    rest();
  }
  co_return outcome;
}

Result<bool> Transport::flush_now() {
  TRY_STATUS(seal());
  for (auto rest = next_to_send(); rest.size() > 0; rest = next_to_send()) {
    boost::system::error_code error;
    const std::size_t n = socket_.write_some(rest, error);
    if (error == asio::error::would_block) {
      return false;
    }
    if (error) {
      return failure("write", error);
    }
    note_sent(n);
  }
  rest();
  return true;
}

Task<Status> Transport::shut_write() {
  if (tls_) {
    CO_TRY_STATUS(seal());
    tls_->say_goodbye();
  }
  auto flushed = co_await flush();
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  co_return flushed;
}

void Transport::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool Transport::is_idle_and_open() {
  char byte = 0;
  const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace tetrarch::net
