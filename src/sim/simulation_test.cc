// SPDX-License-Identifier: Apache-2.0
// Small simulations: that a seed replays exactly, and that what is broken on purpose is found.
#include "sim/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace tetrarch::sim {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class SimulationTest : public testing::Test {
 protected:
  SimulationTest() { log::set_level("error"); }

  static Outcome run(std::uint64_t seed, Mistake mistake = Mistake::none) {
    static const auto catalog = schema::Catalog::load_builtin();
    Options options;
    options.seed = seed;
    options.machines = 8;
    options.storm = seconds(40);
    options.mistake = mistake;
    return simulate(**catalog, options);
  }
};

TEST_F(SimulationTest, ReplaysASeedByteForByte) {
  const auto first = run(1);
  const auto second = run(1);
  const auto other = run(2);

  EXPECT_THAT(first.violations, IsEmpty());
  EXPECT_EQ(first.hash, second.hash);
  EXPECT_EQ(first.lines, second.lines);
  EXPECT_NE(first.hash, other.hash);
  EXPECT_GT(first.faults, 5U);
  EXPECT_GT(first.judged, 100U);
}

TEST_F(SimulationTest, FindsALostWrite) {
  EXPECT_THAT(run(3, Mistake::lose_a_write).violations,
              Contains(HasSubstr("acknowledged was the write at")));
}

TEST_F(SimulationTest, FindsAPodThatNobodyAskedToDelete) {
  EXPECT_THAT(run(3, Mistake::delete_a_pod).violations,
              Contains(HasSubstr("deleted without a cause")));
}

TEST_F(SimulationTest, FindsAContainerThatIsStoppedForNothing) {
  EXPECT_THAT(run(3, Mistake::stop_a_container).violations,
              Contains(HasSubstr("stopped without a cause")));
}

}  // namespace
}  // namespace tetrarch::sim
