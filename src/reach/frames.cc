// SPDX-License-Identifier: Apache-2.0
#include "reach/frames.h"

#include "reach/wire.h"

namespace tetrarch::reach {

namespace {
constexpr std::size_t kHead = 5;

bool is_known(std::uint8_t channel) {
  return channel <= 4 || channel == 255;
}
}  // namespace

void append_channel_frame(std::string& out, Channel channel, std::string_view payload) {
  do {
    const auto piece = payload.substr(0, kFramePayloadMax);
    payload.remove_prefix(piece.size());
    out += static_cast<char>(channel);
    append_u32(out, static_cast<std::uint32_t>(piece.size()));
    out += piece;
  } while (!payload.empty());
}

std::string close_channel_frame(Channel ended) {
  std::string out;
  const char which = static_cast<char>(ended);
  append_channel_frame(out, Channel::close, {&which, 1});
  return out;
}

Result<std::optional<ChannelFrame>> ChannelDecoder::next() {
  const auto in = std::string_view(buffer_).substr(begin_);
  if (in.size() < kHead) {
    return std::optional<ChannelFrame>{};
  }
  const auto channel = static_cast<std::uint8_t>(in[0]);
  const std::size_t size = read_u32(in.substr(1));
  if (!is_known(channel) || size > kFrameTakenMax) {
    return Error{Code::malformed, "a channel frame has an unknown channel or is too long"};
  }
  if (in.size() - kHead < size) {
    return std::optional<ChannelFrame>{};
  }
  ChannelFrame frame{static_cast<Channel>(channel), std::string(in.substr(kHead, size))};
  begin_ += kHead + size;
  if (begin_ == buffer_.size() || begin_ > kFramePayloadMax) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  return std::optional<ChannelFrame>(std::move(frame));
}

}  // namespace tetrarch::reach
