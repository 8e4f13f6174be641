// SPDX-License-Identifier: Apache-2.0
#include "base/trim.h"

#include <gtest/gtest.h>

namespace tetrarch {
namespace {

TEST(Trim, CutsBlanksAtBothEndsOnly) {
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("a\r\n"), "a\r\n");
  EXPECT_EQ(trim("a\r\n", " \t\r\n"), "a");
}

}  // namespace
}  // namespace tetrarch
