// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/log_file.h"

#include <gtest/gtest.h>

namespace tetrarch::agent::runtime {
namespace {

TEST(ParseLogLine, ReadsTimeStreamTagAndText) {
  const auto line = parse_log_line("2026-11-23T06:13:56.123456789Z stderr F hello  world ");

  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->time, "2026-11-23T06:13:56.123456789Z");
  EXPECT_TRUE(line->is_error_stream);
  EXPECT_FALSE(line->is_partial);
  EXPECT_EQ(line->text, "hello  world ");
}

TEST(ParseLogLine, KnowsPartialLinesAndEmptyText) {
  EXPECT_TRUE(parse_log_line("t stdout P abc")->is_partial);
  EXPECT_EQ(parse_log_line("t stdout F ")->text, "");
  EXPECT_EQ(parse_log_line("t stdout F")->text, "");
}

TEST(ParseLogLine, RefusesTornLines) {
  EXPECT_FALSE(parse_log_line("").has_value());
  EXPECT_FALSE(parse_log_line("2026-11-23T06:13").has_value());
  EXPECT_FALSE(parse_log_line("2026 stdin F x").has_value());
}

}  // namespace
}  // namespace tetrarch::agent::runtime
