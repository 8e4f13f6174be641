// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/process.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RunProcess, GivesBackTheExitCodeAndWhatWasPrinted) {
  const auto ran = run_process({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(ran.ok());
  EXPECT_EQ(ran->exit_code, 3);
  EXPECT_EQ(ran->output, "out\nerr\n");
}

TEST(RunProcess, SaysWhatCannotBeStarted) {
  const auto ran = run_process({"/no/such/program"});
  ASSERT_FALSE(ran.ok());
  EXPECT_THAT(ran.error().message, HasSubstr("cannot start /no/such/program"));
}

TEST(RunProcess, KeepsFromChildrenWhatSystemdTellsTheServiceAlone) {
  ::setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
  ::setenv("WATCHDOG_USEC", "1000", 1);
  ::setenv("NOTIFY_SOCKETS_OF_OURS", "kept", 1);

  const auto ran = run_process({"env"});

  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  ::unsetenv("NOTIFY_SOCKETS_OF_OURS");
  ASSERT_TRUE(ran.ok());
  EXPECT_THAT(ran->output, Not(HasSubstr("NOTIFY_SOCKET=")));
  EXPECT_THAT(ran->output, Not(HasSubstr("WATCHDOG_USEC=")));
  EXPECT_THAT(ran->output, HasSubstr("NOTIFY_SOCKETS_OF_OURS=kept"));
  EXPECT_THAT(ran->output, HasSubstr("PATH="));
}

}  // namespace
}  // namespace tetrarch::agent::runtime
