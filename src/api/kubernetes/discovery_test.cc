// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

using testing::HasSubstr;

constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// The member of a list whose `key` is `value`.
object::View pick(object::View list, std::string_view key, std::string_view value) {
  for (const auto item : list.elements()) {
    if (item[key].string() == value) {
      return item;
    }
  }
  return {};
}

TEST_F(ApiTest, DiscoveryNamesTheCoreVersion) {
  EXPECT_EQ(get("/api").body,
            R"({"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[)"
            R"({"clientCIDR":"0.0.0.0/0","serverAddress":"127.0.0.1:6443"}]})"
            "\n");
}

TEST_F(ApiTest, DiscoveryListsTheGroupsInTheirOrder) {
  const auto json = get("/apis").json();
  const auto groups = json->root()["groups"];

  EXPECT_EQ(json->root()["kind"].string(), "APIGroupList");
  EXPECT_EQ(groups.at(0)["name"].string(), "apiregistration.k8s.io");
  EXPECT_EQ(groups.at(1)["name"].string(), "apps");
  EXPECT_EQ(groups.at(2)["name"].string(), "events.k8s.io");
  const auto rbac = pick(groups, "name", "rbac.authorization.k8s.io");
  EXPECT_EQ(rbac.find("preferredVersion.groupVersion").string(), "rbac.authorization.k8s.io/v1");
  EXPECT_TRUE(pick(groups, "name", "policy").exists())
      << "kubectl drain looks for it before it evicts";
}

TEST_F(ApiTest, EveryGroupAndVersionHasResources) {
  const auto json = get("/apis").json();
  for (const auto group : json->root()["groups"].elements()) {
    for (const auto version : group["versions"].elements()) {
      const auto path = "/apis/" + std::string(version["groupVersion"].string());
      const auto listed = get(path).json();
      EXPECT_TRUE(listed->root()["resources"].at(0).exists()) << path;
    }
  }
}

TEST_F(ApiTest, DiscoveryListsResourcesAndSubresources) {
  const auto json = get("/api/v1").json();
  const auto resources = json->root()["resources"];

  EXPECT_EQ(json->root()["groupVersion"].string(), "v1");
  const auto pods = pick(resources, "name", "pods");
  EXPECT_EQ(pods["kind"].string(), "Pod");
  EXPECT_EQ(pods["singularName"].string(), "pod");
  EXPECT_TRUE(pods["namespaced"].boolean());
  EXPECT_EQ(pods["shortNames"].at(0).string(), "po");
  EXPECT_EQ(pods["categories"].at(0).string(), "all");
  EXPECT_EQ(pick(resources, "name", "pods/log")["verbs"].raw(), R"(["get"])");
  EXPECT_EQ(pick(resources, "name", "pods/eviction")["group"].string(), "policy");
  EXPECT_EQ(pick(resources, "name", "pods/eviction")["kind"].string(), "Eviction");
  EXPECT_EQ(pick(resources, "name", "serviceaccounts/token")["kind"].string(), "TokenRequest");
}

TEST_F(ApiTest, DiscoveryOfAGroupAndOfItsVersion) {
  EXPECT_THAT(get("/apis/apps").body,
              HasSubstr(R"("name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}])"));
  const auto json = get("/apis/apps/v1").json();
  const auto scale = pick(json->root()["resources"], "name", "deployments/scale");
  EXPECT_EQ(scale["group"].string(), "autoscaling");
  EXPECT_EQ(scale["kind"].string(), "Scale");
}

TEST_F(ApiTest, AggregatedDiscoveryIsOneDocument) {
  const auto& answer = get("/apis", std::string(kAggregated));
  const auto json = answer.json();
  const auto root = json->root();

  EXPECT_EQ(answer.headers.get("Content-Type"),
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(root["kind"].string(), "APIGroupDiscoveryList");
  EXPECT_EQ(root["apiVersion"].string(), "apidiscovery.k8s.io/v2");
  const auto apps = root["items"].at(1);  // behind the group of APIServices
  EXPECT_EQ(apps.find("metadata.name").string(), "apps");
  const auto deployments = pick(apps["versions"].at(0)["resources"], "resource", "deployments");
  EXPECT_EQ(deployments["scope"].string(), "Namespaced");
  EXPECT_EQ(deployments.find("responseKind.kind").string(), "Deployment");
  EXPECT_EQ(
      pick(deployments["subresources"], "subresource", "scale").find("responseKind.group").string(),
      "autoscaling");
}

TEST_F(ApiTest, AggregatedDiscoveryOfTheCoreHasNoGroupName) {
  const auto json = get("/api", std::string(kAggregated)).json();
  const auto items = json->root()["items"];

  EXPECT_EQ(items.size(), 1U);
  EXPECT_EQ(items.at(0)["metadata"].raw(), R"({"creationTimestamp":null})");
}

TEST_F(ApiTest, OlderClientsGetTheOlderAggregatedVersion) {
  const auto& answer = get(
      "/apis",
      "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json");

  EXPECT_EQ(answer.json()->root()["apiVersion"].string(), "apidiscovery.k8s.io/v2beta1");
}

TEST_F(ApiTest, DocumentsAreCachedByETag) {
  const std::string etag(get("/apis").headers.get("ETag"));
  exchange_.reset();
  auto question = request("GET", "/apis");
  question.headers.add("If-None-Match", etag);

  const auto& answer = call(std::move(question));

  EXPECT_NE(etag, "");
  EXPECT_EQ(answer.status, 304);
  EXPECT_EQ(answer.body, "");
}

TEST_F(ApiTest, VersionIsOneThatClientsOf120And135Accept) {
  const auto json = get("/version").json();

  EXPECT_EQ(json->root()["major"].string(), "1");
  EXPECT_EQ(json->root()["minor"].string(), "35");
  EXPECT_THAT(std::string(json->root()["gitVersion"].string()), testing::StartsWith("v1.35.0"));
}

TEST_F(ApiTest, TheRootListsThePaths) {
  EXPECT_THAT(get("/").body, HasSubstr("\"/apis/apps/v1\""));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
