// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/names.h"

#include <array>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::distribution {
namespace {

const std::string kHex(64, 'a');

TEST(Names, OfRepositoriesAreLowerCaseComponents) {
  for (const auto* good : {"a", "a/b", "a.b_c__d-e---f/0", "registry.example/team/app"}) {
    EXPECT_TRUE(is_repository_path(good)) << good;
  }
  for (const auto* bad :
       {"", "/a", "a/", "a//b", "A", "a..b", "a___b", "-a", "a-", "a._b", "a:b", "a b", "ä"}) {
    EXPECT_FALSE(is_repository_path(bad)) << bad;
  }
  EXPECT_FALSE(is_repository_path(std::string(256, 'a')));
}

TEST(Names, OfTagsAndDigests) {
  EXPECT_TRUE(is_tag("1"));
  EXPECT_TRUE(is_tag("_V1.2-rc"));
  EXPECT_FALSE(is_tag(""));
  EXPECT_FALSE(is_tag(".1"));
  EXPECT_FALSE(is_tag("a/b"));
  EXPECT_FALSE(is_tag(std::string(129, 'a')));
  EXPECT_TRUE(is_digest("sha256:" + kHex));
  EXPECT_FALSE(is_digest("sha256:" + kHex + "a"));
  EXPECT_FALSE(is_digest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(is_digest("sha512:" + kHex));
}

struct RepositoryRow {
  std::string_view name;
  std::string_view path;
  std::string_view ns;
  std::string_view meant;
};

void PrintTo(const RepositoryRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRepositories = std::to_array<RepositoryRow>({
    {"as_pushed", "app", "", "app"},
    {"asked_by_containerd_for_a_short_name", "library/app", "docker.io", "app"},
    {"written_out", "docker.io/library/app", "", "app"},
    {"of_a_team", "team/app", "docker.io", "team/app"},
    {"a_folder_called_library", "library/team/app", "docker.io", "library/team/app"},
    {"of_another_registry", "team/app", "registry.example:5000", "registry.example:5000/team/app"},
    {"of_another_registry_in_the_path", "registry.example/app", "", "registry.example/app"},
    {"of_ourselves", "app", "10.0.0.1:6443", "app"},
});

class RepositoryTest : public testing::TestWithParam<RepositoryRow> {};

TEST_P(RepositoryTest, IsOneNameHoweverItIsAskedFor) {
  const auto& row = GetParam();
  EXPECT_EQ(repository_of(row.path, row.ns, {"10.0.0.1:6443"}), row.meant);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         RepositoryTest,
                         testing::ValuesIn(kRepositories),
                         [](const auto& r) { return std::string(r.param.name); });

TEST(Reference, IsReadAsDockerReadsIt) {
  const auto read = [](std::string_view text) {
    const auto out = parse_reference(text);
    return out.ok() ? out->host + "|" + out->path + "|" + out->tag + "|" + out->digest : "refused";
  };
  EXPECT_EQ(read("app"), "|app|latest|");
  EXPECT_EQ(read("app:1"), "|app|1|");
  EXPECT_EQ(read("team/app:1"), "|team/app|1|");
  EXPECT_EQ(read("registry.example:5000/app:1"), "registry.example:5000|app|1|");
  EXPECT_EQ(read("localhost/app"), "localhost|app|latest|");
  EXPECT_EQ(read("app@sha256:" + kHex), "|app||sha256:" + kHex);
  for (const auto* bad :
       {"", ":1", "App", "app:", "app:/", "app@sha256:1", "registry.example:5000/"}) {
    EXPECT_EQ(read(bad), "refused") << bad;
  }
}

TEST(Names, OfObjectsAreReadableAndDiffer) {
  EXPECT_THAT(image_name("team/App", "1.0_x"), testing::StartsWith("team-app-1-0-x-"));
  EXPECT_NE(image_name("a", "b"), image_name("a-b", ""));
  EXPECT_NE(image_name("a", "A"), image_name("a", "a"));
  EXPECT_EQ(blob_name("sha256:" + kHex), "sha256-" + kHex);
  EXPECT_NE(manifest_name("a", "sha256:" + kHex), manifest_name("b", "sha256:" + kHex));
  EXPECT_LE(image_name(std::string(255, 'a'), std::string(128, 't')).size(), 63U);
}

}  // namespace
}  // namespace tetrarch::api::distribution
