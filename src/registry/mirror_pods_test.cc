// SPDX-License-Identifier: Apache-2.0
// Who may create mirror pods, and what they may be.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::HasSubstr;

constexpr std::string_view kMirror = R"("annotations":{"kubernetes.io/config.mirror":"h"})";

class MirrorPodTest : public RegistryTest {
 protected:
  MirrorPodTest() {
    open_namespace("default");
    const auto node = create("nodes", "", R"({"metadata":{"name":"n1"}})");
    EXPECT_TRUE(node.ok());
    uid_ = node->uid();
    who_ = {"system:node:n1", "", {"system:nodes", "system:authenticated"}, {}};
  }

  std::string owner(const std::string& more = R"(,"controller":true)") const {
    return fmt::format(
        R"(,"ownerReferences":[{{"apiVersion":"v1","kind":"Node","name":"n1","uid":"{}"{}}}])",
        uid_,
        more);
  }

  Result<Stored> make(std::string_view annotations,
                      const std::string& owners,
                      const std::string& spec = R"("nodeName":"n1",)") {
    return create("pods",
                  "default",
                  fmt::format(R"({{"metadata":{{"name":"p-n1",{}{}}},"spec":{{{})"
                              R"("containers":[{{"name":"c","image":"i"}}]}}}})",
                              annotations,
                              owners,
                              spec));
  }

  std::string uid_;
};

TEST_F(MirrorPodTest, ANodeMakesAndRemovesThemForItself) {
  const auto made = make(kMirror, owner());

  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_EQ(made->root().find("spec.serviceAccountName").string(), "");
  EXPECT_EQ(made->root().find("spec.volumes").size(), 0U)
      << "no token for whom the API does not run";
  client::DeleteOptions now;
  now.grace_seconds = 0;
  EXPECT_EQ(text_of(remove("pods", "default", "p-n1", now)), "ok");
}

struct RefusedRow {
  std::string name;
  std::string annotations;
  std::string owners;  ///< "OWN": a good one
  std::string spec;
  std::string sentence;
};

void PrintTo(const RefusedRow& row, std::ostream* out) {
  *out << row.name;
}

class RefusedMirrorTest : public MirrorPodTest, public testing::WithParamInterface<RefusedRow> {};

TEST_P(RefusedMirrorTest, SaysWhy) {
  const auto& row = GetParam();

  const auto made = make(row.annotations, row.owners == "OWN" ? owner() : row.owners, row.spec);

  EXPECT_THAT(text_of(made), HasSubstr(row.sentence));
}

const std::string kOwnNode = R"("nodeName":"n1",)";
const std::string kMarked(kMirror);

const std::vector<RefusedRow> kRefusedRows = {
    {"no_mirror",
     R"("labels":{"a":"b"})",
     "OWN",
     kOwnNode,
     "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create "
     "mirror pods"},
    {"another_node",
     kMarked,
     "OWN",
     R"("nodeName":"n2",)",
     "node \"n1\" can only create pods with spec.nodeName set to itself"},
    {"no_owner",
     kMarked,
     "",
     kOwnNode,
     "node \"n1\" can only create pods with an owner reference set to itself"},
    {"another_owner",
     kMarked,
     R"(,"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n2","uid":"u","controller":true}])",
     kOwnNode,
     "node \"n1\" can only create pods with an owner reference set to itself"},
    {"no_controller",
     kMarked,
     R"(,"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n1","uid":"u"}])",
     kOwnNode,
     "node \"n1\" can only create pods with a controller owner reference set to itself"},
    {"wrong_uid",
     kMarked,
     R"(,"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n1","uid":"u","controller":true}])",
     kOwnNode,
     "node n1 UID mismatch: expected u got "},
    {"secret",
     kMarked,
     "OWN",
     kOwnNode + R"("volumes":[{"name":"v","secret":{"secretName":"s"}}],)",
     "node \"n1\" can not create pods that reference secrets"},
    {"config_map",
     kMarked,
     "OWN",
     kOwnNode + R"("volumes":[{"name":"v","configMap":{"name":"s"}}],)",
     "node \"n1\" can not create pods that reference configmaps"},
    {"account",
     kMarked,
     "OWN",
     kOwnNode + R"("serviceAccountName":"default",)",
     "node \"n1\" can not create pods that reference a service account"},
};

INSTANTIATE_TEST_SUITE_P(Table,
                         RefusedMirrorTest,
                         testing::ValuesIn(kRefusedRows),
                         [](const auto& row) { return row.param.name; });

TEST_F(MirrorPodTest, NobodyMakesThemReferToOtherObjects) {
  who_ = masters();

  EXPECT_THAT(text_of(make(kMirror, "", kOwnNode + R"("serviceAccountName":"default",)")),
              HasSubstr("a mirror pod may not reference service accounts"));
  EXPECT_THAT(
      text_of(
          make(kMirror, "", kOwnNode + R"("volumes":[{"name":"v","secret":{"secretName":"s"}}],)")),
      HasSubstr("a mirror pod may not reference secrets"));
  EXPECT_THAT(text_of(make(kMirror, "", "")),
              HasSubstr("metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"h\": "
                        "must set spec.nodeName if mirror pod annotation is set"));
}

TEST_F(MirrorPodTest, TheMarkIsThereFromTheBeginningOrNever) {
  who_ = masters();
  ASSERT_TRUE(make(kMirror, "").ok());
  ASSERT_TRUE(create("pods", "default", pod_json("plain")).ok());

  EXPECT_THAT(
      text_of(merge("pods",
                    "default",
                    "p-n1",
                    R"({"metadata":{"annotations":{"kubernetes.io/config.mirror":"other"}}})")),
      HasSubstr("may not remove or update mirror pod annotation"));
  EXPECT_THAT(text_of(merge("pods",
                            "default",
                            "plain",
                            R"({"metadata":{"annotations":{"kubernetes.io/config.mirror":"h"}}})")),
              HasSubstr("may not add mirror pod annotation"));
}

}  // namespace
}  // namespace tetrarch::registry
