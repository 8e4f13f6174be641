// SPDX-License-Identifier: Apache-2.0
#include "app/node_certificate.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "app/machine.h"

namespace tetrarch::app {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr TimePoint kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

class NodeCertificate : public testing::Test {
 protected:
  NodeCertificate() {
    config_.data_dir = testing::TempDir() + "node_certificate";
    std::filesystem::remove_all(config_.data_dir);
    std::filesystem::create_directories(JoinFiles(config_).folder);
  }

  ~NodeCertificate() override { std::filesystem::remove_all(config_.data_dir); }

  static trust::KeyPair a_pair() {
    const auto ca = *trust::CertificateAuthority::create("ca", kNow);
    return *ca.issue_client({"system:node:n1", {"system:nodes"}}, kNow, hours(3));
  }

  Config config_;
};

TEST_F(NodeCertificate, IsRenewedAtTwoThirdsOfWhatWasAskedFor) {
  const auto info = *trust::read_certificate(a_pair().certificate_pem);

  EXPECT_EQ(renewal_time(info), kNow + hours(2));
}

TEST_F(NodeCertificate, IsKeptWithItsKeyInOneFile) {
  const JoinFiles files(config_);
  EXPECT_FALSE(read_pair(files)->has_value());
  const auto pair = a_pair();

  ASSERT_TRUE(write_pair(files, pair).ok());

  const auto kept = *read_pair(files);
  EXPECT_EQ(kept->certificate_pem, pair.certificate_pem);
  EXPECT_EQ(kept->key_pem, pair.key_pem);
  EXPECT_TRUE(trust::is_pair(*kept));
}

TEST_F(NodeCertificate, TakesOverTheFilesOfEarlierVersions) {
  const JoinFiles files(config_);
  const auto pair = a_pair();
  ASSERT_TRUE(write_private_file(files.old_certificate(), pair.certificate_pem).ok());
  ASSERT_TRUE(write_private_file(files.old_key(), pair.key_pem).ok());
  ASSERT_EQ((*read_pair(files))->key_pem, pair.key_pem);

  ASSERT_TRUE(write_pair(files, pair).ok());

  EXPECT_FALSE(std::filesystem::exists(files.old_certificate()));
  EXPECT_FALSE(std::filesystem::exists(files.old_key()));
  EXPECT_EQ((*read_pair(files))->key_pem, pair.key_pem);
}

TEST_F(NodeCertificate, ThatHasEndedIsGotAnewByATokenOnly) {
  const auto pair = std::optional(a_pair());
  const auto end = kNow + hours(3);

  EXPECT_EQ(needs_to_join(std::nullopt, "", kNow).value_or(false), true);
  for (const auto* token : {"", "tetrarch1.x"}) {
    EXPECT_EQ(needs_to_join(pair, token, end - seconds(1)).value_or(true), false) << token;
  }
  EXPECT_EQ(needs_to_join(pair, "tetrarch1.x", end).value_or(false), true);
  EXPECT_EQ(needs_to_join(pair, "", end).error().message,
            "the node's certificate has ended: start once with --token (tetrarch token create)");
}

TEST_F(NodeCertificate, AFileWithoutAKeyIsToldAbout) {
  const JoinFiles files(config_);
  ASSERT_TRUE(write_private_file(files.client(), a_pair().certificate_pem).ok());

  EXPECT_EQ(read_pair(files).error().message, files.client().string() + " has no private key");
}

}  // namespace
}  // namespace tetrarch::app
