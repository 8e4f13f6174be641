// SPDX-License-Identifier: Apache-2.0
#include "schedule/reason_tally.h"

#include <gtest/gtest.h>

namespace tetrarch::schedule {
namespace {

TEST(ReasonTally, CountsEachReasonOfANodeOnce) {
  ReasonTally tally;
  tally.set(0, {{Refusal::resource, "cpu"}, {Refusal::resource, "memory"}});
  tally.set(2, {{Refusal::resource, "cpu"}});
  tally.set(3, {});

  EXPECT_EQ(tally.explain(3).text(),
            "0/3 nodes are available: 1 Insufficient memory, 2 Insufficient cpu.");
}

TEST(ReasonTally, ANodeChangesItsMind) {
  ReasonTally tally;
  tally.set(0, {{Refusal::ports}});
  tally.set(1, {{Refusal::unschedulable}});

  tally.set(0, {{Refusal::unschedulable}});
  EXPECT_EQ(tally.explain(2).text(), "0/2 nodes are available: 2 node(s) were unschedulable.");

  tally.set(0, {});
  EXPECT_EQ(tally.explain(1).text(), "0/1 nodes are available: 1 node(s) were unschedulable.");
  tally.clear();
  EXPECT_TRUE(tally.explain(1).counts().empty());
}

}  // namespace
}  // namespace tetrarch::schedule
