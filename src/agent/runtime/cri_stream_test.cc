// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/cri_stream.h"

#include <gtest/gtest.h>

namespace tetrarch::agent::runtime {
namespace {

constexpr std::string_view kMask = "\x11\x22\x33\x44";

/// As a server sends it.
std::string frame(unsigned first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(126);
    out += static_cast<char>(payload.size() >> 8U);
    out += static_cast<char>(payload.size() & 0xFFU);
  }
  return out.append(payload);
}

/// "channel:bytes" of each message, then how it ended.
std::string told_by(std::string_view stream, std::size_t piece) {
  CriMessageDecoder decoder;
  std::string out;
  while (true) {
    const auto next = decoder.next();
    if (!next.ok()) {
      return out + (next.error().code == Code::cancelled ? "closed" : "malformed");
    }
    if (next->has_value()) {
      out += std::to_string(static_cast<int>((*next)->channel)) + ":" + (*next)->bytes + " ";
    } else if (stream.empty()) {
      return out + "more";
    } else {
      decoder.feed(stream.substr(0, piece));
      stream.remove_prefix(std::min(piece, stream.size()));
    }
  }
}

TEST(CriMessageDecoder, TakesWholeMessagesHoweverTheyAreCut) {
  const std::string large(3000, 'x');
  const auto stream = frame(0x82, std::string("\x01", 1)) + frame(0x82, "\x01hello") +
                      frame(0x02,
                            "\x02"
                            "in ") +
                      frame(0x00, "two ") + frame(0x89, "ping") + frame(0x80, "parts") +
                      frame(0x82, "\x01" + large) + frame(0x88, "\x03\xe8");

  for (const std::size_t piece : {1U, 2U, 7U, 100000U}) {
    EXPECT_EQ(told_by(stream, piece), "1: 1:hello 2:in two parts 1:" + large + " closed") << piece;
  }
}

TEST(CriMessageDecoder, WaitsForTheRestAndRefusesWhatNoServerSends) {
  EXPECT_EQ(told_by(frame(0x82, "\x01hello").substr(0, 5), 100), "more");
  EXPECT_EQ(told_by(std::string("\x82\x85\0\0\0\0\x01hell", 11), 100), "malformed") << "masked";
  EXPECT_EQ(told_by(std::string("\x82\x7f\x7f\0\0\0\0\0\0\0", 10), 100), "malformed") << "too long";
}

TEST(CriMessage, IsMaskedAndSaysItsLength) {
  const auto plain = [](std::string masked, std::size_t head) {
    for (std::size_t i = 0; i + head < masked.size(); ++i) {
      masked[head + i] = static_cast<char>(masked[head + i] ^ kMask[i % 4]);
    }
    return masked.substr(0, head - 4) + "|" + masked.substr(head);
  };

  EXPECT_EQ(plain(cri_message(CriChannel::in, "abc", kMask), 6), std::string("\x82\x84|\0abc", 7));
  const std::string long_text(300, 'y');
  EXPECT_EQ(plain(cri_message(CriChannel::in, long_text, kMask), 8),
            std::string("\x82\xfe\x01\x2d|\0", 6) + long_text);
  const std::string longer(70000, 'z');
  EXPECT_EQ(plain(cri_message(CriChannel::in, longer, kMask), 14),
            std::string("\x82\xff\0\0\0\0\0\x01\x11\x71|\0", 12) + longer);
}

}  // namespace
}  // namespace tetrarch::agent::runtime
