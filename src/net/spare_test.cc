// SPDX-License-Identifier: Apache-2.0
#include "net/spare.h"

#include <vector>

#include <gtest/gtest.h>

namespace tetrarch::net {
namespace {

/// Whatever this thread keeps from other tests.
void take_all() {
  for (std::size_t i = 0; i < kSparesMax; ++i) {
    std::string taken;
    take_spare(taken);
  }
}

std::string buffer_of(std::size_t bytes) {
  return std::string(bytes, 'x');
}

TEST(Spare, GoesFromOneBufferToTheNextAndIsEmpty) {
  take_all();
  auto used = buffer_of(5000);
  const auto* const storage = used.data();
  give_spare(used);
  std::string next;
  take_spare(next);

  EXPECT_TRUE(used.empty());
  EXPECT_LT(used.capacity(), 100U);
  EXPECT_TRUE(next.empty());
  EXPECT_EQ(next.data(), storage);
}

TEST(Spare, IsNotTakenByWhoHasABuffer) {
  take_all();
  auto used = buffer_of(5000);
  give_spare(used);
  auto own = buffer_of(100);
  take_spare(own);

  EXPECT_EQ(own, buffer_of(100));
}

TEST(Spare, IsNotLargerThanWanted) {
  take_all();
  auto large = buffer_of(100'000);
  auto small = buffer_of(5000);
  give_spare(small);
  give_spare(large);
  std::string first;
  take_spare(first, 10'000);
  std::string second;
  take_spare(second, 10'000);

  EXPECT_EQ(first.capacity(), 5000U);
  EXPECT_LT(second.capacity(), 100U);
}

TEST(Spare, AreFewAndNoneIsHuge) {
  take_all();
  auto huge = buffer_of(kSpareBytesMax + 1);
  give_spare(huge);
  std::vector<std::string> given(2 * kSparesMax, buffer_of(1000));
  for (auto& each : given) {
    give_spare(each);
  }
  std::size_t kept = 0;
  std::string taken;
  for (take_spare(taken); taken.capacity() >= 1000; take_spare(taken)) {
    ++kept;
    EXPECT_LE(taken.capacity(), kSpareBytesMax);
    std::string().swap(taken);
    ASSERT_LE(kept, given.size());
  }

  EXPECT_EQ(kept, kSparesMax);
}

}  // namespace
}  // namespace tetrarch::net
