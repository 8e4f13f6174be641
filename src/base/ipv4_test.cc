// SPDX-License-Identifier: Apache-2.0
#include "base/ipv4.h"

#include <gtest/gtest.h>

namespace tetrarch {
namespace {

TEST(Ipv4, ReadsAndPrintsAddresses) {
  for (const auto* text : {"0.0.0.0", "10.42.0.1", "255.255.255.255"}) {
    const auto address = parse_ipv4(text);

    ASSERT_TRUE(address) << text;
    EXPECT_EQ(ipv4_text(*address), text);
  }
}

TEST(Ipv4, RefusesWhatIsNoAddress) {
  for (const auto* text : {"",
                           "1",
                           "1.2.3",
                           "1.2.3.",
                           "1.2.3.4.",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.-4",
                           "1.2.3.4 ",
                           "a.b.c.d",
                           "1..2.3",
                           "::1"}) {
    EXPECT_FALSE(parse_ipv4(text)) << text;
  }
}

TEST(Ipv4Range, KnowsWhatItHolds) {
  const auto range = Ipv4Range::parse("10.42.0.0/16");

  ASSERT_TRUE(range.ok());
  EXPECT_TRUE(range->contains(*parse_ipv4("10.42.255.255")));
  EXPECT_FALSE(range->contains(*parse_ipv4("10.43.0.0")));
  EXPECT_EQ(range->size(), 65536U);
  EXPECT_EQ(ipv4_text(range->at(10)), "10.42.0.10");
  EXPECT_EQ(range->text(), "10.42.0.0/16");
}

TEST(Ipv4Range, WorksAtBothEnds) {
  const auto all = Ipv4Range::parse("0.0.0.0/0");
  const auto one = Ipv4Range::parse("10.0.0.7/32");

  ASSERT_TRUE(all.ok() && one.ok());
  EXPECT_EQ(all->size(), std::uint64_t{1} << 32);
  EXPECT_TRUE(all->contains(0xffffffff));
  EXPECT_EQ(one->size(), 1U);
  EXPECT_TRUE(one->contains(one->base));
}

struct OverlapRow {
  std::string_view a;
  std::string_view b;
  bool overlaps;
};

TEST(Ipv4Range, OverlapsWhenOneHoldsTheOther) {
  for (const OverlapRow& row : {OverlapRow{"10.0.0.0/8", "10.42.0.0/16", true},
                                OverlapRow{"10.42.0.0/16", "10.43.0.0/16", false},
                                OverlapRow{"10.42.0.0/16", "10.42.0.0/16", true}}) {
    const auto a = *Ipv4Range::parse(row.a);
    const auto b = *Ipv4Range::parse(row.b);

    EXPECT_EQ(a.overlaps(b), row.overlaps) << row.a << " and " << row.b;
    EXPECT_EQ(b.overlaps(a), row.overlaps) << row.b << " and " << row.a;
  }
}

TEST(Ipv4Range, SaysWhatIsWrong) {
  EXPECT_EQ(Ipv4Range::parse("10.42.0.1/16").error().message,
            "\"10.42.0.1/16\" is an address, not a range; its range is 10.42.0.0/16");
  for (const auto* text :
       {"", "10.42.0.0", "10.42.0.0/33", "10.42.0.0/x", "10.42/16", "/16", "x/8", "10.0.0.0/8x"}) {
    EXPECT_FALSE(Ipv4Range::parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace tetrarch
