// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace tetrarch {
namespace {

TEST(Utf8, IsWhatTheStandardAllows) {
  for (const std::string_view text : {"", "a", "ä€😀", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(to_utf8(text), text);
  }
  for (const std::string_view text : {"\xFF",              // no such byte
                                      "\x80",              // begins in the middle
                                      "a\xC3",             // ends in the middle
                                      "\xC3(",             // broken off
                                      "\xC0\xAF",          // overlong
                                      "\xE0\x80\xAF",      // overlong
                                      "\xED\xA0\x80",      // surrogate
                                      "\xF4\x90\x80\x80",  // beyond the last character
                                      "\xF8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
    EXPECT_TRUE(is_utf8(to_utf8(text)));
  }
  EXPECT_EQ(to_utf8("a\xFF"
                    "b\xC3"),
            "a\uFFFDb\uFFFD");
}

TEST(Utf8, IsCutBetweenCharacters) {
  EXPECT_EQ(utf8_head("aä€", 6), "aä€");
  EXPECT_EQ(utf8_head("aä€", 5), "aä");
  EXPECT_EQ(utf8_head("aä€", 2), "a");
  EXPECT_EQ(utf8_head("ä", 1), "");
  EXPECT_EQ(utf8_head("ab", 0), "");
}

}  // namespace
}  // namespace tetrarch
