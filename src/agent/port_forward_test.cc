// SPDX-License-Identifier: Apache-2.0
// What needs no root; the rest is tests/e2e/test_streams.py.
#include "agent/port_forward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace tetrarch::agent {
namespace {

TEST(SocketInNetwork, SaysWhyThereIsNone) {
  const auto gone = socket_in_network("/proc/0/ns/net", AF_INET);
  ASSERT_FALSE(gone.ok());
  EXPECT_THAT(gone.error().message,
              testing::HasSubstr("cannot open the pod's network /proc/0/ns/net"));

  const auto wrong = socket_in_network("/dev/null", AF_INET);
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().message, testing::HasSubstr("cannot enter the pod's network"));
}

}  // namespace
}  // namespace tetrarch::agent
