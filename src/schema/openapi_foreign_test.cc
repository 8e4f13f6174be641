// SPDX-License-Identifier: Apache-2.0
// What other servers say of themselves is taken as far as it is theirs to say, and harmless.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/openapi.h"

namespace tetrarch::schema {
namespace {

using testing::HasSubstr;
using testing::Not;

const Catalog& catalog() {
  static const auto loaded = Catalog::load_builtin().value();
  return *loaded;
}

std::vector<ForeignApi> said(std::string_view json) {
  auto parsed = Document::parse(json);
  EXPECT_TRUE(parsed.ok());
  return {{"/apis/example.com/v1", *std::move(parsed)}};
}

TEST(ForeignOpenApi, AddsItsPathsAndDefinitions) {
  const auto others = said(
      R"({"paths":{"/apis/example.com/v1/boxes":{"get":{"operationId":"list","parameters":[)"
      R"({"name":"q","in":"query","type":"string","uniqueItems":true},{"name":"body","in":"body","schema":{"$ref":"#/x"}}],)"
      R"("responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/com.example.Box"}}},"x-kubernetes-action":"list"}}},)"
      R"("definitions":{"com.example.Box":{"type":"object","required":["a"],"properties":{"a":{"type":"string","enum":["x","y"]},)"
      R"("b":{"type":"array","items":{"type":"string"}}},"x-kubernetes-group-version-kind":[{"kind":"Box"}]}}})");

  const auto json = Document::parse(openapi_v2_json(catalog(), others)).value();

  EXPECT_EQ(
      json->root()["paths"]["/apis/example.com/v1/boxes"].raw(),
      R"({"get":{"operationId":"list","parameters":[{"name":"q","in":"query","type":"string","uniqueItems":true},)"
      R"({"name":"body","in":"body","schema":{"$ref":"#/x"}}],"responses":{"200":{"description":"OK",)"
      R"("schema":{"$ref":"#/definitions/com.example.Box"}}},"x-kubernetes-action":"list"}})");
  EXPECT_EQ(
      json->root()["definitions"]["com.example.Box"].raw(),
      R"({"type":"object","required":["a"],"x-kubernetes-group-version-kind":[{"kind":"Box"}],"properties":{"a":{"type":"string",)"
      R"("enum":["x","y"]},"b":{"type":"array","items":{"type":"string"}}}})");
  EXPECT_THAT(openapi_v2_protobuf(catalog(), others), HasSubstr("com.example.Box"));
}

TEST(ForeignOpenApi, LeavesWhatIsNotItsToSay) {
  const auto others = said(
      R"({"paths":{"/apis/example.com/v1beta1":{"get":{"operationId":"forged"}},"/api/v1/pods":{"get":{"operationId":"forged"}}},)"
      R"("definitions":{"io.k8s.api.core.v1.Pod":{"description":"forged"}}})");

  EXPECT_THAT(openapi_v2_json(catalog(), others), Not(HasSubstr("forged")));
}

TEST(ForeignOpenApi, TakesNonsenseForNothing) {
  for (
      const auto* json :
      {"[]",
       "7",
       R"({"paths":[],"definitions":"x"})",
       R"({"paths":{"/apis/example.com/v1/x":{"get":{"parameters":{"a":1},"responses":[1],"tags":"t","operationId":{}}}}})",
       R"({"definitions":{"a":{"type":["object"],"required":"a","properties":{"b":7},"items":[],"additionalProperties":true,"enum":[1]}}})",
       R"({"paths":{"/apis/example.com/v1/x":{"get":{"parameters":[{"in":"body"},{"$ref":"#/p"},7],"responses":{"200":3}}}}})"}) {
    const auto others = said(json);
    EXPECT_GT(openapi_v2_json(catalog(), others).size(), 1000U) << json;
    EXPECT_GT(openapi_v2_protobuf(catalog(), others).size(), 1000U) << json;
  }
}

TEST(ForeignOpenApi, EndsAtADepth) {
  std::string deep = R"({"type":"object"})";
  for (int i = 0; i < 200; ++i) {
    deep = R"({"items":)" + deep + "}";
  }
  const auto others = said(R"({"definitions":{"deep":)" + deep + "}}");

  const auto json = Document::parse(openapi_v2_json(catalog(), others)).value();
  EXPECT_LT(json->root()["definitions"]["deep"].raw().size(), 32U * 12U);
}

}  // namespace
}  // namespace tetrarch::schema
