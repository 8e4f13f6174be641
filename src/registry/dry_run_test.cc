// SPDX-License-Identifier: Apache-2.0
// dryRun=All: every verb is checked, admitted and answered as if it had happened, and nothing has.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;

class DryRunTest : public RegistryTest {
 protected:
  DryRunTest() {
    open_namespace("default");
    EXPECT_TRUE(create("pods", "default", pod_json("p")).ok());
    EXPECT_TRUE(
        create("configmaps", "default", R"({"metadata":{"name":"c"},"data":{"a":"1"}})").ok());
    EXPECT_TRUE(create("deployments.apps",
                       "default",
                       R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},)"
                       R"("template":{"metadata":{"labels":{"a":"b"}},)"
                       R"("spec":{"containers":[{"name":"c","image":"i"}]}}}})")
                    .ok());
    before_ = store_->snapshot().revision();
  }

  ~DryRunTest() override { EXPECT_EQ(store_->snapshot().revision(), before_); }

  Call dry(std::string_view resource, std::string name = "", std::string subresource = "") {
    auto out = call(resource, "default", std::move(name));
    out.subresource = std::move(subresource);
    out.is_dry_run = true;
    return out;
  }

  Revision before_;
};

TEST_F(DryRunTest, CreateIsAdmitted) {
  const auto tried = create_in(dry("pods"), pod_json("q"));

  ASSERT_TRUE(tried.ok()) << text_of(tried);
  EXPECT_EQ(tried->root().find("spec.serviceAccountName").string(), "default");
  EXPECT_EQ(tried->root().find("metadata.uid").string().size(), 36U);
  EXPECT_EQ(tried->revision.number, 0U);
}

TEST_F(DryRunTest, CreateIsRefusedAsEver) {
  EXPECT_EQ(text_of(create_in(dry("pods"), pod_json("p"))),
            "already exists: pods \"p\" already exists");
  EXPECT_THAT(text_of(create_in(dry("pods"), pod_json("q", R"(,"serviceAccountName":"who")"))),
              HasSubstr("serviceaccount \"who\" not found"));
}

TEST_F(DryRunTest, UpdateAndPatchShowWhatWouldBe) {
  const auto put = run(registry_->update(
      dry("configmaps", "c"), R"({"metadata":{"name":"c"},"data":{"a":"2"}})", {}));
  ASSERT_TRUE(put.ok()) << text_of(put);
  EXPECT_EQ(put->root().find("data.a").string(), "2");
  const auto patched = run(registry_->patch(
      dry("deployments.apps", "d"), PatchType::merge, R"({"spec":{"replicas":5}})", {}));
  ASSERT_TRUE(patched.ok()) << text_of(patched);
  EXPECT_EQ(patched->root().find("metadata.generation").integer(), 2);
}

TEST_F(DryRunTest, SubresourcesShowWhatWouldBe) {
  const auto scaled = run(registry_->update(dry("deployments.apps", "d", "scale"),
                                            R"({"metadata":{"name":"d"},"spec":{"replicas":7}})",
                                            {}));
  ASSERT_TRUE(scaled.ok()) << text_of(scaled);
  EXPECT_EQ(scaled->root().find("spec.replicas").integer(), 7);
  const auto status = run(registry_->patch(dry("deployments.apps", "d", "status"),
                                           PatchType::merge,
                                           R"({"status":{"replicas":3}})",
                                           {}));
  ASSERT_TRUE(status.ok()) << text_of(status);
  EXPECT_EQ(text_of(create_in(dry("pods", "p", "binding"), R"({"target":{"name":"n"}})")), "ok");
  EXPECT_EQ(text_of(create_in(dry("pods", "p", "eviction"), R"({"metadata":{"name":"p"}})")), "ok");
}

TEST_F(DryRunTest, DeleteAndItsRefusals) {
  EXPECT_EQ(text_of(run(registry_->remove(dry("configmaps", "c"), {}))), "ok");
  EXPECT_EQ(text_of(run(registry_->remove(dry("configmaps", "none"), {}))),
            "not found: configmaps \"none\" not found");
  const auto gone = run(registry_->remove_collection(dry("configmaps"), {}, {}));
  ASSERT_TRUE(gone.ok()) << text_of(gone);
  EXPECT_EQ(gone->items.size(), 1U);
}

}  // namespace
}  // namespace tetrarch::registry
