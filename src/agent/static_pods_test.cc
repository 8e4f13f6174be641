// SPDX-License-Identifier: Apache-2.0
#include "agent/static_pods.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace tetrarch::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const TimePoint kSeen{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

const schema::Catalog& catalog() {
  static const auto loaded = schema::Catalog::load_builtin().value();
  return *loaded;
}

Result<Stored> read(std::string_view text, const std::string& node = "n1") {
  return ManifestReader{catalog(), node}.read("/m/web.yaml", text, kSeen);
}

constexpr std::string_view kWeb =
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n"
    "  - {name: c, image: 'i:1'}\n";

TEST(Manifest, BecomesAPodOfThisNode) {
  const auto pod = read(kWeb);

  ASSERT_TRUE(pod.ok()) << pod.error().message;
  EXPECT_EQ(pod->key, (Key{"pods", "default", "web-n1"}));
  const auto root = pod->root();
  EXPECT_EQ(root["metadata"]["name"].string(), "web-n1");
  EXPECT_EQ(root.find("spec.nodeName").string(), "n1");
  EXPECT_EQ(root.find("spec.restartPolicy").string(), "Always") << "defaults are filled in";
  EXPECT_EQ(root.find("spec.tolerations").raw(), R"([{"effect":"NoExecute","operator":"Exists"}])");
  const auto annotations = root["metadata"]["annotations"];
  EXPECT_EQ(annotations[kAnnotationSource].string(), "file");
  EXPECT_EQ(annotations[kAnnotationSeen].string(), "2026-01-01T00:00:00Z");
  EXPECT_EQ(annotations[kAnnotationHash].string(), pod->uid());
  EXPECT_EQ(pod->uid().size(), 32U);
  EXPECT_TRUE(is_static_pod(root));
}

TEST(Manifest, IsAnotherPodWithEveryChangeAndOnEveryNode) {
  const std::string changed = std::string(kWeb) + "  hostNetwork: true\n";

  EXPECT_EQ(read(kWeb)->uid(), read(std::string(kWeb) + "# a comment\n")->uid());
  EXPECT_NE(read(kWeb)->uid(), read(changed)->uid());
  EXPECT_NE(read(kWeb)->uid(), read(kWeb, "n2")->uid());
}

TEST(Manifest, KeepsItsNamespaceAndMayBeJson) {
  const auto pod =
      read(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"kube-system"},)"
           R"("spec":{"containers":[{"name":"c","image":"i"}]}})");

  ASSERT_TRUE(pod.ok());
  EXPECT_EQ(pod->key.ns, "kube-system");
}

struct BadRow {
  std::string name;
  std::string text;
  std::string says;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.name;
}

class BadManifest : public testing::TestWithParam<BadRow> {};

TEST_P(BadManifest, IsRefusedWithTheReason) {
  const auto pod = read(GetParam().text);

  ASSERT_FALSE(pod.ok());
  EXPECT_THAT(pod.error().message, HasSubstr(GetParam().says));
}

std::string with_spec(const std::string& spec) {
  return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{)" + spec +
         R"("containers":[{"name":"c","image":"i"}]}})";
}

std::string with_container(const std::string& container) {
  return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{)" +
         container + R"("name":"c","image":"i"}]}})";
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    BadManifest,
    testing::Values(
        BadRow{"no_yaml", "a: [", "line"},
        BadRow{"another_kind", R"({"apiVersion":"v1","kind":"Service"})", "Service"},
        BadRow{
            "no_name",
            R"({"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"c","image":"i"}]}})",
            "metadata.name: Required value"},
        BadRow{"no_containers",
               R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}})",
               "spec.containers: Required value"},
        BadRow{"ephemeral",
               with_spec(R"("ephemeralContainers":[{"name":"e","image":"i"}],)"),
               "cannot be set on create"},
        BadRow{"account",
               with_spec(R"("serviceAccountName":"x",)"),
               "may not reference serviceaccounts"},
        BadRow{"secret_volume",
               with_spec(R"("volumes":[{"name":"v","secret":{"secretName":"s"}}],)"),
               "may not reference secrets"},
        BadRow{"config_volume",
               with_spec(R"("volumes":[{"name":"v","configMap":{"name":"s"}}],)"),
               "may not reference configmaps"},
        BadRow{
            "projected",
            with_spec(
                R"("volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"s"}}]}}],)"),
            "may not reference secrets"},
        BadRow{"pull_secret",
               with_spec(R"("imagePullSecrets":[{"name":"s"}],)"),
               "may not reference secrets"},
        BadRow{
            "env",
            with_container(
                R"("env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"m","key":"k"}}}],)"),
            "may not reference configmaps"},
        BadRow{"env_from",
               with_container(R"("envFrom":[{"secretRef":{"name":"s"}}],)"),
               "may not reference secrets"}),
    [](const auto& row) { return row.param.name; });

TEST(Mirror, ShowsThePodAndBelongsToItsNode) {
  const auto pod = *read(kWeb);

  const auto mirror = mirror_of(pod, "node-uid");

  const auto metadata = mirror->root()["metadata"];
  EXPECT_EQ(mirrored_uid(mirror->root()), pod.uid());
  EXPECT_FALSE(metadata["uid"].exists());
  EXPECT_EQ(metadata["ownerReferences"].at(0)["uid"].string(), "node-uid");
  EXPECT_TRUE(metadata["ownerReferences"].at(0)["controller"].boolean());
  EXPECT_FALSE(mirror->root()["status"].exists());
  EXPECT_FALSE(is_static_pod(mirror->root())) << "it is not run a second time";
  EXPECT_EQ(mirror->root()["spec"].raw(), pod.root()["spec"].raw());
}

TEST(Mirror, IsWhereTheStatusOfItsPodGoes) {
  const auto pod = *read(kWeb);
  const Stored shown{pod.key,
                     Revision{1},
                     *Document::parse(R"({"metadata":{"uid":"m","annotations":{)"
                                      R"("kubernetes.io/config.mirror":"s"}}})")};

  EXPECT_TRUE(is_shown_by(shown, "m"));
  EXPECT_TRUE(is_shown_by(shown, "s"));
  EXPECT_FALSE(is_shown_by(shown, "x"));
}

TEST(ManifestFolder, HasItsPlainFilesAndMayBeAbsent) {
  const auto place =
      std::filesystem::temp_directory_path() / ("manifests-" + make_suffix(system_random(), 10));
  EXPECT_THAT(*read_manifests(place), testing::IsEmpty());
  std::filesystem::create_directories(place / "folder");
  std::ofstream(place / "a.yaml") << "text";
  std::ofstream(place / ".hidden") << "text";

  EXPECT_THAT(*read_manifests(place), ElementsAre(Pair((place / "a.yaml").string(), "text")));
  std::filesystem::remove_all(place);
}

}  // namespace
}  // namespace tetrarch::agent
