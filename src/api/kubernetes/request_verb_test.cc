// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/request_verb.h"

#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

struct VerbRow {
  std::string_view name;
  std::string_view method;
  std::string_view path;
  std::string_view query;
  std::string_view verb;
  bool is_long = false;
};

void PrintTo(const VerbRow& row, std::ostream* out) {
  *out << row.name;
}

class VerbTest : public ::testing::TestWithParam<VerbRow> {};

TEST_P(VerbTest, IsKnownFromTheRoute) {
  const auto& row = GetParam();
  const auto found = match_path(row.path);
  ASSERT_TRUE(found.ok());
  const auto& match = *found;
  net::Request request;
  request.method = row.method;
  request.path = row.path;
  request.query = row.query;

  const auto verb = verb_of(match, request);

  EXPECT_EQ(verb, row.verb);
  EXPECT_EQ(is_long_running(match, request), row.is_long);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    VerbTest,
    ::testing::Values(
        VerbRow{"list", "GET", "/api/v1/pods", "", "list"},
        VerbRow{"watch", "GET", "/api/v1/pods", "limit=1&watch=true", "watch", true},
        VerbRow{"bare_watch", "GET", "/api/v1/pods", "watch", "watch", true},
        VerbRow{"broken_watch", "GET", "/api/v1/pods", "watch=perhaps", "watch", true},
        VerbRow{"upper_no_watch", "GET", "/api/v1/pods", "watch=False", "list"},
        VerbRow{"no_watch", "GET", "/api/v1/pods", "watch=false", "list"},
        VerbRow{"old_watch", "GET", "/api/v1/watch/pods", "", "watch", true},
        VerbRow{"create", "POST", "/api/v1/namespaces/a/pods", "", "create"},
        VerbRow{"delete_all", "DELETE", "/api/v1/namespaces/a/pods", "", "deletecollection"},
        VerbRow{"get", "GET", "/apis/apps/v1/namespaces/a/deployments/d", "", "get"},
        VerbRow{"update", "PUT", "/apis/apps/v1/namespaces/a/deployments/d", "", "update"},
        VerbRow{"patch", "PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "", "patch"},
        VerbRow{"delete_one", "DELETE", "/api/v1/namespaces/a/pods/p", "", "delete"},
        VerbRow{"log", "GET", "/api/v1/namespaces/a/pods/p/log", "", "get", true},
        VerbRow{"exec", "POST", "/api/v1/namespaces/a/pods/p/exec", "", "create", true},
        VerbRow{"proxy", "PUT", "/api/v1/namespaces/a/pods/p/proxy/x", "", "update", true},
        VerbRow{"proxy_head", "HEAD", "/api/v1/namespaces/a/services/s/proxy", "", "get", true},
        VerbRow{"feed", "GET", "/tetrarch/v1/nodes/n/feed", "", "get", true},
        VerbRow{"path", "GET", "/version", "", "get"},
        VerbRow{"unknown", "POST", "/nothing/of/that", "", "post"}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace tetrarch::api::kubernetes
