// SPDX-License-Identifier: Apache-2.0
#include "agent/image_mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

TEST(ImageMirror, StandsBeforeOtherMirrorsInContainerdsSettings) {
  EXPECT_EQ(
      hosts_file(4711, "w\"ord", {{"https://mirror.example", "Basic YTpi"}, {"http://cache:5000"}}),
      "# Written by tetrarch at each start of its agent.\n"
      "[host.\"http://127.0.0.1:4711\"]\n"
      "  capabilities = [\"pull\", \"resolve\"]\n"
      "  [host.\"http://127.0.0.1:4711\".header]\n"
      "    X-Tetrarch-Mirror = \"w\\\"ord\"\n"
      "[host.\"https://mirror.example\"]\n"
      "  capabilities = [\"pull\", \"resolve\"]\n"
      "  [host.\"https://mirror.example\".header]\n"
      "    Authorization = \"Basic YTpi\"\n"
      "[host.\"http://cache:5000\"]\n"
      "  capabilities = [\"pull\", \"resolve\"]\n");
}

TEST(ImageMirror, KnowsBlobsFromWhatItPassesOn) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  net::Request request;
  request.method = "GET";
  request.path = "/v2/team/app/blobs/" + digest;
  request.query = "ns=docker.io";
  const auto whole = blob_request(request);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->target, request.path + "?ns=docker.io");
  EXPECT_EQ(whole->digest, digest);
  EXPECT_EQ(whole->begin, 0);
  request.headers.add("Range", "bytes=17-");
  EXPECT_EQ(blob_request(request)->begin, 17);

  auto other = request;
  other.method = "HEAD";
  EXPECT_FALSE(blob_request(other));
  other = request;
  other.path = "/v2/team/app/manifests/1";
  EXPECT_FALSE(blob_request(other));
  other.path = "/v2/team/app/blobs/sha256:1";
  EXPECT_FALSE(blob_request(other));
}

}  // namespace
}  // namespace tetrarch::agent
