// SPDX-License-Identifier: Apache-2.0
// What a WebSocket client sends: the same frames whether it comes at once or in pieces, none longer
// than allowed.
#include <string>
#include <vector>

#include "base/check.h"
#include "input.h"
#include "net/websocket_codec.h"
#include "pieces.h"

using namespace tetrarch;
using namespace tetrarch::net;

namespace {

constexpr std::size_t kPayloadMax = 1000;

struct Read {
  std::vector<websocket::Frame> frames;
  std::string error;
};

Read read_in_pieces(std::string_view bytes, std::size_t piece) {
  Read out;
  websocket::Decoder decoder(kPayloadMax);
  const auto end =
      fuzz::decode_in_pieces(decoder, bytes, piece, [&](const websocket::Frame& frame) {
        CHECK(frame.payload.size() <= kPayloadMax);
        out.frames.push_back(frame);
      });
  if (!end.ok()) {
    CHECK(end.error().code == Code::malformed || end.error().code == Code::too_large);
    out.error = end.error().message;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1;
  const auto bytes = input.rest();
  const auto whole = read_in_pieces(bytes, bytes.size() + 1);
  const auto cut = read_in_pieces(bytes, piece);
  CHECK(whole.error == cut.error && whole.frames.size() == cut.frames.size());
  for (std::size_t i = 0; i < whole.frames.size(); ++i) {
    CHECK(whole.frames[i].payload == cut.frames[i].payload);
    CHECK(whole.frames[i].opcode == cut.frames[i].opcode);
    CHECK(whole.frames[i].is_final == cut.frames[i].is_final);
  }
  return 0;
}
