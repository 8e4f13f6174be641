// SPDX-License-Identifier: Apache-2.0
#include "app/start_memory.h"

#include <array>

#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

struct Row {
  const char* name;
  const char* smaps;
  std::size_t count;
};

class CleanMappings : public testing::TestWithParam<Row> {};

TEST_P(CleanMappings, AreThoseOfFilesThatNobodyChanged) {
  EXPECT_EQ(clean_mappings(GetParam().smaps).size(), GetParam().count);
}

constexpr auto kRows = std::to_array<Row>({
    {"code",
     "7f00-7f10 r-xp 00001000 fe:00 12   /usr/lib/x.so\nRss: 8 kB\nAnonymous:  0 kB\nSwap: 0 kB\n",
     1},
    {"constants",
     "7f00-7f10 r--p 00000000 fe:00 12   /usr/lib/x.so\nAnonymous:   0 kB\nSwap: 0 kB\n",
     1},
    {"relocated",
     "7f00-7f10 r--p 00002000 fe:00 12   /usr/lib/x.so\nAnonymous:   8 kB\nSwap: 0 kB\n",
     0},
    {"data",
     "7f00-7f10 rw-p 00003000 fe:00 12   /usr/lib/x.so\nAnonymous:   0 kB\nSwap: 0 kB\n",
     0},
    {"shared", "7f00-7f10 r--s 00003000 fe:00 12   /var/lib/x\nAnonymous:   0 kB\nSwap: 0 kB\n", 0},
    {"kernel", "7f00-7f10 r-xp 00000000 00:00 0   [vdso]\nAnonymous:   0 kB\nSwap: 0 kB\n", 0},
    {"nobody", "7f00-7f10 r--p 00000000 00:00 0\nAnonymous:   0 kB\nSwap: 0 kB\n", 0},
    {"in_swap",
     "7f00-7f10 r--p 02 fe:00 12   /x.so\nAnonymous:   0 kB\nSwap:   8 kB\nSwapPss: 8 kB\n",
     0},
    {"swap_untold", "7f00-7f10 r--p 02 fe:00 12   /x.so\nAnonymous:   0 kB\n", 0},
    {"in_part_in_swap", "7f00-7f10 r--p 02 fe:00 12   /x.so\nAnonymous:   8 kB\nSwap:   8 kB\n", 0},
    {"second",
     "7f00-7f10 r--p 02 fe:00 12 /x.so\nAnonymous: 0 kB\nSwap: 8 kB\n"
     "7f20-7f30 r--p 02 fe:00 12 /x.so\nAnonymous: 0 kB\nSwap: 0 kB\nSwapPss: 0 kB\n",
     1},
    {"cut", "7f00-7f10 r-xp 00000000 fe:00 12   /usr/lib/x.so\nRss: 8 kB", 0},
    {"empty", "", 0},
});
INSTANTIATE_TEST_SUITE_P(Rows, CleanMappings, testing::ValuesIn(kRows), [](const auto& row) {
  return row.param.name;
});

TEST(StartMemory, IsGivenBackAndTheProgramGoesOn) {
  const auto before = clean_mappings("1000-2000 r-xp 0 fe:00 1 /x\nAnonymous: 0 kB\nSwap: 0 kB\n");

  give_back_start_memory();

  const auto after = clean_mappings("1000-2000 r-xp 0 fe:00 1 /x\nAnonymous: 0 kB\nSwap: 0 kB\n");
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(after[0].begin, 0x1000U);
  EXPECT_EQ(after[0].end, before[0].end);
}

TEST(FreeHeap, IsGivenBackWhereItIsMuch) {
  constexpr std::size_t kMb = std::size_t{1} << 20;

  EXPECT_FALSE(is_much_free(1 * kMb, 4 * kMb));
  EXPECT_TRUE(is_much_free(9 * kMb, 10 * kMb));
  EXPECT_FALSE(is_much_free(40 * kMb, 400 * kMb));
  EXPECT_TRUE(is_much_free(60 * kMb, 400 * kMb));
  give_back_free_heap();  // and the program goes on
}

}  // namespace
}  // namespace tetrarch::app
