// SPDX-License-Identifier: Apache-2.0
#include "agent/image_mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

TEST(ImageMirror, StandsBeforeOtherMirrorsInContainerdsSettings) {
  EXPECT_EQ(hosts_file(4711, "w\"ord", {"https://mirror.example", "http://cache:5000"}),
            "# Written by tetrarch at each start of its agent.\n"
            "[host.\"http://127.0.0.1:4711\"]\n"
            "  capabilities = [\"pull\", \"resolve\"]\n"
            "  [host.\"http://127.0.0.1:4711\".header]\n"
            "    X-Tetrarch-Mirror = \"w\\\"ord\"\n"
            "[host.\"https://mirror.example\"]\n"
            "  capabilities = [\"pull\", \"resolve\"]\n"
            "[host.\"http://cache:5000\"]\n"
            "  capabilities = [\"pull\", \"resolve\"]\n");
}

}  // namespace
}  // namespace tetrarch::agent
