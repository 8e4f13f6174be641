// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/api_fixture.h"

namespace tetrarch::api::kubernetes {
namespace {

net::Request as_node(net::Request question, const std::string& node) {
  question.headers = {};
  question.peer.certificate_common_name = "system:node:" + node;
  question.peer.certificate_organizations = {"system:nodes"};
  return question;
}

TEST_F(ApiTest, JoinGivesACertificateForAToken) {
  const auto& answer = send("POST",
                            "/tetrarch/v1/join",
                            R"({"node":"n1","csr":"REQUEST","token":"abcdef.0123456789abcdef"})",
                            "application/json");

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"certificate":"signed REQUEST for n1","ca":"the CA","settings":{}})");
}

TEST_F(ApiTest, JoinNeedsAKnownTokenAndANodeName) {
  EXPECT_EQ(send("POST", "/tetrarch/v1/join", R"({"node":"n1","csr":"R","token":"stolen"})").status,
            401);
  EXPECT_EQ(send("POST", "/tetrarch/v1/join", R"({"node":"n1","csr":"R"})").status, 401);
  EXPECT_EQ(send("POST", "/tetrarch/v1/join", "node").status, 400);
  for (const auto* name : {"", "N1", "-n", "a/b", "a b"}) {
    const auto body =
        std::string(R"({"token":"abcdef.0123456789abcdef","csr":"R","node":")") + name + "\"}";
    EXPECT_EQ(send("POST", "/tetrarch/v1/join", body).status, 400) << name;
  }
}

TEST_F(ApiTest, TellsHowItsTokensAreChecked) {
  const auto& about = get("/.well-known/openid-configuration");
  EXPECT_EQ(about.status, 200);
  EXPECT_EQ(about.json()->root()["issuer"].string(), "https://issuer");
  EXPECT_EQ(about.json()->root()["jwks_uri"].string(), "https://127.0.0.1:6443/openid/v1/jwks");
  EXPECT_EQ(about.json()->root()["id_token_signing_alg_values_supported"].raw(), R"(["ES256"])");

  const auto& keys = get("/openid/v1/jwks");
  EXPECT_EQ(keys.status, 200);
  EXPECT_EQ(keys.body, R"({"keys":[]})");
  EXPECT_EQ(keys.headers.get("Content-Type"), "application/jwk-set+json");
}

TEST_F(ApiTest, FeedIsReadByItsNodeUnderItsOwnIdentity) {
  auto watch = std::make_unique<FakeWatch>();
  watch->batches.push_back(
      {{client::EventType::added, stored("pods", R"({"kind":"Pod","metadata":{"name":"p"}})", 3)},
       {client::EventType::bookmark, {{}, Revision{4}, nullptr}}});
  watch->error = Error{Code::expired, "the node fell behind"};
  registry_.next_watch = std::move(watch);

  const auto& answer = call(as_node(request("GET", "/tetrarch/v1/nodes/n1/feed"), "n1"));

  EXPECT_EQ(registry_.client_identity.user, "system:node:n1");
  EXPECT_THAT(
      answer.body,
      testing::StartsWith(
          R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"resourceVersion":"3","name":)"
          R"("p"}}})"
          "\n"
          R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"4"}}})"
          "\n"
          R"({"type":"ERROR")"));
}

TEST_F(ApiTest, FeedOfAnotherNodeIsForbidden) {
  EXPECT_EQ(call(as_node(request("GET", "/tetrarch/v1/nodes/n1/feed"), "n2")).status, 403);
  EXPECT_EQ(get("/tetrarch/v1/nodes/n1/feed").status, 403);
  EXPECT_EQ(get("/tetrarch/v1/nodes/n1/reach").status, 403);
}

TEST_F(ApiTest, ReachTakesTheConnectionOver) {
  auto question = as_node(request("GET", "/tetrarch/v1/nodes/n1/reach"), "n1");
  question.headers.add("Upgrade", "tetrarch-reach");

  const auto& answer = call(std::move(question));

  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers.get("Upgrade"), "tetrarch-reach");
  EXPECT_EQ(attached_node_, "n1");
  EXPECT_EQ(attached_peer_, "system:node:n1") << "who asks over it";
}

TEST_F(ApiTest, ReachNeedsTheUpgradeHeader) {
  EXPECT_EQ(call(as_node(request("GET", "/tetrarch/v1/nodes/n1/reach"), "n1")).status, 400);
  EXPECT_EQ(attached_node_, "");
}

}  // namespace
}  // namespace tetrarch::api::kubernetes
