// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "net/harness_test.h"
#include "net/websocket_codec.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using websocket::Opcode;

/// A frame as a client sends it, masked with 1 2 3 4.
std::string masked(unsigned first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80U | payload.size());
  } else {
    out += static_cast<char>(0x80U | 126U);
    out += static_cast<char>(payload.size() >> 8U);
    out += static_cast<char>(payload.size() & 0xFFU);
  }
  out += "\x01\x02\x03\x04";
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ static_cast<char>(i % 4 + 1));
  }
  return out;
}

std::string plain(Opcode opcode, std::string_view payload) {
  std::string out;
  websocket::append_frame(out, opcode, payload);
  return out;
}

Task<void> echo_messages(Request, Exchange& exchange) {
  auto socket = co_await exchange.upgrade_websocket("v5.channel.k8s.io");
  while (socket.ok()) {
    auto message = co_await (*socket)->read();
    if (!message.ok() || message->bytes == "bye") {
      (void)co_await (*socket)->close(websocket::kNormal, "done");
      co_return;
    }
    (void)co_await (*socket)->write(message->is_text, message->bytes);
  }
}

constexpr std::string_view kHandshake =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST(WebSocket, AnswersTheHandshakeOfTheStandard) {
  TestServer server(echo_messages);
  RawClient client(server.port());

  client.send(kHandshake);
  const auto head = client.read_until("\r\n\r\n");

  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
  // Source: RFC 6455 section 1.3, the example.
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
}

struct FrameRow {
  std::string name;
  std::string sent;
  std::string answer;
};

void PrintTo(const FrameRow& row, std::ostream* out) {
  *out << row.name;
}

std::string closing(std::uint16_t code, std::string_view reason) {
  return plain(Opcode::close, websocket::close_payload(code, reason));
}

std::vector<FrameRow> frame_rows() {
  return {
      {"text", masked(0x81, "hello"), plain(Opcode::text, "hello")},
      {"binary",
       masked(0x82, std::string("\0\1", 2)),
       plain(Opcode::binary, std::string("\0\1", 2))},
      {"empty", masked(0x82, ""), plain(Opcode::binary, "")},
      {"medium", masked(0x82, std::string(300, 'm')), plain(Opcode::binary, std::string(300, 'm'))},
      {"in_parts",
       masked(0x01, "ab") + masked(0x00, "cd") + masked(0x80, "e"),
       plain(Opcode::text, "abcde")},
      {"ping", masked(0x89, "p"), plain(Opcode::pong, "p")},
      {"ping_between_parts",
       masked(0x01, "ab") + masked(0x89, "p") + masked(0x80, "c"),
       plain(Opcode::pong, "p") + plain(Opcode::text, "abc")},
      {"unasked_pong", masked(0x8A, "p") + masked(0x81, "x"), plain(Opcode::text, "x")},
      {"close",
       masked(0x88, std::string("\x03\xe8", 2) + "bye"),
       plain(Opcode::close, std::string("\x03\xe8", 2))},
      {"handler_closes", masked(0x81, "bye"), closing(1000, "done")},
      {"not_masked",
       std::string("\x81\x01x", 3) + "....",
       closing(1002, "a WebSocket frame of a client must be masked")},
      {"reserved_bits",
       masked(0xC1, "x"),
       closing(1002, "a WebSocket frame has reserved bits or an unknown opcode")},
      {"long_ping",
       masked(0x89, std::string(126, 'p')),
       closing(1002, "a WebSocket control frame is too long or in parts")},
      {"stray_continuation", masked(0x80, "x"), closing(1002, "WebSocket messages are mixed up")},
      {"message_in_message",
       masked(0x01, "x") + masked(0x81, "y"),
       closing(1002, "WebSocket messages are mixed up")},
      {"too_large",
       std::string("\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00....", 14),
       closing(1009, "a WebSocket frame is larger than 4194304 bytes")},
  };
}

class WebSocketFrameTest : public ::testing::TestWithParam<FrameRow> {};

TEST_P(WebSocketFrameTest, IsAnswered) {
  TestServer server(echo_messages);
  RawClient client(server.port());
  client.send(kHandshake);
  client.read_until("\r\n\r\n");

  client.send(GetParam().sent);

  EXPECT_EQ(client.read_exactly(GetParam().answer.size()), GetParam().answer);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         WebSocketFrameTest,
                         ::testing::ValuesIn(frame_rows()),
                         [](const auto& row) { return row.param.name; });

TEST(WebSocket, RefusesOtherVersionsAndPlainRequests) {
  TestServer server(echo_messages);
  RawClient old(server.port());
  RawClient no_socket(server.port());

  old.send(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
      "websocket\r\nSec-WebSocket-Version: 8\r\n\r\n");
  no_socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");

  EXPECT_THAT(old.read_response(), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(no_socket.read_response(), StartsWith("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace tetrarch::net::testing
