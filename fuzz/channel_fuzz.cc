// SPDX-License-Identifier: Apache-2.0
// What the other side of a reach stream sends: refused, or frames that are written as they came.
#include <string>

#include "base/check.h"
#include "input.h"
#include "pieces.h"
#include "reach/frames.h"

using namespace tetrarch;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1;
  const auto bytes = input.rest();
  reach::ChannelDecoder decoder;
  std::string taken;
  bool is_as_ours = true;  // a longer frame we would write as several
  const auto end =
      fuzz::decode_in_pieces(decoder, bytes, piece, [&](const reach::ChannelFrame& frame) {
        is_as_ours = is_as_ours && frame.payload.size() <= reach::kFramePayloadMax;
        reach::append_channel_frame(taken, frame.channel, frame.payload);
      });
  CHECK(!is_as_ours || bytes.starts_with(taken));
  CHECK(end.ok() || end.error().code == Code::malformed);
  return 0;
}
