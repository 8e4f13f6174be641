// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/process_spec.h"

#include <gmock/gmock.h>

namespace tetrarch::agent::runtime {
namespace {

using testing::HasSubstr;

constexpr std::string_view kSpec =
    R"({"process":{"user":{"uid":7},"args":["/old"],"env":["A=b"],"cwd":"/srv"},"root":{}})";

TEST(ProcessSpec, KeepsTheContainersUserAndReplacesItsArguments) {
  const auto spec = process_spec(kSpec, {"/bin/echo", "hi \"you\""}, false);

  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(*spec, HasSubstr(R"("user":{"uid":7})"));
  EXPECT_THAT(*spec, HasSubstr(R"("args":["/bin/echo","hi \"you\""])"));
  EXPECT_THAT(*spec, HasSubstr(R"("terminal":false)"));
  EXPECT_THAT(*spec, HasSubstr(R"("env":["A=b"])"));
}

TEST(ProcessSpec, GivesATerminalATermVariable) {
  EXPECT_THAT(*process_spec(kSpec, {"sh"}, true), HasSubstr(R"("env":["A=b","TERM=xterm"])"));
}

TEST(ProcessSpec, RefusesASpecificationWithoutProcess) {
  EXPECT_FALSE(process_spec("{}", {"sh"}, false).ok());
  EXPECT_FALSE(process_spec("", {"sh"}, false).ok());
}

}  // namespace
}  // namespace tetrarch::agent::runtime
