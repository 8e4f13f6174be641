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

TEST_F(ApiTest, OpenApiV3NamesTheDefaultsThatDoNotDependOnTheObject) {
  const auto document = get("/openapi/v3/apis/apps/v1").json();
  const auto schemas = document->root()["components"]["schemas"];

  const auto spec = schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"];
  EXPECT_EQ(spec["replicas"]["default"].raw(), "1");
  EXPECT_EQ(spec["revisionHistoryLimit"]["default"].raw(), "10");
  EXPECT_FALSE(spec["paused"]["default"].exists());
  const auto container = schemas["io.k8s.api.core.v1.Container"]["properties"];
  EXPECT_EQ(container["terminationMessagePolicy"]["default"].string(), "File");
  // It depends on the image's tag.
  EXPECT_FALSE(container["imagePullPolicy"]["default"].exists());
}

TEST_F(ApiTest, OpenApiDocumentsAreCachedByETagAndHash) {
  for (const auto* path : {"/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1"}) {
    const std::string etag(get(path).headers.get("ETag"));
    ASSERT_FALSE(etag.empty()) << path;
    auto again = request("GET", path);
    again.headers.add("If-None-Match", etag);
    EXPECT_EQ(call(std::move(again)).status, 304) << path;
  }
  const auto index = get("/openapi/v3").json();
  const std::string url(index->root()["paths"]["apis/apps/v1"]["serverRelativeURL"].string());

  EXPECT_EQ(get(url).headers.get("Cache-Control"), "public, immutable, max-age=31536000");
  const auto& moved = get("/openapi/v3/apis/apps/v1?hash=OLD");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved.headers.get("Location"), url);
}

TEST_F(ApiTest, DefinitionsOfCustomResourcesAreNoneAndCannotBeMade) {
  const std::string path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

  const auto& list = get(path);
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.json()->root()["kind"].string(), "CustomResourceDefinitionList");
  EXPECT_EQ(list.json()->root()["items"].size(), 0U);
  EXPECT_EQ(get(path + "?watch=true").status, 404);
  EXPECT_EQ(get("/apis/apiextensions.k8s.io/v1").status, 404);
  const auto& made = send("POST", path, "{}", "application/json");
  EXPECT_EQ(made.status, 405);
  EXPECT_THAT(made.body, HasSubstr("custom resource definitions cannot be created"));
}

TEST_F(ApiTest, OpenApiOfAnUnknownGroupIsNotFound) {
  EXPECT_EQ(get("/openapi/v3/apis/nope/v1").status, 404);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
