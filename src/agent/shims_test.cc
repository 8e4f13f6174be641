// SPDX-License-Identifier: Apache-2.0
// With real processes that look like shims: a shell under their name, with a child of its own.
#include "agent/shims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "agent/runtime/process.h"
#include "agent/shim_double.h"

namespace tetrarch::agent {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kSocket = "/run/tetrarch/aaaaaa/containerd.sock";

std::string line_of(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) {
    out += word;
    out += '\0';
  }
  return out;
}

TEST(ParseShim, ReadsTheCommandLineOfOneThatServes) {
  const auto shim = parse_shim(line_of({"/usr/bin/containerd-shim-runc-v2",
                                        "-namespace",
                                        "k8s.io",
                                        "-id",
                                        "abc",
                                        "-address",
                                        kSocket}),
                               kSocket);

  ASSERT_TRUE(shim);
  EXPECT_EQ(shim->ns, "k8s.io");
  EXPECT_EQ(shim->id, "abc");
  EXPECT_TRUE(shim->is_serving);
}

TEST(ParseShim, TellsThoseThatOnlyStartOrClearUp) {
  for (const auto* action : {"start", "delete"}) {
    const auto shim = parse_shim(line_of({"containerd-shim-runc-v2",
                                          "-namespace",
                                          "k8s.io",
                                          "-address",
                                          kSocket,
                                          "-publish-binary",
                                          "/usr/bin/containerd",
                                          "-id",
                                          "abc",
                                          action}),
                                 kSocket);
    ASSERT_TRUE(shim) << action;
    EXPECT_EQ(shim->id, "abc") << action;
    EXPECT_FALSE(shim->is_serving) << action;
  }
}

TEST(ParseShim, RefusesWhatIsNoShimOfThatSocket) {
  const auto of_other = line_of({"containerd-shim-runc-v2", "-id", "a", "-address", "/other.sock"});
  const auto of_longer =
      line_of({"containerd-shim-runc-v2", "-id", "a", "-address", std::string(kSocket) + ".old"});
  const auto no_shim = line_of({"grep", "containerd-shim-runc-v2", "-address", kSocket});
  const auto no_value = line_of({"containerd-shim-runc-v2", "-id", kSocket, "-address"});

  for (const auto& line : {of_other, of_longer, no_shim, no_value, std::string(), line_of({""})}) {
    EXPECT_FALSE(parse_shim(line, kSocket)) << line;
  }
}

TEST(EndShim, EndsWhatItHasStartedAndIt) {
  const ShimDouble mine("mine");
  const ShimDouble other("other");
  const auto found = find_shims(mine.socket());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].id, "mine");
  EXPECT_EQ(found[0].pid, mine.pid());

  const auto ended = end_shim(found[0], mine.socket());

  ASSERT_TRUE(ended.ok()) << ended.error().message;
  EXPECT_THAT(ended->processes, SizeIs(1));
  EXPECT_THAT(find_shims(mine.socket()), IsEmpty());
  for (const pid_t below : ended->processes) {
    EXPECT_EQ(runtime::process_start_time(below), 0);
  }
  EXPECT_THAT(find_shims(other.socket()), SizeIs(1));
}

TEST(EndShim, LeavesAnotherProcessOfThatNumberAlone) {
  const ShimDouble mine("mine");
  auto found = find_shims(mine.socket());
  ASSERT_THAT(found, SizeIs(1));
  auto earlier = found[0];
  --earlier.start_time;
  auto of_other_id = found[0];
  of_other_id.id = "other";

  for (const auto& shim : {earlier, of_other_id}) {
    const auto ended = end_shim(shim, mine.socket());
    ASSERT_TRUE(ended.ok());
    EXPECT_THAT(ended->processes, IsEmpty());
  }

  EXPECT_EQ(find_shims(mine.socket()), found);
}

TEST(KillShims, LeavesThoseOfOtherSocketsAlone) {
  const ShimDouble mine("mine");
  const ShimDouble other("other");

  kill_shims(mine.socket());

  EXPECT_THAT(find_shims(mine.socket()), IsEmpty());
  EXPECT_THAT(find_shims(other.socket()), SizeIs(1));
}

}  // namespace
}  // namespace tetrarch::agent
