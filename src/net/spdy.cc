// SPDX-License-Identifier: Apache-2.0
#include "net/spdy.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "async/together.h"
#include "net/outbox.h"
#include "net/spdy_codec.h"

namespace tetrarch::net {

namespace {
constexpr std::size_t kDataMax = 32 * 1024;
constexpr std::size_t kStreamsMax = 256;
/// A stream with this much unread stops the reading of the whole session until its reader has
/// caught up. Ours: SPDY has windows for this, but the clients there are (Seen: moby/spdystream,
/// which kubectl uses) neither keep to a window nor grant one, so windows would stall; TCP is the
/// only brake that works.
constexpr std::size_t kUnreadMax = 1024 * 1024;

/// What the client has sent on one stream, and which directions are still open.
struct Inbound {
  std::uint32_t id = 0;
  Headers headers;
  std::string unread;
  std::size_t at = 0;
  bool has_remote_ended = false;
  bool has_local_ended = false;
  bool is_reset = false;
  async::Event readable;

  std::size_t left() const { return unread.size() - at; }
};
}  // namespace

class SpdySession::Core : public std::enable_shared_from_this<SpdySession::Core> {
 public:
  Core(std::unique_ptr<Stream> its_connection, std::chrono::nanoseconds its_interval)
      : connection(std::move(its_connection)), sign_interval(its_interval) {}

  Task<void> read_frames();
  Task<void> write_frames();
  Task<Status> handle(spdy::Frame frame);
  Status open_stream(const spdy::Frame& frame);
  void take_reset(const spdy::Frame& frame);
  void reset(std::uint32_t id, spdy::Reset why);
  void end_all();
  Task<Status> take_data(spdy::Frame frame);
  Status sign();

  void forget(std::uint32_t id) { streams.erase(id); }

  std::unique_ptr<Stream> connection;
  const std::chrono::nanoseconds sign_interval;
  Outbox outbox;
  spdy::HeaderBlocks blocks;
  spdy::Decoder decoder;
  std::map<std::uint32_t, std::shared_ptr<Inbound>> streams;
  std::deque<std::shared_ptr<Inbound>> opened;  // not accepted yet; at most kStreamsMax
  async::Event has_opened;
  async::Event has_room;
  async::Event ended;
  std::uint32_t last_id = 0;
  std::uint32_t last_ping = 0;  // even: ours
  bool is_over = false;
};

class SpdySession::Side final : public SpdyStream {
 public:
  Side(std::shared_ptr<Core> core, std::shared_ptr<Inbound> in)
      : core_(std::move(core)), in_(std::move(in)) {}

  ~Side() override { close(); }

  const Headers& headers() const override { return in_->headers; }

  bool is_reset() const override { return in_->is_reset; }

  Task<Result<std::size_t>> read(char* into, std::size_t size) override {
    const auto in = in_;
    while (true) {
      if (in->left() > 0) {
        const auto n = std::min(size, in->left());
        std::memcpy(into, in->unread.data() + in->at, n);
        in->at += n;
        if (in->left() == 0) {
          in->unread.clear();
          in->at = 0;
        }
        core_->has_room.raise();
        co_return n;
      }
      if (in->is_reset) {
        co_return Error{Code::cancelled, "the SPDY stream was reset"};
      }
      if (in->has_remote_ended) {
        co_return 0;
      }
      if (core_->is_over) {
        co_return Error{Code::unavailable, "the SPDY connection has ended"};
      }
      co_await in->readable.wait();
    }
  }

  Task<Status> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      if (in_->is_reset || in_->has_local_ended) {
        co_return Error{Code::cancelled, "the SPDY stream is closed"};
      }
      const auto piece = bytes.substr(0, kDataMax);
      bytes.remove_prefix(piece.size());
      CO_TRY_STATUS(co_await core_->outbox.push(spdy::data_head(in_->id, 0, piece.size()), piece));
    }
    co_return ok();
  }

  Task<Status> shut_write() override {
    if (in_->is_reset || std::exchange(in_->has_local_ended, true)) {
      co_return ok();
    }
    co_return co_await core_->outbox.push(spdy::data_head(in_->id, spdy::kFin, 0), "");
  }

  void close() override {
    if (!in_->is_reset && !in_->has_local_ended) {
      core_->reset(in_->id, spdy::Reset::cancel);
    }
    in_->is_reset = true;
    in_->readable.raise();
    core_->forget(in_->id);
    core_->has_room.raise();
  }

 private:
  std::shared_ptr<Core> core_;
  std::shared_ptr<Inbound> in_;
};

Task<void> SpdySession::Core::write_frames() {
  (void)co_await outbox.drain(*connection);
  // Finished or broken: either way nothing follows.
  (void)co_await connection->shut_write();
}

Task<void> SpdySession::Core::read_frames() {
  const auto self = shared_from_this();
  std::vector<char> buffer(kDataMax);
  while (true) {
    auto next = decoder.next();
    if (!next.ok()) {
      break;
    }
    if (next->has_value()) {
      if (!(co_await handle(std::move(**next))).ok()) {
        break;
      }
      continue;
    }
    const auto got = co_await connection->read(buffer.data(), buffer.size());
    if (!got.ok() || *got == 0) {
      break;
    }
    decoder.feed({buffer.data(), *got});
  }
  end_all();
}

void SpdySession::Core::end_all() {
  is_over = true;
  outbox.finish();
  for (const auto& [id, stream] : streams) {
    stream->readable.raise();
  }
  has_opened.raise();
  ended.raise();
}

void SpdySession::Core::reset(std::uint32_t id, spdy::Reset why) {
  std::string payload;
  spdy::append_u32(payload, id);
  spdy::append_u32(payload, static_cast<std::uint32_t>(why));
  (void)outbox.push_now(spdy::control_frame(spdy::Type::rst_stream, 0, payload));
}

Status SpdySession::Core::open_stream(const spdy::Frame& frame) {
  if (frame.payload.size() < 10) {
    return Error{Code::malformed, "SPDY: SYN_STREAM is too short"};
  }
  const auto id = spdy::read_u32(frame.payload, 0) & 0x7FFFFFFFU;
  TRY(auto headers, blocks.decode(std::string_view(frame.payload).substr(10)));
  // Source: Draft 3.1, section 2.3.2: a client's ids are odd and grow.
  if (id % 2 == 0 || id <= last_id) {
    return Error{Code::malformed, "SPDY: a stream's id is out of order"};
  }
  last_id = id;
  if (streams.size() >= kStreamsMax) {
    reset(id, spdy::Reset::refused_stream);
    return ok();
  }
  auto stream = std::make_shared<Inbound>();
  stream->id = id;
  stream->headers = std::move(headers);
  stream->has_remote_ended = frame.is_fin();
  stream->has_local_ended = (frame.flags & spdy::kUnidirectional) != 0;
  streams.emplace(id, stream);
  std::string payload;
  spdy::append_u32(payload, id);
  payload += blocks.encode({});
  (void)outbox.push_now(spdy::control_frame(spdy::Type::syn_reply, 0, payload));
  opened.push_back(std::move(stream));
  has_opened.raise();
  return ok();
}

void SpdySession::Core::take_reset(const spdy::Frame& frame) {
  const auto at =
      frame.payload.size() < 8 ? streams.end() : streams.find(spdy::read_u32(frame.payload, 0));
  if (at == streams.end()) {
    return;
  }
  at->second->is_reset = true;
  at->second->readable.raise();
  // Nobody waits for it any more, or a client that opens and resets would fill the queue.
  std::erase(opened, at->second);
  streams.erase(at);
  has_room.raise();
}

/// Fails once a write has: where the client has gone, its system refuses what we send.
Status SpdySession::Core::sign() {
  std::string payload;
  spdy::append_u32(payload, last_ping += 2);
  if (!outbox.push_now(spdy::control_frame(spdy::Type::ping, 0, payload))) {
    return Error{Code::cancelled, "SPDY: the client has gone"};
  }
  return ok();
}

Task<Status> SpdySession::Core::take_data(spdy::Frame frame) {
  const auto at = streams.find(frame.stream);
  if (at == streams.end()) {
    co_return ok();  // closed here a moment ago
  }
  const auto stream = at->second;
  while (stream->left() > kUnreadMax && !stream->is_reset && !is_over) {
    if (!co_await has_room.wait_for(sign_interval)) {
      CO_TRY_STATUS(sign());
    }
  }
  if (stream->at > kUnreadMax) {
    stream->unread.erase(0, std::exchange(stream->at, 0));
  }
  stream->unread += frame.payload;
  stream->has_remote_ended = stream->has_remote_ended || frame.is_fin();
  stream->readable.raise();
  co_return ok();
}

Task<Status> SpdySession::Core::handle(spdy::Frame frame) {
  switch (frame.type) {
    case spdy::Type::data:
      co_return co_await take_data(std::move(frame));
    case spdy::Type::syn_stream:
      co_return open_stream(frame);
    case spdy::Type::ping:
      // Source: Draft 3.1, section 2.6.5: odd ids are the client's, and come back as they are.
      if (frame.payload.size() == 4 && spdy::read_u32(frame.payload, 0) % 2 == 1 &&
          !outbox.push_now(spdy::control_frame(spdy::Type::ping, 0, frame.payload))) {
        co_return Error{Code::exhausted, "SPDY: the client does not read"};
      }
      co_return ok();
    case spdy::Type::rst_stream:
      take_reset(frame);
      co_return ok();
    case spdy::Type::headers:
      if (frame.payload.size() >= 4) {
        // Passed over, but decoded: the blocks share one compression context.
        CO_TRY_STATUS([&]() -> Status {
          TRY(const auto unused, blocks.decode(std::string_view(frame.payload).substr(4)));
          (void)unused;
          return ok();
        }());
      }
      co_return ok();
    case spdy::Type::syn_reply:
    case spdy::Type::settings:
    case spdy::Type::goaway:
    case spdy::Type::window_update:
      break;
  }
  co_return ok();  // Source: Draft 3.1, section 2.2.1: unknown control frames are passed over
}

SpdySession::SpdySession(std::unique_ptr<Stream> connection, std::chrono::nanoseconds sign_interval)
    : core_(std::make_shared<Core>(std::move(connection), sign_interval)) {}

SpdySession::~SpdySession() {
  core_->end_all();
  core_->outbox.close();
  core_->connection->close();
}

Task<void> SpdySession::run() {
  const auto core = core_;
  co_await async::both(core->read_frames(), core->write_frames());
}

Task<Result<std::unique_ptr<SpdyStream>>> SpdySession::accept(std::chrono::nanoseconds limit) {
  const auto core = core_;
  while (core->opened.empty()) {
    if (core->is_over) {
      co_return Error{Code::cancelled, "the SPDY connection has ended"};
    }
    if (!co_await core->has_opened.wait_for(limit)) {
      co_return Error{Code::timeout, "the client opened no stream in time"};
    }
  }
  auto stream = std::move(core->opened.front());
  core->opened.pop_front();
  co_return std::make_unique<Side>(core, std::move(stream));
}

Task<void> SpdySession::close(std::chrono::nanoseconds linger) {
  const auto core = core_;
  std::string payload;
  spdy::append_u32(payload, core->last_id);
  spdy::append_u32(payload, 0);
  (void)core->outbox.push_now(spdy::control_frame(spdy::Type::goaway, 0, payload));
  core->outbox.finish();
  if (!core->is_over) {
    (void)co_await core->ended.wait_for(linger);
  }
}

}  // namespace tetrarch::net
