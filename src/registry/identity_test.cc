// SPDX-License-Identifier: Apache-2.0
// Who is believed: tokens that lie in every way that we know, certificates without groups, and what
// is left for somebody who shows nothing.
#include "base/encoding.h"
#include "registry/fixture.h"
#include "trust/jwt.h"

namespace tetrarch::registry {
namespace {

using testing::HasSubstr;

constexpr std::string_view kIssuer = "https://kubernetes.default.svc.cluster.local";

class IdentityTest : public RegistryTest {
 protected:
  IdentityTest() { open_namespace("default"); }

  Result<trust::Identity> show(const std::string& token, std::string audience = "") const {
    Credentials shown;
    shown.authorization = "Bearer " + token;
    shown.audience = std::move(audience);
    return registry_->authenticate(shown);
  }

  /// What a service account token of this cluster says.
  trust::TokenClaims claims() {
    trust::TokenClaims out;
    out.issuer = kIssuer;
    out.subject = "system:serviceaccount:default:default";
    out.audiences = {std::string(kIssuer)};
    out.issued_at = clock_.now();
    out.not_before = clock_.now();
    out.expires_at = clock_.now() + std::chrono::hours(1);
    out.id = "1";
    out.ns = "default";
    out.service_account = {"default",
                           std::string(get("serviceaccounts", "default", "default")->uid())};
    return out;
  }

  static std::string with_header(const std::string& token, std::string_view header) {
    return base64url_encode(header) + token.substr(token.find('.'));
  }
};

TEST_F(IdentityTest, AServiceAccountTokenThatLiesIsRefused) {
  const auto stranger = *trust::TokenKeys::create();
  const auto honest = *keys_->issue(claims());
  ASSERT_EQ(text_of(show(honest)), "ok");

  auto expired = claims();
  expired.expires_at = clock_.now() - std::chrono::seconds(60);
  auto early = claims();
  early.not_before = clock_.now() + std::chrono::hours(1);
  auto foreign = claims();
  foreign.issuer = "https://elsewhere";
  auto for_vault = claims();
  for_vault.audiences = {"vault"};
  auto other_subject = claims();
  other_subject.subject = "system:serviceaccount:kube-system:admin";
  auto nobody = claims();
  nobody.service_account.name = "gone";
  nobody.subject = "system:serviceaccount:default:gone";
  auto predecessor = claims();
  predecessor.service_account.uid = "11111111-1111-1111-1111-111111111111";
  auto of_no_pod = claims();
  of_no_pod.pod = {"gone", "u"};
  auto of_no_secret = claims();
  of_no_secret.secret = {"gone", "u"};
  const auto signature = honest.rfind('.');
  const std::vector<std::pair<std::string, std::string>> lies = {
      {"another key", *stranger.issue(claims())},
      {"expired", *keys_->issue(expired)},
      {"not valid yet", *keys_->issue(early)},
      {"another issuer", *keys_->issue(foreign)},
      {"another audience", *keys_->issue(for_vault)},
      {"a subject that is not its account", *keys_->issue(other_subject)},
      {"an account that is gone", *keys_->issue(nobody)},
      {"an account of that name that came later", *keys_->issue(predecessor)},
      {"a pod that is gone", *keys_->issue(of_no_pod)},
      {"a secret that is gone", *keys_->issue(of_no_secret)},
      {"algorithm none", with_header(honest, R"({"alg":"none"})")},
      {"algorithm none, unsigned",
       with_header(honest.substr(0, signature + 1), R"({"alg":"none"})")},
      {"the public key as a shared secret", with_header(honest, R"({"alg":"HS256"})")},
      {"no signature", honest.substr(0, signature + 1)},
      {"a cut signature", honest.substr(0, honest.size() - 4)},
      {"something behind it", honest + "AAAA"},
      {"nothing", ""},
      {"dots", ".."},
      {"long", std::string(100'000, 'a') + "." + std::string(100'000, 'b') + ".c"},
  };
  for (const auto& [what, token] : lies) {
    const auto who = show(token);
    ASSERT_FALSE(who.ok()) << what << " is believed: " << who->user;
    EXPECT_EQ(who.error().code, Code::unauthenticated) << what;
    EXPECT_EQ(
        who.error().message.find(token.substr(0, 40)) != std::string::npos && token.size() > 2,
        false)
        << what << ": the message repeats the token";
  }
  EXPECT_EQ(text_of(show(*keys_->issue(for_vault), "vault")), "ok");
}

TEST_F(IdentityTest, AReviewSaysWhyInItsStatus) {
  const auto review = [&](const std::string& token) {
    return create(
        "tokenreviews.authentication.k8s.io", "", R"({"spec":{"token":")" + token + R"("}})");
  };

  const auto good = review(*keys_->issue(claims()));
  ASSERT_TRUE(good.ok()) << text_of(good);
  EXPECT_EQ(good->root().find("status.user.username").string(),
            "system:serviceaccount:default:default");
  const auto bad = review("a.b.c");
  ASSERT_TRUE(bad.ok()) << text_of(bad);
  EXPECT_FALSE(bad->root().find("status.authenticated").boolean());
  EXPECT_FALSE(bad->root().find("status.error").string().empty());
}

TEST_F(IdentityTest, AReviewTellsWhichAudiencesATokenIsFor) {
  auto meant = claims();
  meant.audiences = {"vault", std::string(kIssuer)};
  const auto token = *keys_->issue(meant);
  const auto review = [&](const std::string& shown, const std::string& audiences) {
    return *create("tokenreviews.authentication.k8s.io",
                   "",
                   R"({"spec":{"token":")" + shown + R"(","audiences":)" + audiences + "}}");
  };

  EXPECT_EQ(review(token, R"(["bank","vault"])").root().find("status.audiences").raw(),
            R"(["vault"])");
  EXPECT_EQ(review(token, "[]").root().find("status.audiences").raw(),
            "[\"" + std::string(kIssuer) + "\"]");
  EXPECT_FALSE(review(token, R"(["bank"])").root().find("status.authenticated").boolean());
  EXPECT_FALSE(
      review("secret-of-ann", R"(["vault"])").root().find("status.authenticated").boolean());
  EXPECT_TRUE(review("secret-of-ann", "[]").root().find("status.authenticated").boolean());
  EXPECT_EQ(text_of(create("tokenreviews.authentication.k8s.io", "", R"({"spec":{"token":""}})")),
            "malformed: token is required for TokenReview in authentication");
}

TEST_F(IdentityTest, ATokenBoundToANodeLivesAsLongAsTheNode) {
  ASSERT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1"}})").ok());
  auto where = call("serviceaccounts", "default", "default");
  where.subresource = "token";
  const auto asked = create_in(
      where, R"({"spec":{"boundObjectRef":{"kind":"Node","apiVersion":"v1","name":"n1"}}})");
  ASSERT_EQ(text_of(asked), "ok");
  const std::string token(asked->root().find("status.token").string());

  EXPECT_EQ(show(token)->extra.at("authentication.kubernetes.io/node-name").at(0), "n1");
  ASSERT_TRUE(remove("nodes", "", "n1").ok());

  EXPECT_FALSE(show(token).ok());
  EXPECT_EQ(text_of(create_in(where, R"({"spec":{"boundObjectRef":{"kind":"Lease","name":"x"}}})")),
            "malformed: cannot bind token for serviceaccount \"default\" to type Lease: only Pod, "
            "Secret and Node are supported");
}

TEST_F(IdentityTest, KeysThatAreReplacedGoOnCheckingWhatTheySigned) {
  const auto old = *keys_->issue(claims());
  const auto key_set = keys_->jwks();

  keys_->replace(*keys_->rotated());

  EXPECT_NE(keys_->jwks(), key_set);
  EXPECT_EQ(text_of(show(old)), "ok");
  EXPECT_EQ(text_of(show(*keys_->issue(claims()))), "ok");
}

TEST_F(IdentityTest, BootstrapTokensOfWrongSecretOrUseAreRefused) {
  const auto secret = [&](const std::string& id, const std::string& more) {
    const auto made =
        create("secrets",
               "kube-system",
               R"({"metadata":{"name":"bootstrap-token-)" + id +
                   R"("},"type":"bootstrap.kubernetes.io/token","stringData":{)" +
                   R"("token-id":")" + id + R"(","token-secret":"0123456789abcdef")" + more + "}}");
    ASSERT_TRUE(made.ok()) << text_of(made);
  };
  secret("aaaaaa", R"(,"usage-bootstrap-authentication":"true")");
  secret("bbbbbb", R"(,"usage-bootstrap-signing":"true")");
  secret("cccccc",
         R"(,"usage-bootstrap-authentication":"true",)"
         R"("auth-extra-groups":"system:masters,system:bootstrappers:x")");

  EXPECT_EQ(text_of(show("aaaaaa.0123456789abcdef")), "ok");
  for (const auto* token : {"aaaaaa.0123456789abcdee",
                            "aaaaaa.0123456789abcde",
                            "aaaaaa.",
                            "aaaaaa.0123456789abcdef0",
                            "AAAAAA.0123456789abcdef",
                            "dddddd.0123456789abcdef",
                            "bbbbbb.0123456789abcdef"}) {
    EXPECT_FALSE(show(token).ok()) << token;
  }
  const auto grouped = show("cccccc.0123456789abcdef");
  ASSERT_TRUE(grouped.ok()) << text_of(grouped);
  EXPECT_FALSE(grouped->is_in(trust::kMasters));
  EXPECT_TRUE(grouped->is_in("system:bootstrappers:x"));
}

TEST_F(IdentityTest, GuessingAtABootstrapTokenLearnsNothingFromTheAnswers) {
  const auto of_nobody = show("zzzzzz.0000000000000000");
  ASSERT_TRUE(create("secrets",
                     "kube-system",
                     R"({"metadata":{"name":"bootstrap-token-aaaaaa"},)"
                     R"("type":"bootstrap.kubernetes.io/token","stringData":{"token-id":"aaaaaa",)"
                     R"("token-secret":"0123456789abcdef",)"
                     R"("usage-bootstrap-authentication":"true"}})")
                  .ok());
  const auto of_somebody = show("aaaaaa.0000000000000000");

  EXPECT_EQ(text_of(of_nobody), text_of(of_somebody));
}

TEST_F(IdentityTest, ACertificateWithoutGroupsIsAPlainUser) {
  Credentials shown;
  shown.certificate_user = "system:node:n1";

  const auto who = registry_->authenticate(shown);

  ASSERT_TRUE(who.ok());
  EXPECT_EQ(who->groups, std::vector<std::string>{std::string(trust::kAuthenticated)});
  Attributes asked{"get"};
  asked.resource = "nodes";
  asked.name = "n1";
  EXPECT_FALSE(registry_->authorize(*who, asked).ok());
}

TEST_F(IdentityTest, OtherSchemesAreNoTokens) {
  for (const auto* header : {"Basic YTpi", "Bearer", "Negotiate x", "bearer", "Digest a=b"}) {
    Credentials shown;
    shown.authorization = header;
    EXPECT_FALSE(registry_->authenticate(shown).ok()) << header;
  }
}

TEST_F(IdentityTest, WhoShowsNothingMayDoNothingToAnyKind) {
  const auto nobody = *registry_->authenticate({});
  EXPECT_EQ(nobody.user, "system:anonymous");
  for (const auto& kind : builtin_catalog().kinds()) {
    for (const auto& verb : {"get", "list", "watch", "create", "update", "patch", "delete"}) {
      Attributes asked{verb};
      asked.group = kind->group;
      asked.resource = kind->plural;
      EXPECT_FALSE(registry_->authorize(nobody, asked).ok()) << verb << " " << kind->kind;
      asked.ns = "default";
      EXPECT_FALSE(registry_->authorize(nobody, asked).ok()) << verb << " " << kind->kind;
    }
  }
  for (const auto* path : {"/", "/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/x"}) {
    Attributes asked{"get"};
    asked.path = path;
    EXPECT_FALSE(registry_->authorize(nobody, asked).ok()) << path;
  }
}

TEST_F(IdentityTest, AnonymousCanBeShutOutWholly) {
  Options options;
  options.allows_anonymous = false;
  restart(options);

  EXPECT_EQ(registry_->authenticate({}).error().code, Code::unauthenticated);
}

}  // namespace
}  // namespace tetrarch::registry
