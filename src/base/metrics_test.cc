// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch {
namespace {

using testing::HasSubstr;

TEST(Metrics, PrintsFamiliesInOrderWithHelpAndType) {
  Metrics metrics;
  metrics.gauge("b_now", "how many now").set(-3);
  metrics.counter("a_total", "how many", R"(code="200")").add(2);
  metrics.counter("a_total", "how many", R"(code="404")").add();

  EXPECT_EQ(metrics.text(),
            "# HELP a_total how many\n# TYPE a_total counter\n"
            "a_total{code=\"200\"} 2\na_total{code=\"404\"} 1\n"
            "# HELP b_now how many now\n# TYPE b_now gauge\nb_now -3\n");
}

TEST(Metrics, GivesTheSameSeriesWhenAskedTwice) {
  Metrics metrics;
  Counter& counter = metrics.counter("a", "", "x=\"1\"");

  EXPECT_EQ(&metrics.counter("a", "", "x=\"1\""), &counter);
  EXPECT_NE(&metrics.counter("a", "", "x=\"2\""), &counter);
  EXPECT_EQ(&metrics.gauge("g", ""), &metrics.gauge("g", ""));
  EXPECT_EQ(&metrics.histogram("h", ""), &metrics.histogram("h", ""));
}

TEST(Gauge, GoesUpAndDown) {
  Gauge gauge;
  gauge.add(5);
  gauge.add(-2);

  EXPECT_EQ(gauge.value(), 3);
}

TEST(Histogram, CountsUpwardsInDoublingBuckets) {
  Metrics metrics;
  Histogram& seconds = metrics.histogram("t_seconds", "how long", R"(verb="GET")");
  for (const double value : {0.00005, 0.0001, 0.00015, 1.0, 1e6}) {
    seconds.observe(value);
  }
  const std::string text = metrics.text();

  EXPECT_THAT(text, HasSubstr("# TYPE t_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{verb=\"GET\",le=\"0.0001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{verb=\"GET\",le=\"0.0002\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{verb=\"GET\",le=\"1.6384\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{verb=\"GET\",le=\"52.4288\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{verb=\"GET\",le=\"+Inf\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_count{verb=\"GET\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_sum{verb=\"GET\"} 1000001.0003\n"));
}

TEST(Histogram, HasNoCommaBeforeItsOnlyLabel) {
  Metrics metrics;
  metrics.histogram("t", "").observe(0);

  EXPECT_THAT(metrics.text(), HasSubstr("t_bucket{le=\"0.0001\"} 1\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("t_count 1\n"));
}

}  // namespace
}  // namespace tetrarch
