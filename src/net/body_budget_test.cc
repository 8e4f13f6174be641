// SPDX-License-Identifier: Apache-2.0
#include "net/body_budget.h"

#include <gtest/gtest.h>

namespace tetrarch::net {
namespace {

using Held = BodyBudget::Held;

const std::string kFirst("\xc0\0\2\1", 4);
const std::string kSecond("\xc0\0\2\2", 4);

TEST(BodyBudget, IsOneForAllWhoHold) {
  BodyBudget budget(100, 80);
  Held first(budget, kFirst);
  Held second(budget, kSecond);

  EXPECT_TRUE(first.set(60));
  EXPECT_TRUE(second.set(40));
  EXPECT_FALSE(second.set(41));
  EXPECT_TRUE(first.set(59));
  EXPECT_TRUE(second.set(41));
}

TEST(BodyBudget, GivesAnAddressItsShareOnly) {
  BodyBudget budget(100, 30);
  Held one(budget, kFirst);
  Held other(budget, kFirst);
  Held stranger(budget, kSecond);

  EXPECT_TRUE(one.set(20));
  EXPECT_FALSE(other.set(11));
  EXPECT_TRUE(other.set(10));
  EXPECT_TRUE(stranger.set(30)) << "others are not shut out";
}

TEST(BodyBudget, HasItBackFromWhoEnds) {
  BodyBudget budget(100, 30);
  {
    Held gone(budget, kFirst);
    EXPECT_TRUE(gone.set(30));
    EXPECT_FALSE(gone.set(31));
  }
  Held next(budget, kFirst);

  EXPECT_TRUE(next.set(30));
}

TEST(BodyBudget, IsAllForThisMachine) {
  const std::string unix_socket;
  const std::string loopback("\x7f\0\0\1", 4);
  const std::string loopback6 = std::string(15, '\0') + '\1';
  const std::string mapped = std::string(10, '\0') + "\xff\xff" + loopback;
  const std::string mapped_stranger = std::string(10, '\0') + "\xff\xff" + kFirst;
  for (const auto& address : {unix_socket, loopback, loopback6, mapped}) {
    BodyBudget budget(100, 30);
    Held held(budget, address);
    EXPECT_TRUE(held.set(100)) << address.size();
  }
  BodyBudget budget(100, 30);
  Held held(budget, mapped_stranger);
  EXPECT_FALSE(held.set(31));
}

}  // namespace
}  // namespace tetrarch::net
