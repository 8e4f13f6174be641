// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;

constexpr std::string_view kProtobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

TEST_F(ApiTest, OpenApiV2IsJson) {
  const auto& answer = get("/openapi/v2", "application/json");

  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(answer.json()->root()["swagger"].string(), "2.0");
}

TEST_F(ApiTest, OpenApiV2IsProtobufForOldClients) {
  const auto& answer = get("/openapi/v2", std::string(kProtobuf));

  // Without the '@', which these clients cannot read in an answer.
  EXPECT_EQ(answer.headers.get("Content-Type"),
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  EXPECT_GT(answer.body.size(), 1000U);
  EXPECT_NE(answer.body.front(), '{');
}

TEST_F(ApiTest, OpenApiV3IndexLeadsToEveryDocument) {
  const auto index = get("/openapi/v3").json();
  const auto paths = index->root()["paths"];

  EXPECT_TRUE(paths["api/v1"].exists());
  EXPECT_TRUE(paths["apis/apps/v1"].exists());
  for (const auto& [path, entry] : paths.members()) {
    const std::string url(entry["serverRelativeURL"].string());
    EXPECT_THAT(url, testing::StartsWith("/openapi/v3/" + std::string(path) + "?hash="));
    EXPECT_EQ(get(url).status, 200) << url;
  }
}

TEST_F(ApiTest, OpenApiV3DescribesThePatchOfAPod) {
  const auto& answer = get("/openapi/v3/api/v1");

  EXPECT_THAT(std::string(answer.json()->root()["openapi"].string()), testing::StartsWith("3.0"));
  EXPECT_THAT(answer.body, HasSubstr("\"fieldValidation\""));
  EXPECT_THAT(answer.body, HasSubstr("io.k8s.api.core.v1.Pod"));
}

TEST_F(ApiTest, OpenApiOfAnUnknownGroupIsNotFound) {
  EXPECT_EQ(get("/openapi/v3/apis/nope/v1").status, 404);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
