// SPDX-License-Identifier: Apache-2.0
#include "net/spdy.h"

#include <map>
#include <zlib.h>

#include <gtest/gtest.h>

#include "async/timer.h"
#include "async/together.h"
#include "net/harness_test.h"
#include "net/pipe.h"
#include "net/spdy_codec.h"

namespace tetrarch::net::testing {
namespace {

using spdy::Type;

TEST(SpdyCodec, HasTheDictionaryOfTheStandard) {
  // Seen: the dictionary id in the zlib header of every SPDY/3 connection, e3 c6 a7 c2.
  const auto& text = spdy::dictionary();

  EXPECT_EQ(adler32(adler32(0, nullptr, 0),
                    reinterpret_cast<const Bytef*>(text.data()),
                    static_cast<uInt>(text.size())),
            0xe3c6a7c2U);
}

TEST(SpdyCodec, SharesOneCompressionContextAmongBlocks) {
  spdy::HeaderBlocks from;
  spdy::HeaderBlocks to;
  Headers headers;
  headers.add("streamtype", "stdin");
  headers.add("empty", "");

  for (int i = 0; i < 3; ++i) {
    const auto decoded = to.decode(from.encode(headers));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->get("streamtype"), "stdin");
    EXPECT_EQ(decoded->list().size(), 2U);
  }
}

TEST(SpdyCodec, RefusesBlocksThatLie) {
  Headers headers;
  headers.add("name", std::string(1000, 'x'));
  spdy::HeaderBlocks from;
  const auto block = from.encode(headers);

  EXPECT_FALSE(spdy::HeaderBlocks().decode("no zlib at all").ok());
  EXPECT_FALSE(spdy::HeaderBlocks().decode(block.substr(0, block.size() / 2)).ok());
}

struct BadFrameRow {
  std::string name;
  std::string bytes;
};

void PrintTo(const BadFrameRow& row, std::ostream* out) {
  *out << row.name;
}

/// The client's side: what kubectl does, in the order of its frames.
class SpdyClient {
 public:
  explicit SpdyClient(Stream& stream) : stream_(stream) {}

  Task<std::uint32_t> open(std::string type) {
    const auto id = next_id_;
    next_id_ += 2;
    Headers headers;
    headers.add("streamtype", std::move(type));
    std::string payload;
    spdy::append_u32(payload, id);
    payload += std::string(6, '\0');
    payload += blocks_.encode(headers);
    co_await send(spdy::control_frame(Type::syn_stream, 0, payload));
    co_return id;
  }

  Task<void> data(std::uint32_t id, std::string bytes, bool is_last) {
    co_await send(spdy::data_head(id, is_last ? spdy::kFin : 0, bytes.size()) + bytes);
  }

  Task<void> send(std::string frame) { (void)co_await stream_.write(frame); }

  Task<Result<spdy::Frame>> next() {
    std::string buffer(4096, '\0');
    while (true) {
      CO_TRY(auto frame, decoder_.next());
      if (frame) {
        co_return std::move(*frame);
      }
      CO_TRY(const auto got, co_await stream_.read(buffer.data(), buffer.size()));
      if (got == 0) {
        co_return Error{Code::cancelled, "end"};
      }
      decoder_.feed({buffer.data(), got});
    }
  }

  /// Everything until GOAWAY or the end: a line per control frame, data joined per stream.
  Task<std::string> transcript() {
    std::string out;
    std::map<std::uint32_t, std::string> data;
    while (true) {
      auto frame = co_await next();
      if (!frame.ok() || frame->type == Type::goaway) {
        break;
      }
      if (frame->type == Type::data) {
        data[frame->stream] += frame->payload + (frame->is_fin() ? "<fin>" : "");
      } else {
        out += name_of(*frame) + "\n";
      }
    }
    for (const auto& [id, bytes] : data) {
      out += std::to_string(id) + ": " + bytes + "\n";
    }
    co_return out;
  }

  static std::string name_of(const spdy::Frame& frame) {
    const auto id = std::to_string(spdy::read_u32(frame.payload, 0));
    switch (frame.type) {
      case Type::syn_reply:
        return "reply " + id;
      case Type::rst_stream:
        return "reset " + id + " " + std::to_string(spdy::read_u32(frame.payload, 4));
      case Type::ping:
        return "ping " + id;
      default:
        return "frame " + std::to_string(static_cast<int>(frame.type));
    }
  }

 private:
  Stream& stream_;
  spdy::HeaderBlocks blocks_;
  spdy::Decoder decoder_;
  std::uint32_t next_id_ = 1;
};

std::string reset_of(std::uint32_t id) {
  std::string payload;
  spdy::append_u32(payload, id);
  spdy::append_u32(payload, static_cast<std::uint32_t>(spdy::Reset::cancel));
  return spdy::control_frame(Type::rst_stream, 0, payload);
}

std::string ping_of(std::uint32_t id) {
  std::string payload;
  spdy::append_u32(payload, id);
  return spdy::control_frame(Type::ping, 0, payload);
}

/// Sends back in upper case what comes on stdin, then says goodbye on the error stream.
Task<void> serve_shouting(SpdySession& session) {
  std::map<std::string, std::unique_ptr<SpdyStream>> streams;
  while (streams.size() < 3) {
    auto stream = co_await session.accept(std::chrono::seconds(5));
    if (!stream.ok()) {
      co_return;
    }
    const std::string type((*stream)->headers().get("streamtype"));
    streams[type] = std::move(*stream);
  }
  char buffer[700];
  while (true) {
    const auto got = co_await streams["stdin"]->read(buffer, sizeof(buffer));
    if (!got.ok() || *got == 0) {
      break;
    }
    std::string text(buffer, *got);
    for (auto& c : text) {
      c = static_cast<char>(std::toupper(c));
    }
    (void)co_await streams["stdout"]->write(text);
  }
  (void)co_await streams["error"]->write("Success");
  for (auto& [type, stream] : streams) {
    (void)co_await stream->shut_write();
  }
  co_await session.close(std::chrono::milliseconds(100));
}

Task<void> write_input(SpdyClient& client, std::uint32_t id, std::string input) {
  constexpr std::size_t kPiece = 32 * 1024;
  for (std::size_t at = 0; at < input.size(); at += kPiece) {
    co_await client.data(id, input.substr(at, kPiece), false);
  }
  co_await client.data(id, "", true);
}

Task<void> read_transcript(SpdyClient& client, std::string& transcript) {
  transcript = co_await client.transcript();
}

Task<void> play_client(Stream& stream, std::string input, std::string& transcript) {
  SpdyClient client(stream);
  co_await client.open("error");
  const auto in = co_await client.open("stdin");
  co_await client.open("stdout");
  co_await client.send(ping_of(7));
  co_await async::both(write_input(client, in, std::move(input)),
                       read_transcript(client, transcript));
  stream.close();
}

Task<void> serve(SpdySession& session, Task<void> handler) {
  co_await async::first_of(session.run(), std::move(handler));
}

Task<Unit> exchange_frames(std::string input, std::string& transcript) {
  auto [server_end, client_end] = make_pipe();
  SpdySession session(std::move(server_end));
  co_await async::both(serve(session, serve_shouting(session)),
                       play_client(*client_end, std::move(input), transcript));
  co_return Unit{};
}

TEST(SpdySession, CarriesTheStreamsOfAnExec) {
  async::IoPool pool(2);
  std::string transcript;

  wait_for(pool, exchange_frames("hello", transcript));

  EXPECT_EQ(transcript,
            "reply 1\nreply 3\nreply 5\nping 7\n"
            "1: Success<fin>\n3: <fin>\n5: HELLO<fin>\n");
}

TEST(SpdySession, CarriesMoreThanItsBuffersHold) {
  async::IoPool pool(2);
  std::string transcript;

  wait_for(pool, exchange_frames(std::string(5'000'000, 'a'), transcript));

  EXPECT_TRUE(transcript.find("5: " + std::string(5'000'000, 'A') + "<fin>\n") !=
              std::string::npos);
}

Task<void> send_raw(Stream& stream, std::string bytes, std::string& transcript) {
  (void)co_await stream.write(bytes);
  SpdyClient client(stream);
  transcript = co_await client.transcript();
  stream.close();
}

Task<void> accept_nothing(SpdySession& session, std::string& outcome) {
  const auto stream = co_await session.accept(std::chrono::seconds(5));
  outcome = stream.ok() ? "a stream" : std::string(to_string(stream.error().code));
}

Task<Unit> send_bad_frame(std::string bytes, std::string& outcome) {
  auto [server_end, client_end] = make_pipe();
  SpdySession session(std::move(server_end));
  std::string transcript;
  co_await async::both(async::both(session.run(), accept_nothing(session, outcome)),
                       send_raw(*client_end, std::move(bytes), transcript));
  co_return Unit{};
}

/// Opens and resets streams, then opens one that stays; raises `is_read` when all has arrived.
Task<void> open_and_reset(Stream& stream, async::Event& is_read) {
  SpdyClient client(stream);
  for (int i = 0; i < 400; ++i) {
    const auto id = co_await client.open("fleeting");
    co_await client.send(reset_of(id));
  }
  co_await client.open("lasting");
  co_await client.send(ping_of(1));
  while (true) {
    const auto frame = co_await client.next();
    if (!frame.ok() || frame->type == Type::ping) {
      break;
    }
  }
  is_read.raise();
  (void)co_await client.transcript();
  stream.close();
}

Task<void> accept_one(SpdySession& session, async::Event& may_begin, std::string& type) {
  co_await may_begin.wait();
  const auto stream = co_await session.accept(std::chrono::seconds(5));
  type = stream.ok() ? std::string((*stream)->headers().get("streamtype")) : "none";
  co_await session.close(std::chrono::milliseconds(0));
}

Task<Unit> reset_many(std::string& type) {
  auto [server_end, client_end] = make_pipe();
  SpdySession session(std::move(server_end));
  async::Event is_read;
  co_await async::both(async::both(session.run(), accept_one(session, is_read, type)),
                       open_and_reset(*client_end, is_read));
  co_return Unit{};
}

TEST(SpdySession, ForgetsStreamsThatWereResetBeforeAnybodyTookThem) {
  async::IoPool pool(1);
  std::string type;

  wait_for(pool, reset_many(type));

  EXPECT_EQ(type, "lasting");
}

Task<void> write_until_refused(Stream& stream, std::uint32_t id) {
  const std::string piece(32 * 1024, 'x');
  const auto bytes = spdy::data_head(id, 0, piece.size()) + piece;
  while ((co_await stream.write(bytes)).ok()) {
  }
}

/// Reads up to the second ping, then is gone.
Task<void> read_pings(SpdyClient& client, Stream& stream, std::string& transcript) {
  int pings = 0;
  while (pings < 2) {
    const auto frame = co_await client.next();
    if (!frame.ok()) {
      break;
    }
    transcript += SpdyClient::name_of(*frame) + "\n";
    pings += frame->type == Type::ping ? 1 : 0;
  }
  stream.close();
}

Task<void> send_too_much(Stream& stream, std::string& transcript) {
  SpdyClient client(stream);
  const auto id = co_await client.open("stdin");
  co_await async::both(write_until_refused(stream, id), read_pings(client, stream, transcript));
}

Task<Unit> hold_up(std::string& transcript) {
  auto [server_end, client_end] = make_pipe();
  SpdySession session(std::move(server_end), std::chrono::milliseconds(1));
  co_await async::both(session.run(), send_too_much(*client_end, transcript));
  co_return Unit{};
}

TEST(SpdySession, FindsOutThatAClientWhoseInputWaitsHasGone) {
  async::IoPool pool(1);
  std::string transcript;

  wait_for(pool, hold_up(transcript));

  EXPECT_EQ(transcript, "reply 1\nping 2\nping 4\n");
}

/// Opens one stream more than a session has.
Task<void> open_too_many(Stream& stream, std::string& transcript) {
  SpdyClient client(stream);
  for (int i = 0; i < 257; ++i) {
    co_await client.open("x");
  }
  co_await client.send(spdy::control_frame(Type::syn_stream, 0, "short"));  // ends the session
  transcript = co_await client.transcript();
  stream.close();
}

Task<Unit> fill_session(std::string& transcript) {
  auto [server_end, client_end] = make_pipe();
  SpdySession session(std::move(server_end));
  co_await async::both(session.run(), open_too_many(*client_end, transcript));
  co_return Unit{};
}

TEST(SpdySession, RefusesStreamsBeyondItsLimit) {
  async::IoPool pool(1);
  std::string transcript;

  wait_for(pool, fill_session(transcript));

  EXPECT_TRUE(transcript.find("reply 511\n") != std::string::npos);
  EXPECT_TRUE(transcript.find("reply 513\n") == std::string::npos);
  EXPECT_TRUE(transcript.find("reset 513 3\n") != std::string::npos);
}

std::vector<BadFrameRow> bad_frames() {
  std::string even;
  spdy::append_u32(even, 2);
  even += std::string(6, '\0');
  spdy::HeaderBlocks blocks;
  even += blocks.encode({});
  return {
      {"other_version", std::string("\x80\x02\x00\x01\x00\x00\x00\x00", 8)},
      {"huge_frame", std::string("\x80\x03\x00\x01\x00\xff\xff\xff", 8)},
      {"control_frame_without_type", std::string("\x80\x03\x00\x00\x00\x00\x00\x00", 8)},
      {"short_syn_stream", spdy::control_frame(Type::syn_stream, 0, "abc")},
      {"bad_header_block",
       spdy::control_frame(Type::syn_stream, 0, std::string("\0\0\0\1\0\0\0\0\0\0garbage", 17))},
      {"even_id", spdy::control_frame(Type::syn_stream, 0, even)},
  };
}

class BadFrameTest : public ::testing::TestWithParam<BadFrameRow> {};

TEST_P(BadFrameTest, EndsTheSession) {
  async::IoPool pool(1);
  std::string outcome;

  wait_for(pool, send_bad_frame(GetParam().bytes, outcome));

  EXPECT_EQ(outcome, to_string(Code::cancelled));
}

INSTANTIATE_TEST_SUITE_P(Table,
                         BadFrameTest,
                         ::testing::ValuesIn(bad_frames()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace tetrarch::net::testing
