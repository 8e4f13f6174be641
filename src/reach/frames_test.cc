// SPDX-License-Identifier: Apache-2.0
#include "reach/frames.h"

#include <gtest/gtest.h>

#include "reach/answer.h"

namespace tetrarch::reach {
namespace {

TEST(ChannelFrames, ComeOutAsTheyWentInHoweverTheyArrive) {
  std::string bytes;
  append_channel_frame(bytes, Channel::out, "hello");
  append_channel_frame(bytes, Channel::resize, R"({"Width":80,"Height":24})");
  append_channel_frame(bytes, Channel::err, "");
  bytes += close_channel_frame(Channel::in);
  ChannelDecoder decoder;
  std::vector<ChannelFrame> frames;

  for (const char c : bytes) {
    decoder.feed({&c, 1});
    auto next = decoder.next();
    ASSERT_TRUE(next.ok());
    if (next->has_value()) {
      frames.push_back(**next);
    }
  }

  EXPECT_THAT(frames,
              ::testing::ElementsAre(ChannelFrame{Channel::out, "hello"},
                                     ChannelFrame{Channel::resize, R"({"Width":80,"Height":24})"},
                                     ChannelFrame{Channel::err, ""},
                                     ChannelFrame{Channel::close, std::string(1, '\0')}));
}

TEST(ChannelFrames, CutLongPayloadsIntoPieces) {
  std::string bytes;
  append_channel_frame(bytes, Channel::out, std::string(kFramePayloadMax + 1, 'x'));
  ChannelDecoder decoder;
  decoder.feed(bytes);

  EXPECT_EQ((*decoder.next())->payload.size(), kFramePayloadMax);
  EXPECT_EQ((*decoder.next())->payload, "x");
  EXPECT_EQ(*decoder.next(), std::nullopt);
}

TEST(ChannelFrames, RefuseUnknownChannelsAndLongFrames) {
  ChannelDecoder unknown;
  unknown.feed(std::string("\x07\0\0\0\0", 5));
  ChannelDecoder long_frame;
  long_frame.feed(std::string("\x01\0\xff\xff\xff", 5));

  EXPECT_EQ(unknown.next().error().code, Code::malformed);
  EXPECT_EQ(long_frame.next().error().code, Code::malformed);
}

struct AnswerRow {
  std::string name;
  Code code;
  std::string line;
};

void PrintTo(const AnswerRow& row, std::ostream* out) {
  *out << row.name;
}

class AnswerTest : public ::testing::TestWithParam<AnswerRow> {};

TEST_P(AnswerTest, CarriesAnErrorAcross) {
  const auto& row = GetParam();

  EXPECT_EQ(format_answer(Error{row.code, "why \"not\""}), row.line + "\n");
  EXPECT_EQ(parse_answer(row.line).error(), (Error{row.code, "why \"not\""}));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    AnswerTest,
    ::testing::Values(
        AnswerRow{"malformed", Code::malformed, R"({"status":400,"message":"why \"not\""})"},
        AnswerRow{"not_found", Code::not_found, R"({"status":404,"message":"why \"not\""})"},
        AnswerRow{"conflict", Code::conflict, R"({"status":409,"message":"why \"not\""})"},
        AnswerRow{
            "unimplemented", Code::unimplemented, R"({"status":501,"message":"why \"not\""})"},
        AnswerRow{"unavailable", Code::unavailable, R"({"status":503,"message":"why \"not\""})"},
        AnswerRow{"internal", Code::internal, R"({"status":500,"message":"why \"not\""})"}),
    [](const auto& row) { return row.param.name; });

TEST(Answer, IsASuccessOrUnreadable) {
  EXPECT_EQ(format_answer(ok()), "{\"status\":200}\n");
  EXPECT_TRUE(parse_answer("{\"status\":200}").ok());
  EXPECT_EQ(parse_answer("hello").error().code, Code::internal);
  EXPECT_EQ(parse_answer("{}").error().code, Code::internal);
  EXPECT_EQ(parse_answer("{\"status\":418}").error().code, Code::internal);
}

}  // namespace
}  // namespace tetrarch::reach
