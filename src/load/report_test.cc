// SPDX-License-Identifier: Apache-2.0
#include "load/report.h"

#include <gmock/gmock.h>

namespace tetrarch::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Report report() {
  Report out;
  for (int i = 100; i > 0; --i) {
    out.latencies.emplace_back(milliseconds(i));
  }
  out.duration = seconds(2);
  out.bytes = 4'000'000;
  out.server_cpu = milliseconds(10);
  return out;
}

TEST(Report, CountsPerSecondAndPerRequest) {
  EXPECT_DOUBLE_EQ(per_second(report()), 50);
  EXPECT_DOUBLE_EQ(megabytes_per_second(report()), 2);
  EXPECT_DOUBLE_EQ(cpu_microseconds_each(report()), 100);
}

TEST(Report, LatenciesNeedNotBeInOrder) {
  EXPECT_DOUBLE_EQ(mean_ms(report().latencies), 50.5);
  EXPECT_DOUBLE_EQ(percentile_ms(report().latencies, 0), 1);
  EXPECT_DOUBLE_EQ(percentile_ms(report().latencies, 0.5), 50);
  EXPECT_DOUBLE_EQ(percentile_ms(report().latencies, 1), 100);
}

TEST(Report, NothingMeasuredIsNoDivisionByZero) {
  const Report empty;
  EXPECT_DOUBLE_EQ(per_second(empty), 0);
  EXPECT_DOUBLE_EQ(cpu_microseconds_each(empty), 0);
  EXPECT_DOUBLE_EQ(mean_ms({}), 0);
  EXPECT_DOUBLE_EQ(percentile_ms({}, 0.99), 0);
}

TEST(Report, FailuresAreCountedAndTheFirstIsTold) {
  auto all = report();
  all.fail("first");
  Report more;
  more.fail("second");

  all.add(more);

  EXPECT_EQ(all.failures, 2);
  EXPECT_THAT(format_report(all, "create"), testing::HasSubstr("2 FAILED; the first: first"));
}

}  // namespace
}  // namespace tetrarch::load
