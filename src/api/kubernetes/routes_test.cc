// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/routes.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

Match match(std::string_view path) {
  const auto found = match_path(path);
  EXPECT_TRUE(found.ok()) << path;
  return found.ok() ? *found : Match{};
}

std::string words(const Match& found) {
  if (found.route == nullptr) {
    return "none";
  }
  return found.group + "|" + found.version + "|" + found.ns + "|" + found.resource + "|" +
         found.name + "|" + found.subresource;
}

struct PathRow {
  std::string_view name;
  std::string_view path;
  Action action;
  std::string_view parts;  ///< group|version|namespace|resource|name|subresource
};

void PrintTo(const PathRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kPaths = std::to_array<PathRow>({
    {"root", "/", Action::root, "|||||"},
    {"core_versions", "/api", Action::api_versions, "|||||"},
    {"trailing_slash", "/api/", Action::api_versions, "|||||"},
    {"doubled_slash", "//api//v1", Action::resource_list, "|v1||||"},
    {"core_collection", "/api/v1/pods", Action::collection, "|v1||pods||"},
    {"cluster_object", "/api/v1/nodes/n1", Action::object, "|v1||nodes|n1|"},
    {"cluster_subresource", "/api/v1/nodes/n1/status", Action::subresource, "|v1||nodes|n1|status"},
    {"namespaced_collection", "/api/v1/namespaces/a/pods", Action::collection, "|v1|a|pods||"},
    {"namespaced_object", "/api/v1/namespaces/a/pods/p", Action::object, "|v1|a|pods|p|"},
    {"binding", "/api/v1/namespaces/a/pods/p/binding", Action::subresource, "|v1|a|pods|p|binding"},
    {"namespaces", "/api/v1/namespaces", Action::collection, "|v1||namespaces||"},
    {"namespace", "/api/v1/namespaces/a", Action::object, "|v1||namespaces|a|"},
    {"namespace_status",
     "/api/v1/namespaces/a/status",
     Action::subresource,
     "|v1||namespaces|a|status"},
    {"namespace_finalize",
     "/api/v1/namespaces/a/finalize",
     Action::subresource,
     "|v1||namespaces|a|finalize"},
    {"log", "/api/v1/namespaces/a/pods/p/log", Action::log, "|v1|a|pods|p|log"},
    {"exec", "/api/v1/namespaces/a/pods/p/exec", Action::exec, "|v1|a|pods|p|exec"},
    {"group", "/apis/apps", Action::api_group, "apps|||||"},
    {"group_version", "/apis/apps/v1", Action::resource_list, "apps|v1||||"},
    {"group_object",
     "/apis/apps/v1/namespaces/a/deployments/d",
     Action::object,
     "apps|v1|a|deployments|d|"},
    {"scale",
     "/apis/apps/v1/namespaces/a/deployments/d/scale",
     Action::subresource,
     "apps|v1|a|deployments|d|scale"},
    {"legacy_watch", "/api/v1/watch/namespaces/a/pods", Action::watch_collection, "|v1|a|pods||"},
    {"legacy_watch_one",
     "/api/v1/watch/namespaces/a/pods/p",
     Action::watch_object,
     "|v1|a|pods|p|"},
    {"legacy_watch_all",
     "/apis/apps/v1/watch/deployments",
     Action::watch_collection,
     "apps|v1||deployments||"},
    {"escaped_name",
     "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
     Action::object,
     "rbac.authorization.k8s.io|v1||clusterroles|system:node|"},
    {"join", "/tetrarch/v1/join", Action::join, "|||||"},
    {"feed", "/tetrarch/v1/nodes/n1/feed", Action::feed, "||||n1|"},
    {"health_check", "/readyz/store", Action::health, "||||store|"},
    {"openapi_core", "/openapi/v3/api/v1", Action::openapi_v3, "|v1||||"},
    {"openapi_group", "/openapi/v3/apis/apps/v1", Action::openapi_v3, "apps|v1||||"},
});

class PathTest : public testing::TestWithParam<PathRow> {};

TEST_P(PathTest, FindsItsRow) {
  const auto found = match(GetParam().path);

  ASSERT_NE(found.route, nullptr);
  EXPECT_EQ(found.route->action, GetParam().action);
  EXPECT_EQ(words(found), GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(Table, PathTest, testing::ValuesIn(kPaths), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Routes, KnowNothingElse) {
  for (const auto* path : {"/nope",
                           "/api/v2",
                           "/api/v1/pods/p/log/more",
                           "/api/v1/namespaces/a/secrets/p/proxy/x",
                           "/api/v1/namespaces/proxy/x/y/z/proxy/a",
                           "/api/v1/nodes/a%2Fb",
                           "/api/v1/nodes/..",
                           "/tetrarch/v1"}) {
    EXPECT_EQ(words(match(path)), "none") << path;
  }
}

TEST(Routes, RefuseABrokenEscape) {
  EXPECT_EQ(match_path("/api/v1/nodes/%zz").ok(), false);
}

TEST(Routes, RefuseAPathThatIsNotUtf8) {
  EXPECT_EQ(match_path("/api/v1/nodes/%ff%fe").error().code, Code::malformed);
  EXPECT_EQ(match_path("/api/v1/nodes/\xC0\xAF").error().code, Code::malformed);
  EXPECT_EQ(match_path("/api/v1/nodes/%C3%A4")->name, "ä");
}

TEST(Routes, LeaveNoWayUp) {
  for (const auto* path :
       {"/api/v1/../metrics", "/healthz/%2e%2e/metrics", "/api/v1/nodes/..%2f..", "/./version"}) {
    EXPECT_EQ(match_path(path)->route, nullptr) << path;
  }
}

struct TailRow {
  std::string_view name;
  std::string_view path;
  std::string_view parts;
  std::string_view tail;
};

void PrintTo(const TailRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kTails = std::to_array<TailRow>({
    {"none", "/api/v1/namespaces/a/pods/p/proxy", "|v1|a|pods|p|proxy", ""},
    {"slash", "/api/v1/namespaces/a/services/s/proxy/", "|v1|a|services|s|proxy", "/"},
    {"port",
     "/api/v1/namespaces/a/services/https:s:web/proxy/x",
     "|v1|a|services|https:s:web|proxy",
     "/x"},
    {"escaped_port",
     "/api/v1/namespaces/a/services/s%3A80/proxy/x/",
     "|v1|a|services|s:80|proxy",
     "/x/"},
    {"unread",
     "/api/v1/namespaces/a/pods/p/proxy//a%2Fb/../%zz/proxy",
     "|v1|a|pods|p|proxy",
     "//a%2Fb/../%zz/proxy"},
    {"node", "/api/v1/nodes/n:9100/proxy/metrics", "|v1||nodes|n:9100|proxy", "/metrics"},
    {"named_proxy",
     "/api/v1/namespaces/proxy/pods/proxy/proxy/a",
     "|v1|proxy|pods|proxy|proxy",
     "/a"},
});

class TailTest : public testing::TestWithParam<TailRow> {};

TEST_P(TailTest, LeavesWhatIsBehindProxyUnread) {
  const auto found = match(GetParam().path);

  ASSERT_NE(found.route, nullptr);
  EXPECT_EQ(found.route->action, Action::proxy);
  EXPECT_EQ(words(found), GetParam().parts);
  EXPECT_EQ(found.tail, GetParam().tail);
}

INSTANTIATE_TEST_SUITE_P(Table, TailTest, testing::ValuesIn(kTails), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Routes, AllowTheMethodsOfTheirRow) {
  const auto found = match("/api/v1/nodes/n1");

  EXPECT_TRUE(found.route->allows("GET"));
  EXPECT_TRUE(found.route->allows("DELETE"));
  EXPECT_FALSE(found.route->allows("POST"));
  EXPECT_FALSE(found.route->allows("GE"));
  EXPECT_FALSE(found.route->allows(""));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
