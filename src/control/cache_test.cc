// SPDX-License-Identifier: Apache-2.0
#include "control/cache.h"

#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "control/fake_client.h"
#include "control/manual_clock.h"

namespace tetrarch::control {
namespace {

using std::chrono::seconds;

TEST(Cache, SilenceWhileTheProcessDidNotRunDoesNotCount) {
  async::IoPool pool(1);
  FakeClient client;
  Metrics metrics;
  ManualClock clock;
  Cache cache({client, clock, system_random(), metrics}, {"nodes"});
  cache.attend();
  const auto begun = cache.mirror().observing_since();
  EXPECT_EQ(begun, clock.now());

  clock.advance(seconds(4));
  cache.attend();
  clock.advance(seconds(4));
  cache.attend();
  EXPECT_EQ(cache.mirror().observing_since(), begun) << "it was there all the time";

  clock.advance(seconds(30));
  cache.attend();
  EXPECT_EQ(cache.mirror().observing_since(), clock.now());

  clock.advance(seconds(-10));
  cache.attend();
  EXPECT_EQ(cache.mirror().observing_since(), clock.now()) << "the clock was set back";
}

}  // namespace
}  // namespace tetrarch::control
