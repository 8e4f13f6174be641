// SPDX-License-Identifier: Apache-2.0
#include "app/image_archive.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "trust/sha256.h"

namespace tetrarch::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string digest_of(std::string_view content) {
  return "sha256:" + trust::sha256_hex(content);
}

/// A tar entry: header, content, padding.
std::string entry(std::string_view name,
                  std::string_view content,
                  char type = '0',
                  std::string_view link = "") {
  std::string block(512, '\0');
  name.copy(block.data(), 100);
  fmt::format("{:07o}", 0644).copy(block.data() + 100, 7);
  fmt::format("{:011o}", content.size()).copy(block.data() + 124, 11);
  block.replace(148, 8, 8, ' ');
  block[156] = type;
  link.copy(block.data() + 157, 100);
  std::string_view(
      "ustar\0"
      "00",
      8)
      .copy(block.data() + 257, 8);
  unsigned sum = 0;
  for (const char c : block) {
    sum += static_cast<unsigned char>(c);
  }
  fmt::format("{:06o}", sum).copy(block.data() + 148, 6);
  block[154] = '\0';
  block += content;
  block.resize((block.size() + 511) / 512 * 512);
  return block;
}

class ImageArchiveTest : public testing::Test {
 protected:
  ~ImageArchiveTest() override { std::filesystem::remove(path_); }

  Result<std::vector<ArchivedImage>> read(std::string archive, bool has_end = true) {
    std::ofstream(path_) << archive << (has_end ? std::string(1024, '\0') : std::string());
    TRY(const auto index, TarIndex::open(path_));
    return read_image_archive(index);
  }

  std::string words(std::string archive, bool has_end = true) {
    const auto out = read(std::move(archive), has_end);
    return out.ok() ? "ok" : out.error().message;
  }

  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("archive-" + make_suffix(system_random(), 10)))
          .string();
};

std::string blob(std::string_view content) {
  return entry("blobs/sha256/" + trust::sha256_hex(content), content);
}

std::string describe(std::string_view content, std::string_view more = "") {
  return fmt::format(R"({{"digest":"{}","size":{}{}}})", digest_of(content), content.size(), more);
}

std::string manifest_of(std::string_view layer) {
  return fmt::format(
      R"({{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}})",
      describe("config"),
      describe(layer));
}

TEST_F(ImageArchiveTest, ReadsALayoutWithItsName) {
  const auto manifest = manifest_of("layer");
  const auto index = fmt::format(
      R"({{"manifests":[{}]}})",
      describe(manifest,
               R"(,"annotations":{"io.containerd.image.name":"docker.io/library/app:1"})"));

  const auto images =
      read(entry("index.json", index) + blob("config") + blob("layer") + blob(manifest));

  ASSERT_TRUE(images.ok()) << images.error().message;
  ASSERT_THAT(*images, SizeIs(1));
  const auto& image = images->front();
  EXPECT_THAT(image.names, ElementsAre("docker.io/library/app:1"));
  ASSERT_THAT(image.blobs, SizeIs(2));
  EXPECT_EQ(image.blobs[1].digest, digest_of("layer"));
  EXPECT_EQ(image.blobs[1].where.size, 5U);
  EXPECT_EQ(image.manifests.back().content, manifest);
}

TEST_F(ImageArchiveTest, ReadsAnIndexWithTheManifestsThatAreThere) {
  const auto mine = manifest_of("layer");
  const auto image_index = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{},{}]}})",
      describe(mine),
      describe("of another machine"));
  const auto index = fmt::format(R"({{"manifests":[{}]}})", describe(image_index));

  const auto images = read(entry("index.json", index) + blob("config") + blob("layer") +
                           blob(mine) + blob(image_index));

  ASSERT_TRUE(images.ok()) << images.error().message;
  ASSERT_THAT(images->front().manifests, SizeIs(2));
  EXPECT_EQ(images->front().manifests[0].digest, digest_of(mine));
  EXPECT_EQ(images->front().manifests[1].content, image_index);
  EXPECT_FALSE(images->front().manifests[0].is_sparse);
  EXPECT_TRUE(images->front().manifests[1].is_sparse);
}

TEST_F(ImageArchiveTest, MakesAManifestForWhatDockerSaved) {
  const auto list =
      R"([{"Config":"c.json","RepoTags":["app:1","app:2"],"Layers":["a/layer.tar","b/layer.tar"]}])";

  const auto images =
      read(entry("manifest.json", list) + entry("c.json", "config") + entry("a/layer.tar", "one") +
           entry("b/layer.tar", "", '2', "../a/layer.tar"));

  ASSERT_TRUE(images.ok()) << images.error().message;
  const auto& image = images->front();
  EXPECT_THAT(image.names, ElementsAre("app:1", "app:2"));
  EXPECT_THAT(image.blobs, SizeIs(2)) << "two layers that are the same are one blob";
  EXPECT_THAT(
      image.manifests.back().content,
      HasSubstr(
          R"("mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":3,"digest":")" +
          digest_of("one")));
}

TEST_F(ImageArchiveTest, FollowsLongNames) {
  const std::string name(150, 'n');
  const auto list = fmt::format(R"([{{"Config":"{}","RepoTags":[],"Layers":[]}}])", name);
  const auto record = fmt::format("{} path={}\n", name.size() + 10, name);
  for (const auto& head : {entry("././@LongLink", name + std::string(1, '\0'), 'L'),
                           entry("PaxHeaders", record, 'x')}) {
    const auto images = read(entry("manifest.json", list) + head + entry("short", "config"));
    ASSERT_TRUE(images.ok()) << images.error().message;
    EXPECT_EQ(images->front().blobs[0].digest, digest_of("config"));
  }
}

TEST_F(ImageArchiveTest, SaysWhatIsWrong) {
  EXPECT_THAT(words("no archive at all" + std::string(1000, 'x')), HasSubstr("no tar archive"));
  EXPECT_THAT(words(entry("a", std::string(2000, 'x')).substr(0, 600), false),
              HasSubstr("breaks off"));
  EXPECT_THAT(words(entry("a", "b")), HasSubstr("neither index.json nor manifest.json"));
  EXPECT_THAT(words(entry("index.json", "{}")), HasSubstr("no image"));
  const auto list = R"([{"Config":"c.json","Layers":[]}])";
  EXPECT_THAT(words(entry("manifest.json", list)), HasSubstr("c.json is missing"));
  const auto index = fmt::format(R"({{"manifests":[{}]}})", describe(manifest_of("layer")));
  EXPECT_THAT(words(entry("index.json", index) + blob(manifest_of("layer"))),
              HasSubstr("is missing in the archive"));
  EXPECT_THAT(TarIndex::open("/nowhere.tar").error().message, HasSubstr("No such file"));
}

}  // namespace
}  // namespace tetrarch::app
