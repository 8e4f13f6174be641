// SPDX-License-Identifier: Apache-2.0
// What a SPDY client sends, in pieces of any size: frames come out as they were written, header
// blocks are refused or read back the same, and no block grows without bound.
#include <algorithm>
#include <string>

#include "base/check.h"
#include "input.h"
#include "net/spdy_codec.h"
#include "pieces.h"

using namespace tetrarch;
using namespace tetrarch::net;

namespace {

/// False: the session would end here.
bool take_headers(spdy::HeaderBlocks& blocks, std::string_view block) {
  const auto headers = blocks.decode(block);
  if (!headers.ok()) {
    CHECK(headers.error().code == Code::malformed);
    return false;
  }
  spdy::HeaderBlocks sender;
  spdy::HeaderBlocks reader;
  const auto again = reader.decode(sender.encode(*headers));
  CHECK(again.ok() && again->list().size() == headers->list().size());
  return true;
}

std::string written(const spdy::Frame& frame) {
  return frame.type == spdy::Type::data
             ? spdy::data_head(frame.stream, frame.flags, frame.payload.size()) + frame.payload
             : spdy::control_frame(frame.type, frame.flags, frame.payload);
}

/// Where the header block of such a frame begins. Source: SPDY Draft 3.1, sections 2.6.1, 2.6.2 and
/// 2.6.7.
std::size_t headers_at(spdy::Type type) {
  return type == spdy::Type::syn_stream ? 10 : 4;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1;
  const auto bytes = input.rest();
  spdy::Decoder decoder;
  spdy::HeaderBlocks blocks;
  std::string taken;
  bool is_open = true;
  const auto end = fuzz::decode_in_pieces(decoder, bytes, piece, [&](const spdy::Frame& frame) {
    taken += written(frame);
    const bool has_headers = frame.type == spdy::Type::syn_stream ||
                             frame.type == spdy::Type::syn_reply ||
                             frame.type == spdy::Type::headers;
    if (is_open && has_headers) {
      const std::string_view payload(frame.payload);
      is_open =
          take_headers(blocks, payload.substr(std::min(payload.size(), headers_at(frame.type))));
    }
  });
  CHECK(bytes.starts_with(taken));
  CHECK(end.ok() || end.error().code == Code::malformed);
  return 0;
}
