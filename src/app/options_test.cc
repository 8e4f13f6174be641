// SPDX-License-Identifier: Apache-2.0
#include "app/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

using testing::ElementsAre;

TEST(Options, AreTakenOutOfTheWords) {
  std::vector<std::string> words{"drain", "--timeout", "5m", "n1", "--force", "--role=agent"};

  EXPECT_EQ(take_option(words, "timeout")->value(), "5m");
  EXPECT_EQ(take_option(words, "role")->value(), "agent");
  EXPECT_TRUE(take_switch(words, "force"));
  EXPECT_FALSE(take_switch(words, "force"));
  EXPECT_FALSE(take_option(words, "ttl")->has_value());
  EXPECT_THAT(words, ElementsAre("drain", "n1"));
}

TEST(Options, AFlagWithoutItsValueIsAMistake) {
  std::vector<std::string> words{"create", "--ttl"};

  EXPECT_EQ(take_option(words, "ttl").error().message, "--ttl needs a value");
}

TEST(Period, IsReadOrRefused) {
  struct Row {
    std::string_view text;
    std::int64_t seconds;  // -1: refused
  };

  for (const auto& row : {Row{"90s", 90},
                          Row{"15m", 900},
                          Row{"24h", 86'400},
                          Row{"7d", 604'800},
                          Row{"1h30m", 5'400},
                          Row{"0", 0},
                          Row{"0s", 0},
                          Row{"", -1},
                          Row{"5", -1},
                          Row{"m", -1},
                          Row{"-5m", -1},
                          Row{"5x", -1},
                          Row{"5m ", -1},
                          Row{"99999999999999999999h", -1},
                          Row{"9999999999999h", -1}}) {
    const auto read = parse_period(row.text);
    EXPECT_EQ(read.ok() ? read->count() : -1, row.seconds) << row.text;
  }
}

}  // namespace
}  // namespace tetrarch::app
