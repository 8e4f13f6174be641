// SPDX-License-Identifier: Apache-2.0
// pods/resize: what it changes, what stays, and the sentences of refusals.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;

class ResizeTest : public RegistryTest {
 protected:
  ResizeTest() { open_namespace("default"); }

  void make_pod(const std::string& resources = R"("requests":{"cpu":"100m","memory":"1Gi"})",
                const std::string& metadata = "") {
    const auto made = create(
        "pods",
        "default",
        fmt::format(R"({{"metadata":{{{}"name":"p"}},"spec":{{"nodeName":"n","containers":[)"
                    R"({{"name":"c","image":"i","resources":{{{}}}}},{{"name":"d","image":"i"}}],)"
                    R"("initContainers":[{{"name":"once","image":"i"}},)"
                    R"({{"name":"side","image":"i","restartPolicy":"Always"}}]}}}})",
                    metadata,
                    resources));
    ASSERT_TRUE(made.ok()) << text_of(made);
  }

  Result<Stored> resize(const std::string& body, PatchType type = PatchType::strategic) {
    auto where = call("pods", "default", "p");
    where.subresource = "resize";
    return run(registry_->patch(where, type, body, {}));
  }

  Result<Stored> resize_first(const std::string& resources) {
    return resize(R"({"spec":{"containers":[{"name":"c","resources":{)" + resources + R"(}}]}})");
  }
};

TEST_F(ResizeTest, ChangesTheAmountsAndCountsAsAChange) {
  make_pod();

  const auto answer = resize_first(R"("requests":{"cpu":"200m"},"limits":{"cpu":"1"})");

  ASSERT_EQ(text_of(answer), "ok");
  const auto resources = answer->root().find("spec.containers").at(0)["resources"];
  EXPECT_EQ(resources["requests"]["cpu"].string(), "200m");
  EXPECT_EQ(resources["requests"]["memory"].string(), "1Gi");
  EXPECT_EQ(resources["limits"]["cpu"].string(), "1");
  EXPECT_EQ(answer->metadata()["generation"].integer(), 2);
}

TEST_F(ResizeTest, TakesNothingElseOfWhatIsSent) {
  make_pod();

  const auto answer = resize(
      R"({"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"other",)"
      R"("resources":{"requests":{"cpu":"200m"}},"resizePolicy":[{"resourceName":"cpu",)"
      R"("restartPolicy":"RestartContainer"}]}]}})");

  ASSERT_EQ(text_of(answer), "ok");
  const auto first = answer->root().find("spec.containers").at(0);
  EXPECT_EQ(first["image"].string(), "i");
  EXPECT_EQ(first["resizePolicy"].size(), 1U);
  EXPECT_FALSE(answer->metadata()["labels"].exists());
}

TEST_F(ResizeTest, TheObjectItselfDoesNotTakeIt) {
  make_pod();

  const auto answer =
      merge("pods",
            "default",
            "p",
            R"({"spec":{"containers":[{"name":"c","image":"i","resources":{)"
            R"("requests":{"cpu":"200m","memory":"1Gi"}}},{"name":"d","image":"i"}]}})");

  EXPECT_THAT(text_of(answer), HasSubstr("pod updates may not change fields other than"));
}

TEST_F(ResizeTest, IsChargedToTheQuota) {
  ASSERT_TRUE(create("resourcequotas",
                     "default",
                     R"({"metadata":{"name":"q"},"spec":{"hard":{"requests.cpu":"150m"}}})")
                  .ok());
  const auto made =
      create("pods",
             "default",
             R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i",)"
             R"("resources":{"requests":{"cpu":"100m"}}}]}})");
  ASSERT_TRUE(made.ok()) << text_of(made);

  EXPECT_THAT(text_of(resize_first(R"("requests":{"cpu":"151m"})")),
              HasSubstr("exceeded quota: q"));
  EXPECT_EQ(text_of(resize_first(R"("requests":{"cpu":"150m"})")), "ok");
}

TEST_F(ResizeTest, StaysWithinLimitRangesAndGetsNoDefaults) {
  make_pod();
  ASSERT_TRUE(create("limitranges",
                     "default",
                     R"({"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container",)"
                     R"("max":{"cpu":"2"},"default":{"cpu":"2"}}]}})")
                  .ok());

  EXPECT_THAT(text_of(resize_first(R"("requests":{"cpu":"3"},"limits":{"cpu":"3"})")),
              HasSubstr("maximum cpu usage per Container is 2, but limit is 3"));
  const auto within = resize_first(R"("requests":{"cpu":"1"})");
  ASSERT_EQ(text_of(within), "ok");
  EXPECT_FALSE(within->root().find("spec.containers").at(1)["resources"]["limits"].exists());
}

TEST_F(ResizeTest, AStaticPodAndANodeThatCannotAreToldApart) {
  make_pod(R"("requests":{"cpu":"1"})", R"("annotations":{"kubernetes.io/config.mirror":"h"},)");
  EXPECT_THAT(text_of(resize_first(R"("requests":{"cpu":"2"})")),
              HasSubstr("static pods cannot be resized"));
}

TEST_F(ResizeTest, ANodeThatTellsNoAmountsCannotResize) {
  make_pod();
  auto status = call("pods", "default", "p");
  status.subresource = "status";
  const auto running = run(registry_->patch(
      status,
      PatchType::merge,
      R"({"status":{"containerStatuses":[{"name":"c","state":{"running":{}},"ready":true,)"
      R"("restartCount":0,"image":"i","imageID":""}]}})",
      {}));
  ASSERT_EQ(text_of(running), "ok");

  EXPECT_THAT(text_of(resize_first(R"("requests":{"cpu":"2"})")),
              HasSubstr("Pod running on node without support for resize"));
}

struct RefusedRow {
  std::string name;
  std::string before;
  std::string body;
  std::string sentence;
};

void PrintTo(const RefusedRow& row, std::ostream* out) {
  *out << row.name;
}

class RefusedResizeTest : public ResizeTest, public testing::WithParamInterface<RefusedRow> {};

TEST_P(RefusedResizeTest, SaysWhy) {
  make_pod(GetParam().before);
  const auto before = get("pods", "default", "p")->document->bytes();

  EXPECT_THAT(text_of(resize(GetParam().body)), HasSubstr(GetParam().sentence));
  EXPECT_EQ(get("pods", "default", "p")->document->bytes(), before);
}

const std::string kBurstable = R"("requests":{"cpu":"100m"},"limits":{"memory":"1Gi"})";

std::string first(const std::string& resources) {
  return R"({"spec":{"containers":[{"name":"c","resources":{)" + resources + R"(}}]}})";
}

const std::vector<RefusedRow> kRefusedRows = {
    {"quality",
     "",
     first(R"("requests":{"cpu":"1"})"),
     "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing"},
    {"request_removed",
     R"("requests":{"cpu":"1","memory":"1Gi"})",
     first(R"("requests":{"memory":null})"),
     "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"},
    {"limit_removed",
     kBurstable,
     first(R"("limits":{"memory":null})"),
     "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"},
    {"other_resource",
     kBurstable,
     first(R"("requests":{"ephemeral-storage":"1Gi"})"),
     "spec: Forbidden: only cpu and memory resources are mutable"},
    {"request_over_limit",
     R"("requests":{"cpu":"1"},"limits":{"cpu":"2"})",
     first(R"("requests":{"cpu":"3"})"),
     "must be less than or equal to cpu limit of 2"},
    {"init_container",
     kBurstable,
     R"({"spec":{"initContainers":[{"name":"once","resources":{"requests":{"cpu":"1"}}}]}})",
     "spec: Forbidden: resources for non-sidecar init containers are immutable"},
};

INSTANTIATE_TEST_SUITE_P(Table,
                         RefusedResizeTest,
                         testing::ValuesIn(kRefusedRows),
                         [](const auto& row) { return row.param.name; });

TEST_F(ResizeTest, PoliciesAreLookedAtWhenAPodIsMade) {
  const auto made = [this](const std::string& policy, const std::string& spec = "") {
    return text_of(create("pods",
                          "default",
                          R"({"metadata":{"name":"x"},"spec":{)" + spec +
                              R"("containers":[{"name":"c","image":"i","resizePolicy":[)" + policy +
                              "]}]}}"));
  };

  EXPECT_THAT(made(R"({"resourceName":"disk","restartPolicy":"NotRequired"})"),
              HasSubstr("Unsupported value: \"disk\": supported values: \"cpu\", \"memory\""));
  EXPECT_THAT(made(R"({"resourceName":"cpu","restartPolicy":"NotRequired"},)"
                   R"({"resourceName":"cpu","restartPolicy":"NotRequired"})"),
              HasSubstr("Duplicate value: \"cpu\""));
  EXPECT_THAT(made(R"({"resourceName":"cpu","restartPolicy":"RestartContainer"})",
                   R"("restartPolicy":"Never",)"),
              HasSubstr("must be 'NotRequired' when `restartPolicy` is 'Never'"));
}

}  // namespace
}  // namespace tetrarch::registry
