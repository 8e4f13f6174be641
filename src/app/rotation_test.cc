// SPDX-License-Identifier: Apache-2.0
#include "app/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust/ca.h"

namespace tetrarch::app {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

class RotationTest : public testing::Test {
 protected:
  /// Issues certificates that last so long, as of now_.
  Rotation::Issue issue(seconds validity) {
    return [this, validity]() -> Result<std::string> {
      if (is_broken_) {
        return Error{Code::unavailable, "no space left"};
      }
      ++issued_;
      TRY(const auto pair, ca_.issue_client({"a", {}}, now_, validity));
      return pair.certificate_pem + ca_.certificate_pem();
    };
  }

  trust::CertificateAuthority ca_ = *trust::CertificateAuthority::create("ca", kNow);
  TimePoint now_ = kNow;
  int issued_ = 0;
  bool is_broken_ = false;
  Rotation rotation_;
};

TEST_F(RotationTest, ReplacesWhatIsPastTwoThirdsOfItsLife) {
  ASSERT_TRUE(rotation_.add("a year's", issue(trust::kCertificateValidity)).ok());
  ASSERT_EQ(issued_, 1);

  for (const auto& [day, issued] : {std::pair(1, 1), {182, 1}, {243, 1}, {244, 2}, {400, 2}}) {
    now_ = kNow + hours(24 * day);
    rotation_.look(now_);
    EXPECT_EQ(issued_, issued) << day;
  }
}

TEST_F(RotationTest, NoticesAClockThatWasSetOrAMachineThatSlept) {
  ASSERT_TRUE(rotation_.add("a year's", issue(trust::kCertificateValidity)).ok());

  EXPECT_EQ(rotation_.pause(now_), hours(1));

  now_ += hours(24 * 500);
  rotation_.look(now_);
  EXPECT_EQ(issued_, 2);
  EXPECT_EQ(rotation_.pause(now_), hours(1));
}

TEST_F(RotationTest, LooksInTimeAtShortOnes) {
  ASSERT_TRUE(rotation_.add("a year's", issue(trust::kCertificateValidity)).ok());
  ASSERT_TRUE(rotation_.add("a minute's", issue(seconds(60))).ok());

  EXPECT_EQ(rotation_.pause(now_), seconds(40));

  now_ += seconds(40);
  rotation_.look(now_);
  EXPECT_EQ(issued_, 3);
}

TEST_F(RotationTest, TriesAgainWhatFailed) {
  ASSERT_TRUE(rotation_.add("an hour's", issue(hours(1))).ok());
  is_broken_ = true;
  now_ += seconds(3000);
  rotation_.look(now_);
  EXPECT_EQ(issued_, 1);
  EXPECT_EQ(rotation_.pause(now_), seconds(15));

  is_broken_ = false;
  rotation_.look(now_);

  EXPECT_EQ(issued_, 2);
  is_broken_ = true;
  EXPECT_EQ(rotation_.add("none", issue(hours(1))).error().message, "no space left");
}

}  // namespace
}  // namespace tetrarch::app
