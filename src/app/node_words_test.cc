// SPDX-License-Identifier: Apache-2.0
#include "app/node_words.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

struct StateRow {
  std::string conditions;
  std::string spec;
  std::string state;
};

TEST(NodeWords, SayHowANodeIs) {
  const StateRow rows[] = {
      {R"({"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"})",
       "",
       "Ready"},
      {R"({"type":"Ready","status":"False"})", "", "NotReady"},
      {R"({"type":"Ready","status":"Unknown"})", "", "Unreachable"},
      {"", "", "Unreachable"},
      {R"({"type":"Ready","status":"True"})", R"("unschedulable":true)", "Ready,cordoned"},
  };
  for (const auto& row : rows) {
    const auto node = Document::parse(fmt::format(
        R"({{"spec":{{{}}},"status":{{"conditions":[{}]}}}})", row.spec, row.conditions));
    EXPECT_EQ(state_of(views::NodeView((*node)->root())), row.state) << row.conditions;
  }
}

TEST(NodeWords, SayItsAddress) {
  const auto node = Document::parse(R"({"status":{"addresses":[{"type":"Hostname","address":"a"},)"
                                    R"({"type":"InternalIP","address":"192.0.2.1"}]}})");
  EXPECT_EQ(address_of(views::NodeView((*node)->root())), "192.0.2.1");
}

}  // namespace
}  // namespace tetrarch::app
