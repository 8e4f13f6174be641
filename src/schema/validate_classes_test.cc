// SPDX-License-Identifier: Apache-2.0
// Storage classes, and what asks for devices: defaults, and refusals in Kubernetes' words.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"

namespace tetrarch::schema {
namespace {

const Kind& kind_named(std::string_view name) {
  static const auto catalog = Catalog::load_builtin().value();
  const auto* group = name == "StorageClass" ? "storage.k8s.io"
                      : name == "Pod"        ? ""
                                             : "resource.k8s.io";
  const auto* kind = catalog->find(group, "v1", name);
  EXPECT_NE(kind, nullptr) << name;
  return *kind;
}

/// `body`: the members beside metadata.
DocumentPtr decoded(const Kind& kind, std::string_view body) {
  const auto* ns = kind.is_namespaced ? R"(,"namespace":"n")" : "";
  const auto out =
      decode(kind, fmt::format(R"({{"metadata":{{"name":"x"{}}},{}}})", ns, body), Unknown::refuse);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out->document;
}

struct Row {
  std::string_view name;
  std::string_view kind;
  std::string_view body;
  std::vector<std::string> expected;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class ClassRuleTest : public testing::TestWithParam<Row> {};

TEST_P(ClassRuleTest, IsWordedAsKubernetesDoes) {
  const auto& kind = kind_named(GetParam().kind);

  EXPECT_EQ(fault_texts(kind, decoded(kind, GetParam().body)), GetParam().expected);
}

std::string requests(std::string_view list) {
  return fmt::format(R"("spec":{{"devices":{{"requests":[{}]}}}})", list);
}

std::string slice(std::string_view more) {
  return fmt::format(
      R"("spec":{{"driver":"gpu.example.com","pool":{{"name":"p","resourceSliceCount":1}}{}}})",
      more);
}

const std::string kOne = R"({"name":"a","exactly":{"deviceClassName":"gpu"}})";
const std::string kGoodClaim = requests(kOne);
const std::string kNoKind = requests(R"({"name":"a"})");
const std::string kTwice = requests(kOne + "," + kOne);
const std::string kAllOfTwo = requests(
    R"({"name":"a","exactly":{"deviceClassName":"gpu","allocationMode":"All","count":2}})");
const std::string kOddMode =
    requests(R"({"name":"a","exactly":{"deviceClassName":"gpu","allocationMode":"Some"}})");
const std::string kNoCel =
    requests(R"({"name":"a","exactly":{"deviceClassName":"gpu","selectors":[{}]}})");
const std::string kBadReference =
    R"("spec":{"devices":{"requests":[)" + kOne +
    R"(],"constraints":[{"requests":["b"],"matchAttribute":"x/y"}]}})";
const std::string kGoodSlice = slice(R"(,"nodeName":"n1","devices":[{"name":"gpu-0"}])");
const std::string kNowhere = slice("");
const std::string kTwoPlaces = slice(R"(,"nodeName":"n1","allNodes":true)");
const std::string kTwoValues =
    slice(R"(,"allNodes":true,"devices":[{"name":"d","attributes":{"a":{"int":1,"bool":true}}}])");

const std::vector<Row> kRows{
    {"storage", "StorageClass", R"("provisioner":"example.com/disk","parameters":{"a":"b"})", {}},
    {"nobody", "StorageClass", R"("parameters":{"a":"b"})", {"provisioner: Required value"}},
    {"reclaim",
     "StorageClass",
     R"("provisioner":"a","reclaimPolicy":"Recycle")",
     {R"(reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain")"}},
    {"empty_parameter",
     "StorageClass",
     R"("provisioner":"a","parameters":{"":"b"})",
     {R"(parameters: Invalid value: "": field can not be empty.)"}},
    {"topology_twice",
     "StorageClass",
     R"("provisioner":"a","allowedTopologies":[{"matchLabelExpressions":[)"
     R"({"key":"zone","values":["a","a"]},{"key":"zone","values":["b"]}]}])",
     {R"(allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a")",
      R"(allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone")"}},
    {"device_class",
     "DeviceClass",
     R"("spec":{"selectors":[{"cel":{"expression":"device.driver == \"d\""}}]})",
     {}},
    {"config_of_nobody",
     "DeviceClass",
     R"("spec":{"config":[{}]})",
     {"spec.config[0].opaque: Required value"}},
    {"claim", "ResourceClaim", kGoodClaim, {}},
    {"request_of_nothing",
     "ResourceClaim",
     kNoKind,
     {"spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is "
      "required"}},
    {"request_twice",
     "ResourceClaim",
     kTwice,
     {R"(spec.devices.requests[1]: Duplicate value: "a")"}},
    {"all_of_two",
     "ResourceClaim",
     kAllOfTwo,
     {"spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when "
      "allocationMode is 'All'"}},
    {"odd_mode",
     "ResourceClaim",
     kOddMode,
     {R"(spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported )"
      R"(values: "All", "ExactCount")"}},
    {"no_expression",
     "ResourceClaim",
     kNoCel,
     {"spec.devices.requests[0].exactly.selectors[0].cel: Required value"}},
    {"bad_reference",
     "ResourceClaim",
     kBadReference,
     {R"(spec.devices.constraints[0].requests[0]: Invalid value: "b": must be the name of a )"
      "request in the claim or the name of a request and a subrequest separated by '/'"}},
    {"slice", "ResourceSlice", kGoodSlice, {}},
    {"two_values",
     "ResourceSlice",
     kTwoValues,
     {R"(spec.devices[0].attributes[a]: Invalid value: {"bool":true,"int":1}: exactly one value must )"
      "be specified, but multiple are set"}},
    {"slice_nowhere",
     "ResourceSlice",
     kNowhere,
     {"spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, "
      "`perDeviceNodeSelection` is required"}},
    {"slice_in_two_places",
     "ResourceSlice",
     kTwoPlaces,
     {R"(spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, )"
      "`nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are "
      "set"}},
    {"pod_names_no_claim",
     "Pod",
     R"("spec":{"containers":[{"name":"c","image":"i"}],"resourceClaims":[{"name":"gpu"}]})",
     {R"(spec.resourceClaims[0]: Invalid value: {"name":"gpu"}: must specify one of: )"
      "`resourceClaimName`, `resourceClaimTemplateName`"}},
};
INSTANTIATE_TEST_SUITE_P(Table, ClassRuleTest, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(ClassRules, AStorageClassKeepsWhatVolumesWereMadeWith) {
  const auto& kind = kind_named("StorageClass");
  const auto before = decoded(kind, R"("provisioner":"a","parameters":{"b":"c"})");
  const auto after = decoded(kind,
                             R"("provisioner":"d","reclaimPolicy":"Retain",)"
                             R"("volumeBindingMode":"WaitForFirstConsumer")");

  EXPECT_THAT(fault_texts(kind, before, before), testing::IsEmpty());
  EXPECT_THAT(fault_texts(kind, after, before),
              testing::ElementsAre(
                  R"(volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable)",
                  "parameters: Forbidden: updates to parameters are forbidden.",
                  "provisioner: Forbidden: updates to provisioner are forbidden.",
                  "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."));
}

TEST(ClassRules, AClaimAsksForWhatItWasMadeFor) {
  const auto& kind = kind_named("ResourceClaim");
  const auto before = decoded(kind, kGoodClaim);
  const auto reserved = decoded(
      kind, kGoodClaim + R"(,"status":{"reservedFor":[{"resource":"pods","name":"p","uid":"u"}]})");

  EXPECT_THAT(fault_texts(kind, before, before), testing::IsEmpty());
  EXPECT_THAT(fault_texts(kind, decoded(kind, requests("")), before),
              testing::ElementsAre(R"(spec: Invalid value: {"devices":{}}: field is immutable)"));
  EXPECT_THAT(fault_texts(kind, reserved, before),
              testing::ElementsAre("status.reservedFor: Forbidden: may not be specified when "
                                   "`allocated` is not set"));
}

TEST(ClassDefaults, OneDeviceIsAskedFor) {
  const auto& kind = kind_named("ResourceClaim");

  EXPECT_EQ(decoded(kind, kGoodClaim)->root().find("spec.devices.requests").at(0)["exactly"].raw(),
            R"({"allocationMode":"ExactCount","count":1,"deviceClassName":"gpu"})");
}

TEST(ClassDefaults, AVolumeIsMadeAtOnceAndGoesWithItsClaim) {
  const auto made = decoded(kind_named("StorageClass"), R"("provisioner":"a")");

  EXPECT_EQ(made->root()["reclaimPolicy"].string(), "Delete");
  EXPECT_EQ(made->root()["volumeBindingMode"].string(), "Immediate");
}

}  // namespace
}  // namespace tetrarch::schema
