// SPDX-License-Identifier: Apache-2.0
#include "reach/mux.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <boost/asio/this_coro.hpp>

#include "async/ticker.h"
#include "async/timer.h"
#include "async/together.h"
#include "net/ending_stream.h"
#include "reach/wire.h"

namespace tetrarch::reach {

namespace {

enum Kind : std::uint8_t {
  kOpen = 1,
  kData = 2,
  kEnd = 3,
  kReset = 4,
  kCredit = 5,
  kPing = 6,
  kPong = 7
};

constexpr std::size_t kHead = 9;
// In place of a stream's id in a ping: it asks for no answer. One who does not know answers anyway.
constexpr std::uint32_t kOnlyASign = 1;
// A timer that comes so much too late tells of ourselves.
constexpr std::chrono::seconds kLate{1};
constexpr std::size_t kPayloadMax = 64 * 1024;
constexpr std::size_t kDataMax = 32 * 1024;
/// What one side may send on a stream before the other has read any of it.
constexpr std::size_t kWindow = 256 * 1024;
// Beats are a few bytes, and there is a connection per node; who is fast is read in larger pieces.
constexpr std::size_t kReadMin = 1024;
constexpr std::size_t kReadMax = 64 * 1024;

std::string head_of(std::uint8_t kind, std::uint32_t id, std::size_t size) {
  std::string out;
  out.reserve(kHead);
  out += static_cast<char>(kind);
  append_u32(out, id);
  append_u32(out, static_cast<std::uint32_t>(size));
  return out;
}

Error broken(std::string_view what) {
  return {Code::malformed, "reach: " + std::string(what)};
}

}  // namespace

/// One stream as this side knows it.
struct Mux::Half {
  explicit Half(std::uint32_t its_id) : id(its_id) {}

  const std::uint32_t id;
  std::mutex mutex;    // guards what follows
  std::string unread;  // at most kWindow
  std::size_t at = 0;
  std::size_t read_since_credit = 0;
  std::size_t credit = kWindow;  // what we may still send
  bool has_remote_ended = false;
  bool has_local_ended = false;
  bool is_reset = false;
  bool is_cut = false;           // the connection is gone
  std::function<void()> on_end;  // empty once called
  async::Event readable;
  async::Event writable;
  async::Event dropped;  // by the other side, or with the connection

  void wake() {
    readable.raise();
    writable.raise();
  }

  /// On run()'s strand.
  void tell_end() {
    std::function<void()> notice;
    {
      const std::lock_guard lock(mutex);
      if (is_reset || is_cut || (has_remote_ended && has_local_ended)) {
        notice = std::exchange(on_end, nullptr);
      }
    }
    if (notice) {
      notice();
    }
  }
};

class Mux::MuxStream final : public OpenedStream {
 public:
  MuxStream(std::shared_ptr<Mux> mux, std::shared_ptr<Half> half)
      : mux_(std::move(mux)), half_(std::move(half)) {}

  ~MuxStream() override { close(); }

  Task<Result<std::size_t>> read(char* into, std::size_t size) override;
  Task<Status> write(std::string_view bytes) override;
  Task<Status> shut_write() override;
  void close() override;

  Task<void> until_dropped() override { return wait_for_drop(half_); }

  void on_end(std::function<void()> notice) override {
    {
      const std::lock_guard lock(half_->mutex);
      half_->on_end = std::move(notice);
    }
    half_->tell_end();
  }

 private:
  static Task<void> wait_for_drop(std::shared_ptr<Half> half) { co_await half->dropped.wait(); }

  static Error why_ended(const Half& half) {
    return half.is_cut ? Error{Code::unavailable, "the connection to the node has ended"}
                       : Error{Code::cancelled, "the stream is closed"};
  }

  std::shared_ptr<Mux> mux_;
  std::shared_ptr<Half> half_;
};

Task<Result<std::size_t>> Mux::MuxStream::read(char* into, std::size_t size) {
  const auto half = half_;
  const auto mux = mux_;
  while (true) {
    std::size_t credit = 0;
    std::size_t got = 0;
    {
      const std::lock_guard lock(half->mutex);
      got = std::min(size, half->unread.size() - half->at);
      if (got > 0) {
        std::memcpy(into, half->unread.data() + half->at, got);
        half->at += got;
        if (half->at == half->unread.size() || half->at > kWindow) {
          half->unread.erase(0, std::exchange(half->at, 0));
        }
        half->read_since_credit += got;
        if (half->read_since_credit >= kWindow / 2 && !half->has_remote_ended) {
          credit = std::exchange(half->read_since_credit, 0);
        }
      } else if (half->has_remote_ended && !half->is_reset) {
        co_return 0;
      } else if (half->is_reset || half->is_cut) {
        co_return why_ended(*half);
      }
    }
    if (credit > 0) {
      std::string payload;
      append_u32(payload, static_cast<std::uint32_t>(credit));
      mux->send_now(kCredit, half->id, payload);
    }
    if (got > 0) {
      co_return got;
    }
    co_await half->readable.wait();
  }
}

Task<Status> Mux::MuxStream::write(std::string_view bytes) {
  const auto half = half_;
  const auto mux = mux_;
  while (!bytes.empty()) {
    std::size_t n = 0;
    {
      const std::lock_guard lock(half->mutex);
      if (half->is_reset || half->is_cut || half->has_local_ended) {
        co_return why_ended(*half);
      }
      n = std::min({bytes.size(), half->credit, kDataMax});
      half->credit -= n;
    }
    if (n == 0) {
      co_await half->writable.wait();
      continue;
    }
    CO_TRY_STATUS(co_await mux->outbox_.push(head_of(kData, half->id, n), bytes.substr(0, n)));
    bytes.remove_prefix(n);
  }
  co_return ok();
}

Task<Status> Mux::MuxStream::shut_write() {
  const auto half = half_;
  const auto mux = mux_;
  bool is_whole = false;
  {
    const std::lock_guard lock(half->mutex);
    if (half->is_reset || half->is_cut || std::exchange(half->has_local_ended, true)) {
      co_return ok();
    }
    is_whole = half->has_remote_ended;
  }
  CO_TRY_STATUS(co_await mux->outbox_.push(head_of(kEnd, half->id, 0), ""));
  if (is_whole) {
    mux->forget(half->id);
  }
  co_return ok();
}

void Mux::MuxStream::close() {
  bool is_reset_needed = false;
  {
    const std::lock_guard lock(half_->mutex);
    const bool is_done = half_->has_local_ended && half_->has_remote_ended;
    is_reset_needed = !std::exchange(half_->is_reset, true) && !is_done && !half_->is_cut;
  }
  half_->wake();
  if (is_reset_needed) {
    mux_->send_now(kReset, half_->id, "");
  }
  mux_->forget(half_->id);
}

Mux::Mux(std::unique_ptr<net::Stream> connection,
         MuxOptions options,
         OnOpen on_open,
         const Clock& clock)
    : connection_(std::move(connection)),
      options_(options),
      on_open_(std::move(on_open)),
      clock_(clock),
      last_heard_(clock.steady()),
      next_id_(options.is_dialer ? 1 : 2) {}

Mux::~Mux() = default;

Task<Status> Mux::run() {
  const auto self = shared_from_this();

  struct Ending {
    Mux& mux;

    ~Ending() {  // also when the task is cancelled
      mux.fail_all();
      mux.connection_->close();
    }
  };

  const Ending ending{*self};
  const auto strand = co_await asio::this_coro::executor;
  self->last_beat_ = self->clock_.steady();
  const async::Ticker beats(strand, self->options_.ping_interval, [this] { return beat(); });
  co_await async::both(self->read_frames(), self->write_frames());
  co_return self->outcome_;
}

Task<void> Mux::write_frames() {
  (void)co_await outbox_.drain(*connection_);
  connection_->close();  // ends the reader
}

namespace {

/// For the next read, by how much the last one brought.
void fit(std::vector<char>& piece, std::size_t got) {
  if (got == piece.size() && got < kReadMax) {
    piece.resize(2 * got);
  } else if (got < kReadMin && piece.size() > kReadMin) {
    piece = std::vector<char>(kReadMin);
  }
}

}  // namespace

Task<void> Mux::read_frames() {
  std::string buffer;
  std::vector<char> piece(kReadMin);
  while (outcome_.ok()) {
    const auto got = co_await connection_->read(piece.data(), piece.size());
    if (!outcome_.ok()) {
      break;
    }
    if (!got.ok() || *got == 0) {
      outcome_ = got.ok() ? Status{Error{Code::unavailable, "the other side closed the connection"}}
                          : Status{got.error()};
      break;
    }
    last_heard_ = clock_.steady();
    buffer.append(piece.data(), *got);
    outcome_ = take_frames(buffer);
    if (buffer.empty() && buffer.capacity() > kReadMin) {
      buffer = std::string();  // of what was large, nothing stays
    }
    fit(piece, *got);
  }
  outbox_.close();
}

/// A ping says that we are there. It asks for an answer only when nothing has come since the last
/// one: where the other side has something to say, that is its sign. Whoever is asked has as long
/// as if every ping asked.
std::chrono::nanoseconds Mux::beat() {
  const auto now = clock_.steady();
  if (now - std::exchange(last_beat_, now) > options_.ping_interval + kLate) {
    last_heard_ = now;  // it was us who were away: what came meanwhile is not read yet
  }
  const auto silence = now - last_heard();
  if (asked_ && last_heard() >= *asked_) {
    asked_.reset();
  }
  if (asked_ && silence > options_.silence_limit &&
      now - *asked_ >= options_.silence_limit - options_.ping_interval) {
    outcome_ = Error{Code::timeout, "the other side has been silent for too long"};
    outbox_.close();
    connection_->close();  // ends the reader
    return options_.ping_interval;
  }
  const bool asks = silence > options_.ping_interval * 3 / 2;
  if (asks && !asked_) {
    asked_ = now;
  }
  send_sign(kPing, asks ? 0 : kOnlyASign);
  return options_.ping_interval;
}

Status Mux::take_frames(std::string& buffer) {
  std::string_view rest = buffer;
  while (rest.size() >= kHead) {
    const auto kind = static_cast<std::uint8_t>(rest[0]);
    const auto id = read_u32(rest.substr(1));
    const std::size_t size = read_u32(rest.substr(5));
    if (size > kPayloadMax) {
      return broken("a frame is too long");
    }
    if (rest.size() - kHead < size) {
      break;
    }
    TRY_STATUS(take_frame(kind, id, rest.substr(kHead, size)));
    rest.remove_prefix(kHead + size);
  }
  buffer.erase(0, buffer.size() - rest.size());
  return ok();
}

Status Mux::take_frame(std::uint8_t kind, std::uint32_t id, std::string_view payload) {
  switch (kind) {
    case kOpen:
      return take_open(id, payload);
    case kData:
      return take_data(id, payload);
    case kPing:
      if (id != kOnlyASign) {
        send_sign(kPong, 0);
      }
      return ok();
    case kPong:
      return ok();
    default:
      break;
  }
  const auto half = find(id);
  if (!half) {
    return ok();  // closed here a moment ago
  }
  bool is_over = false;
  bool is_dropped = false;
  {
    const std::lock_guard lock(half->mutex);
    if (kind == kCredit && payload.size() == 4) {
      half->credit = std::min(half->credit + read_u32(payload), kWindow);
    } else if (kind == kEnd) {
      half->has_remote_ended = true;
      is_over = half->has_local_ended;
    } else if (kind == kReset) {
      // Behind an end it only says that nobody listens any more: what was sent before can still be
      // read.
      (half->has_remote_ended ? half->has_local_ended : half->is_reset) = true;
      is_over = true;
      is_dropped = half->is_reset;
    } else {
      return broken("a frame of an unknown kind");
    }
  }
  half->wake();
  if (is_dropped) {
    half->dropped.raise();
  }
  if (is_over) {
    half->tell_end();
    forget(id);
  }
  return ok();
}

Status Mux::take_open(std::uint32_t id, std::string_view payload) {
  {
    const std::lock_guard lock(mutex_);
    if (id % 2 == next_id_ % 2 || id <= last_remote_id_) {
      return broken("a stream's id is out of order");
    }
    last_remote_id_ = id;
  }
  if (!on_open_ || streams() >= options_.streams_max) {
    send_now(kReset, id, "");
    return ok();
  }
  on_open_(std::string(payload), std::make_unique<MuxStream>(shared_from_this(), add(id)));
  return ok();
}

Status Mux::take_data(std::uint32_t id, std::string_view payload) {
  const auto half = find(id);
  if (!half) {
    return ok();
  }
  {
    const std::lock_guard lock(half->mutex);
    if (half->is_reset) {
      return ok();
    }
    if (half->has_remote_ended || half->unread.size() - half->at + payload.size() > kWindow) {
      return broken("a stream sent more than its window");
    }
    half->unread += payload;
  }
  half->readable.raise();
  return ok();
}

Result<std::unique_ptr<net::Stream>> Mux::open(std::string request) {
  if (request.size() > kPayloadMax) {
    return Error{Code::too_large, "the request to the node is too long"};
  }
  std::shared_ptr<Half> half;
  {
    const std::lock_guard lock(mutex_);
    if (is_over_) {
      return Error{Code::unavailable, "the connection to the node has ended"};
    }
    if (streams_.size() >= options_.streams_max) {
      return Error{Code::exhausted, "there are too many streams to the node"};
    }
    // The frame is queued under the lock: ids reach the other side in order.
    const auto id = next_id_;
    next_id_ += 2;
    if (!outbox_.push_now(head_of(kOpen, id, request.size()) + request)) {
      return Error{Code::unavailable, "the connection to the node is jammed"};
    }
    // Not looked up afterwards: the other side may have answered and be done with it by then.
    half = streams_.emplace(id, std::make_shared<Half>(id)).first->second;
  }
  return std::unique_ptr<net::Stream>(std::make_unique<MuxStream>(shared_from_this(), half));
}

void Mux::send_now(std::uint8_t kind, std::uint32_t id, std::string_view payload) {
  if (!outbox_.push_now(head_of(kind, id, payload.size()) + std::string(payload))) {
    outbox_.close();  // the other side does not read: the connection is lost
  }
}

void Mux::send_sign(std::uint8_t kind, std::uint32_t id) {
  if (!outbox_.push_or_send(*connection_, head_of(kind, id, 0))) {
    outbox_.close();
  }
}

std::shared_ptr<Mux::Half> Mux::find(std::uint32_t id) const {
  const std::lock_guard lock(mutex_);
  const auto at = streams_.find(id);
  return at == streams_.end() ? nullptr : at->second;
}

std::shared_ptr<Mux::Half> Mux::add(std::uint32_t id) {
  auto half = std::make_shared<Half>(id);
  const std::lock_guard lock(mutex_);
  streams_.emplace(id, half);
  return half;
}

void Mux::forget(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  streams_.erase(id);
}

std::size_t Mux::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_.size();
}

void Mux::close() {
  outbox_.close();
}

void Mux::fail_all() {
  outbox_.close();
  std::map<std::uint32_t, std::shared_ptr<Half>> cut;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    cut.swap(streams_);
  }
  for (const auto& [id, half] : cut) {
    bool is_dropped = false;
    {
      const std::lock_guard lock(half->mutex);
      half->is_cut = !(half->has_remote_ended && half->has_local_ended);
      is_dropped = !half->has_remote_ended;
    }
    half->wake();
    if (is_dropped) {
      half->dropped.raise();
    }
    half->tell_end();
  }
}

}  // namespace tetrarch::reach
