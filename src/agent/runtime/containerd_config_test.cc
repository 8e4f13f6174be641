// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/containerd_config.h"

#include <gmock/gmock.h>

namespace tetrarch::agent::runtime {
namespace {

using testing::HasSubstr;

ContainerdSettings settings() {
  ContainerdSettings out;
  out.root = "/data/root";
  out.state = "/run/x";
  out.socket = "/run/x.sock";
  out.pause_image = "tetrarch.dev/pause:1";
  out.cni_bin_directory = "/usr/lib/cni";
  out.cni_conf_directory = "/data/cni";
  out.registry_directory = "/data/registries";
  return out;
}

TEST(ContainerdConfig, NamesItsOwnPlacesAndImage) {
  const auto text = containerd_config(settings());

  EXPECT_THAT(text, HasSubstr("root = \"/data/root\"\nstate = \"/run/x\"\n"));
  EXPECT_THAT(text, HasSubstr("address = \"/run/x.sock\""));
  EXPECT_THAT(text, HasSubstr("sandbox_image = \"tetrarch.dev/pause:1\""));
  EXPECT_THAT(text, HasSubstr("conf_dir = \"/data/cni\""));
}

TEST(ContainerdConfig, RestrictsOomScoresOnlyWithoutTheCapability) {
  auto given = settings();
  EXPECT_THAT(containerd_config(given), HasSubstr("restrict_oom_score_adj = false"));

  given.may_lower_oom_score = false;
  EXPECT_THAT(containerd_config(given), HasSubstr("restrict_oom_score_adj = true"));
}

TEST(ContainerdConfig, QuotesPathsWithSpecialCharacters) {
  auto given = settings();
  given.root = "/data/with \"quotes\" and \\";

  EXPECT_THAT(containerd_config(given), HasSubstr("root = \"/data/with \\\"quotes\\\" and \\\\\""));
}

TEST(MayLowerOomScore, ReadsBit24OfTheEffectiveSet) {
  EXPECT_TRUE(may_lower_oom_score("Name:\tx\nCapEff:\t000001ffffffffff\n"));
  EXPECT_FALSE(may_lower_oom_score("Name:\tx\nCapEff:\t00000000feffffff\n"));
  EXPECT_FALSE(may_lower_oom_score("Name:\tx\n"));
}

}  // namespace
}  // namespace tetrarch::agent::runtime
