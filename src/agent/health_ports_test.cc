// SPDX-License-Identifier: Apache-2.0
#include "agent/health_ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

TEST(HealthAnswer, IsWhatLoadBalancersKnow) {
  EXPECT_EQ(health_answer("shop/web", 2, true).body,
            "{\n\t\"service\": {\n\t\t\"namespace\": \"shop\",\n\t\t\"name\": \"web\"\n\t},\n"
            "\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}");
  EXPECT_EQ(health_answer("shop/web", 2, true).status, 200);
  EXPECT_EQ(health_answer("shop/web", 0, true).status, 503);
  EXPECT_EQ(health_answer("shop/web", 2, false).status, 503) << "packets may lead elsewhere";
}

}  // namespace
}  // namespace tetrarch::agent
