// SPDX-License-Identifier: Apache-2.0
#include "trust/attempt_limit.h"

#include <gtest/gtest.h>

namespace tetrarch::trust {
namespace {

using std::chrono::seconds;

constexpr TimePoint kStart = TimePoint(seconds(1'000'000));

TEST(AttemptLimit, LetsAFewFailuresPassAndThenMakesWait) {
  AttemptLimit limit({.failures_max = 3, .forgets_one = seconds(10)});

  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(limit.wait_of("a", kStart), seconds(0));
    limit.note_failure("a", kStart);
  }

  EXPECT_EQ(limit.wait_of("a", kStart), seconds(10));
  EXPECT_EQ(limit.wait_of("b", kStart), seconds(0));
  EXPECT_EQ(limit.wait_of("a", kStart + seconds(4)), seconds(6));
  EXPECT_EQ(limit.wait_of("a", kStart + seconds(10)), seconds(0));
}

TEST(AttemptLimit, KeepsABoundedNumberOfAddresses) {
  AttemptLimit limit({.failures_max = 1, .forgets_one = seconds(1000), .addresses_max = 4});

  for (int i = 0; i < 20; ++i) {
    limit.note_failure(std::to_string(i), kStart + seconds(i));
  }

  EXPECT_EQ(limit.size(), 4U);
  EXPECT_GT(limit.wait_of("19", kStart + seconds(20)), seconds(0));
}

TEST(AttemptLimit, ForgetsThoseThatAreQuiet) {
  AttemptLimit limit({.forgets_one = seconds(1)});
  limit.note_failure("a", kStart);

  limit.note_failure("b", kStart + seconds(5));

  EXPECT_EQ(limit.size(), 1U);
}

TEST(AttemptLimit, AnAddressIsOneWhateverItsPort) {
  EXPECT_EQ(without_port("192.0.2.7:4711"), "192.0.2.7");
  EXPECT_EQ(without_port("[2001:db8::1]:4711"), "[2001:db8::1]");
  EXPECT_EQ(without_port("[2001:db8::1]"), "[2001:db8::1]");
  EXPECT_EQ(without_port("unix"), "unix");
}

}  // namespace
}  // namespace tetrarch::trust
