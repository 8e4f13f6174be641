// SPDX-License-Identifier: Apache-2.0
// Paths, manifests and ranges.
#include <array>
#include <ostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/distribution/errors.h"
#include "api/distribution/manifest.h"
#include "api/distribution/ranges.h"
#include "api/distribution/route.h"

namespace tetrarch::api::distribution {
namespace {

struct RouteRow {
  std::string_view path;
  Endpoint endpoint;
  std::string_view repository;
  std::string_view rest;
};

constexpr auto kRoutes = std::to_array<RouteRow>({
    {"/v2", Endpoint::base, "", ""},
    {"/v2/", Endpoint::base, "", ""},
    {"/v2/_catalog", Endpoint::catalog, "", ""},
    {"/v2/a/tags/list", Endpoint::tags, "a", ""},
    {"/v2/a/b/manifests/1", Endpoint::manifest, "a/b", "1"},
    {"/v2/a/manifests/sha256:1", Endpoint::manifest, "a", "sha256:1"},
    {"/v2/a/blobs/sha256:1", Endpoint::blob, "a", "sha256:1"},
    {"/v2/a/blobs/uploads", Endpoint::uploads, "a", ""},
    {"/v2/a/blobs/uploads/", Endpoint::uploads, "a", ""},
    {"/v2/a/blobs/uploads/1-2", Endpoint::upload, "a", "1-2"},
    {"/v2/manifests/manifests/1", Endpoint::manifest, "manifests", "1"},
    {"/v2/a/manifests/", Endpoint::none, "a", ""},
    {"/v2/a/blobs/", Endpoint::none, "a", ""},
    {"/v2/a", Endpoint::none, "", ""},
    {"/api/v1", Endpoint::none, "", ""},
});

TEST(Route, IsFoundByThePath) {
  for (const auto& row : kRoutes) {
    const auto found = find_route(row.path);
    EXPECT_EQ(found.endpoint, row.endpoint) << row.path;
    EXPECT_EQ(found.path, row.repository) << row.path;
    EXPECT_EQ(found.rest, row.rest) << row.path;
  }
  EXPECT_FALSE(is_distribution_path("/v2x"));
  EXPECT_FALSE(is_distribution_path("/api/v2/"));
}

struct RangeRow {
  std::string_view header;
  RangeAnswer answer;
};

TEST(Range, IsOneOfBytes) {
  const RangeRow rows[] = {
      {"", {}},
      {"bytes=0-9", {false, ByteRange{0, 10}}},
      {"bytes=90-", {false, ByteRange{90, 100}}},
      {"bytes=90-1000", {false, ByteRange{90, 100}}},
      {"bytes=-10", {false, ByteRange{90, 100}}},
      {"bytes=-1000", {false, ByteRange{0, 100}}},
      {"bytes=100-", {true}},
      {"bytes=-0", {true}},
      {"bytes=9-1", {}},
      {"bytes=-", {}},
      {"bytes=a-b", {}},
      {"bytes=0-1,3-4", {}},
      {"lines=0-1", {}},
  };
  for (const auto& row : rows) {
    const auto answer = parse_range(row.header, 100);
    EXPECT_EQ(answer.is_unsatisfiable, row.answer.is_unsatisfiable) << row.header;
    EXPECT_EQ(answer.part, row.answer.part) << row.header;
  }
}

constexpr std::string_view kOci = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kList = "application/vnd.docker.distribution.manifest.list.v2+json";

std::string descriptor(std::string_view type, std::string_view more = "") {
  return R"({"mediaType":")" + std::string(type) + R"(","digest":"sha256:)" + std::string(64, 'a') +
         R"(","size":7)" + std::string(more) + "}";
}

TEST(Manifest, NamesItsBlobs) {
  const auto content =
      R"({"schemaVersion":2,"config":)" + descriptor("c") + R"(,"layers":[)" + descriptor("l") +
      "," + descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") + "]}";

  const auto manifest = parse_manifest(content, kOci);

  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  EXPECT_EQ(manifest->media_type, kOci);
  ASSERT_EQ(manifest->blobs.size(), 2U) << "a foreign layer is not kept here";
  EXPECT_EQ(manifest->blobs[1].size_bytes, 7);
  EXPECT_TRUE(manifest->manifests.empty());
}

TEST(Manifest, OfAnIndexNamesManifests) {
  const auto content = R"({"schemaVersion":2,"mediaType":")" + std::string(kList) +
                       R"(","manifests":[)" + descriptor(kOci) + "]}";

  const auto manifest = parse_manifest(content, "application/json; charset=utf-8");

  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  EXPECT_EQ(manifest->manifests.size(), 1U);
}

struct BadManifest {
  std::string_view name;
  std::string content;
  std::string_view type;
};

TEST(Manifest, ThatIsNoneIsRefused) {
  const std::string whole =
      R"({"schemaVersion":2,"config":)" + descriptor("c") + R"(,"layers":[]})";
  const BadManifest rows[] = {
      {"no_json", "{", kOci},
      {"no_object", "[]", kOci},
      {"unknown_type", whole, "text/plain"},
      {"two_types", R"({"mediaType":")" + std::string(kList) + R"("})", kOci},
      {"schema_1", R"({"schemaVersion":1})", kOci},
      {"no_config", R"({"schemaVersion":2,"layers":[]})", kOci},
      {"no_layers", R"({"schemaVersion":2,"config":)" + descriptor("c") + "}", kOci},
      {"bad_digest",
       R"({"schemaVersion":2,"config":{"digest":"sha256:1","size":1},"layers":[]})",
       kOci},
      {"no_size",
       R"({"schemaVersion":2,"config":{"digest":"sha256:)" + std::string(64, 'a') +
           R"("},"layers":[]})",
       kOci},
      {"index_without_manifests", R"({"schemaVersion":2})", kList},
  };
  ASSERT_TRUE(parse_manifest(whole, kOci).ok());
  for (const auto& row : rows) {
    EXPECT_FALSE(parse_manifest(row.content, row.type).ok()) << row.name;
  }
}

TEST(Errors, AreWhatClientsRead) {
  EXPECT_EQ(error_text(kBlobUnknown, "no \"x\""),
            R"({"errors":[{"code":"BLOB_UNKNOWN","message":"no \"x\""}]})");
}

}  // namespace
}  // namespace tetrarch::api::distribution
