// SPDX-License-Identifier: Apache-2.0
// Parts of pods that have subresources of their own: containers added for debugging. What they
// change, what stays whatever else was sent, and the sentences of refusals.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;

class PodPartTest : public RegistryTest {
 protected:
  PodPartTest() { open_namespace("default"); }

  Call on(std::string subresource, const std::string& name = "p") {
    auto out = call("pods", "default", name);
    out.subresource = std::move(subresource);
    return out;
  }

  void make_pod(const std::string& spec = "") {
    const auto made = create("pods", "default", pod_json("p", spec));
    ASSERT_TRUE(made.ok()) << text_of(made);
  }

  Result<Stored> add(const std::string& containers, PatchType type = PatchType::strategic) {
    const auto body = fmt::format(R"({{"spec":{{"ephemeralContainers":{}}}}})", containers);
    return run(registry_->patch(on("ephemeralcontainers"), type, body, {}));
  }

  std::string names() {
    std::string out;
    const auto pod = *get("pods", "default", "p");
    for (const auto each : pod.root().find("spec.ephemeralContainers").elements()) {
      out += (out.empty() ? "" : " ") + std::string(each["name"].string());
    }
    return out;
  }
};

TEST_F(PodPartTest, ContainersAreAddedOneByOneAndCountAsAChange) {
  make_pod();

  ASSERT_EQ(text_of(add(R"([{"name":"d1","image":"i","targetContainerName":"c"}])")), "ok");
  ASSERT_EQ(text_of(add(R"([{"name":"d2","image":"i","tty":true,"stdin":true}])")), "ok");

  EXPECT_EQ(names(), "d2 d1") << "as a strategic merge lists them: what is patched in comes first";
  const auto pod = *get("pods", "default", "p");
  EXPECT_EQ(pod.metadata()["generation"].integer(), 3);
  EXPECT_EQ(pod.root().find("spec.ephemeralContainers").at(1)["targetContainerName"].string(), "c");
}

TEST_F(PodPartTest, AnUpdateTakesNothingElseOfTheObject) {
  make_pod();
  const auto before = *get("pods", "default", "p");

  const auto sent = fmt::format(
      R"({{"metadata":{{"name":"p","labels":{{"app":"other"}},"resourceVersion":"{}"}},)"
      R"("spec":{{"containers":[{{"name":"c","image":"another"}}],)"
      R"("ephemeralContainers":[{{"name":"d","image":"i"}}]}}}})",
      before.revision.number);
  const auto answer = run(registry_->update(on("ephemeralcontainers"), sent, {}));

  ASSERT_EQ(text_of(answer), "ok");
  EXPECT_EQ(names(), "d");
  EXPECT_EQ(answer->root().find("spec.containers").at(0)["image"].string(), "i");
  EXPECT_EQ(answer->metadata()["labels"]["app"].string(), "x");
}

TEST_F(PodPartTest, AStaleUpdateAndOneOfAnotherPodAreRefused) {
  make_pod();

  const auto stale = run(registry_->update(
      on("ephemeralcontainers"), R"({"metadata":{"name":"p","resourceVersion":"1"}})", {}));
  EXPECT_THAT(text_of(stale), HasSubstr("the object has been modified"));
  const auto other =
      run(registry_->update(on("ephemeralcontainers"), R"({"metadata":{"name":"q"}})", {}));
  EXPECT_THAT(text_of(other), HasSubstr("does not match the name on the URL"));
  const auto uid = run(
      registry_->update(on("ephemeralcontainers"), R"({"metadata":{"name":"p","uid":"u"}})", {}));
  EXPECT_THAT(text_of(uid), HasSubstr("Precondition failed: UID in precondition: u"));
}

TEST_F(PodPartTest, WhatIsThereIsNeitherRemovedNorChanged) {
  make_pod();
  ASSERT_TRUE(add(R"([{"name":"d","image":"i"}])").ok());

  EXPECT_THAT(text_of(add("[]", PatchType::merge)),
              HasSubstr("Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing "
                        "ephemeral containers \"d\" may not be removed"));
  EXPECT_THAT(text_of(add(R"([{"name":"d","image":"other"}])")),
              HasSubstr("existing ephemeral containers \"d\" may not be changed"));
  EXPECT_EQ(names(), "d");
}

TEST_F(PodPartTest, TheWaysAroundTheSubresourceAreClosed) {
  const auto made = create(
      "pods", "default", pod_json("q", R"(,"ephemeralContainers":[{"name":"d","image":"i"}])"));
  EXPECT_THAT(text_of(made),
              HasSubstr("spec.ephemeralContainers: Forbidden: cannot be set on create"));

  make_pod();
  const auto patched = merge(
      "pods", "default", "p", R"({"spec":{"ephemeralContainers":[{"name":"d","image":"i"}]}})");
  EXPECT_THAT(text_of(patched), HasSubstr("pod updates may not change fields other than"));
  EXPECT_EQ(names(), "");
}

TEST_F(PodPartTest, AStaticPodTakesNone) {
  ASSERT_TRUE(
      create("pods",
             "default",
             R"({"metadata":{"name":"p","annotations":{"kubernetes.io/config.mirror":"h"}},)"
             R"("spec":{"nodeName":"n","containers":[{"name":"c","image":"i"}]}})")
          .ok());

  EXPECT_THAT(text_of(add(R"([{"name":"d","image":"i"}])")),
              HasSubstr("static pods do not support ephemeral containers"));
}

TEST_F(PodPartTest, APendingPodWithOneIsStillBound) {
  make_pod();
  ASSERT_TRUE(add(R"([{"name":"d","image":"i"}])").ok());

  const auto bound = create_in(on("binding"), R"({"target":{"kind":"Node","name":"n"}})");

  EXPECT_EQ(text_of(bound), "ok");
  EXPECT_EQ(names(), "d");
}

TEST_F(PodPartTest, ManagersOwnWhatTheyAdd) {
  auto where = call("pods", "default");
  where.field_manager = "maker";
  ASSERT_TRUE(create_in(where, pod_json("p")).ok());
  auto part = on("ephemeralcontainers");
  part.field_manager = "kubectl-debug";

  const auto added =
      run(registry_->patch(part,
                           PatchType::strategic,
                           R"({"spec":{"ephemeralContainers":[{"name":"d","image":"i"}]}})",
                           {}));

  ASSERT_EQ(text_of(added), "ok");
  const auto managed = added->metadata()["managedFields"];
  ASSERT_EQ(managed.size(), 2U);
  const auto own = managed.at(managed.at(0)["manager"].string() == "maker" ? 1 : 0);
  EXPECT_EQ(own["subresource"].string(), "ephemeralcontainers");
  EXPECT_THAT(std::string(own["fieldsV1"].raw()), HasSubstr(R"("f:ephemeralContainers")"));
}

struct RefusedRow {
  std::string name;
  std::string containers;
  std::string sentence;
};

void PrintTo(const RefusedRow& row, std::ostream* out) {
  *out << row.name;
}

class RefusedContainerTest : public PodPartTest, public testing::WithParamInterface<RefusedRow> {};

TEST_P(RefusedContainerTest, SaysWhatItMayNotHave) {
  make_pod(R"(,"volumes":[{"name":"v","emptyDir":{}}])");

  EXPECT_THAT(text_of(add(GetParam().containers)), HasSubstr(GetParam().sentence));
  EXPECT_EQ(names(), "");
}

const std::string kAt = "spec.ephemeralContainers[0].";
const std::string kNever = "Forbidden: cannot be set for an Ephemeral Container";

const std::vector<RefusedRow> kRefusedRows = {
    {"name_of_another", R"([{"name":"c","image":"i"}])", kAt + "name: Duplicate value: \"c\""},
    {"no_image", R"([{"name":"d"}])", kAt + "image: Required value"},
    {"unknown_target",
     R"([{"name":"d","image":"i","targetContainerName":"x"}])",
     kAt + "targetContainerName: Not found: \"x\""},
    {"target_of_its_kind",
     R"([{"name":"d","image":"i"},{"name":"e","image":"i","targetContainerName":"d"}])",
     "spec.ephemeralContainers[1].targetContainerName: Not found: \"d\""},
    {"ports",
     R"([{"name":"d","image":"i","ports":[{"containerPort":1}]}])",
     kAt + "ports: " + kNever},
    {"resources",
     R"([{"name":"d","image":"i","resources":{"limits":{"cpu":"1"}}}])",
     kAt + "resources: " + kNever},
    {"liveness",
     R"([{"name":"d","image":"i","livenessProbe":{"exec":{"command":["a"]}}}])",
     kAt + "livenessProbe: " + kNever},
    {"readiness",
     R"([{"name":"d","image":"i","readinessProbe":{"exec":{"command":["a"]}}}])",
     kAt + "readinessProbe: " + kNever},
    {"startup",
     R"([{"name":"d","image":"i","startupProbe":{"exec":{"command":["a"]}}}])",
     kAt + "startupProbe: " + kNever},
    {"lifecycle",
     R"([{"name":"d","image":"i","lifecycle":{"preStop":{"exec":{"command":["a"]}}}}])",
     kAt + "lifecycle: " + kNever},
    {"restart_policy",
     R"([{"name":"d","image":"i","restartPolicy":"Always"}])",
     kAt + "restartPolicy: " + kNever},
    {"part_of_a_volume",
     R"([{"name":"d","image":"i","volumeMounts":[{"name":"v","mountPath":"/v","subPath":"a"}]}])",
     kAt + "volumeMounts[0].subPath: " + kNever},
    {"unknown_volume",
     R"([{"name":"d","image":"i","volumeMounts":[{"name":"w","mountPath":"/v"}]}])",
     kAt + "volumeMounts[0].name: Not found: \"w\""},
};

INSTANTIATE_TEST_SUITE_P(Table,
                         RefusedContainerTest,
                         testing::ValuesIn(kRefusedRows),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace tetrarch::registry
