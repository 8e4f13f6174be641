// SPDX-License-Identifier: Apache-2.0
#include "app/leave.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/machine.h"
#include "app/node_certificate.h"

namespace tetrarch::app {
namespace {

using testing::HasSubstr;

constexpr TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

class LeaveTest : public testing::Test {
 protected:
  LeaveTest() {
    config_.data_dir = testing::TempDir() + "leave";
    std::filesystem::remove_all(config_.data_dir);
    std::filesystem::create_directories(JoinFiles(config_).folder);
  }

  ~LeaveTest() override { std::filesystem::remove_all(config_.data_dir); }

  /// As a machine has them that joined under this identity.
  void join_as(const std::string& user) {
    const JoinFiles files(config_);
    const auto ca = *trust::CertificateAuthority::create("ca", kNow);
    ASSERT_TRUE(write_pair(files, *ca.issue_client({user, {"system:nodes"}}, kNow)).ok());
    ASSERT_TRUE(write_private_file(files.ca(), ca.certificate_pem()).ok());
  }

  std::string refusal() const {
    const auto prepared = Leave::prepare(config_);
    return prepared.ok() ? "" : prepared.error().message;
  }

  Config config_;
};

TEST_F(LeaveTest, NeedsAMachineThatHasJoined) {
  EXPECT_THAT(refusal(), HasSubstr("has joined no cluster"));
}

TEST_F(LeaveTest, NeedsToKnowWhereTheServerIs) {
  join_as("system:node:n1");
  EXPECT_THAT(refusal(), HasSubstr("--server https://HOST:PORT"));

  ASSERT_TRUE(write_private_file(JoinFiles(config_).server(), "https://10.0.0.1:6443").ok());
  EXPECT_EQ(refusal(), "");
}

TEST_F(LeaveTest, IsForNodesOnly) {
  join_as("ann");

  EXPECT_THAT(refusal(), HasSubstr("is of ann, not of a node"));
}

}  // namespace
}  // namespace tetrarch::app
