// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <ostream>

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/random.h"
#include "trust/at_rest.h"
#include "trust/bearer_tokens.h"
#include "trust/service_account_token.h"
#include "trust/sha256.h"

namespace tetrarch::trust {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr TimePoint kNow{seconds(1'795'000'000)};
constexpr std::string_view kIssuer = "https://kubernetes.default.svc.cluster.local";

TokenClaims claims_of_web() {
  return {.issuer = std::string(kIssuer),
          .subject = "system:serviceaccount:shop:web",
          .audiences = {"api", "vault"},
          .issued_at = kNow,
          .not_before = kNow,
          .expires_at = kNow + hours(1),
          .id = "9c1d0f5e",
          .ns = "shop",
          .service_account = {"web", "uid-1"},
          .pod = {"web-0", "uid-2"},
          .node = {"one", "uid-3"}};
}

/// The token with another header or other claims, signed as before.
std::string with_part(const std::string& token, int part, std::string_view json) {
  const auto first = token.find('.');
  const auto last = token.rfind('.');
  const auto encoded = base64url_encode(json);
  return part == 0 ? encoded + token.substr(first)
                   : token.substr(0, first + 1) + encoded + token.substr(last);
}

TEST(TokenKeys, VerifyWhatTheyIssue) {
  const auto keys = *TokenKeys::create();

  const auto token = keys.issue(claims_of_web());
  const auto claims = keys.verify(*token, kIssuer, "vault", kNow);

  ASSERT_TRUE(claims.ok()) << claims.error().message;
  EXPECT_EQ(*claims, claims_of_web());
  const auto identity = claims->identity();
  EXPECT_EQ(identity.user, "system:serviceaccount:shop:web");
  EXPECT_EQ(identity.groups,
            (std::vector<std::string>{
                "system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}));
  EXPECT_EQ(identity.extra.at("authentication.kubernetes.io/pod-name"),
            std::vector<std::string>{"web-0"});
  EXPECT_EQ(identity.extra.at("authentication.kubernetes.io/credential-id"),
            std::vector<std::string>{"JTI=9c1d0f5e"});
}

TEST(TokenKeys, SayWhyATokenIsRefused) {
  const auto keys = *TokenKeys::create();
  const auto token = *keys.issue(claims_of_web());
  const auto why = [&](std::string_view text,
                       TimePoint now,
                       std::string_view issuer,
                       std::string_view audience) {
    const auto claims = keys.verify(text, issuer, audience, now);
    EXPECT_FALSE(claims.ok()) << text;
    EXPECT_EQ(claims.ok() ? Code::unauthenticated : claims.error().code, Code::unauthenticated);
    return claims.ok() ? "" : claims.error().message;
  };

  EXPECT_EQ(why(token, kNow + hours(1), kIssuer, ""), "service account token has expired");
  EXPECT_EQ(why(token, kNow - hours(1), kIssuer, ""), "service account token is not valid yet");
  EXPECT_EQ(why(token, kNow, kIssuer, "other"),
            "token audiences [\"api\" \"vault\"] is invalid for the target audiences [\"other\"]");
  EXPECT_EQ(why(token, kNow, "https://elsewhere", ""),
            "the token was issued by \"" + std::string(kIssuer) + "\", not by this cluster");
  for (const std::string text : {"", "a", "a.b", "a.b.c.d", "..", "!.!.!"}) {
    EXPECT_TRUE(why(text, kNow, kIssuer, "").starts_with("malformed token")) << text;
  }
  EXPECT_TRUE(
      why(token + std::string(20'000, 'A'), kNow, kIssuer, "").starts_with("malformed token"));
}

TEST(TokenKeys, RefuseTokensThatWereTamperedWith) {
  const auto keys = *TokenKeys::create();
  const auto token = *keys.issue(claims_of_web());
  const auto why = [&](const std::string& text) {
    const auto claims = keys.verify(text, kIssuer, "", kNow);
    return claims.ok() ? std::string("accepted") : claims.error().message;
  };

  auto claims = claims_of_web();
  claims.subject = "system:serviceaccount:kube-system:admin";
  const auto forged = *TokenKeys::create()->issue(claims);
  EXPECT_EQ(why(forged), "the token is signed with a key that is not known here");
  const auto header = token.substr(0, token.find('.'));
  EXPECT_EQ(why(header + forged.substr(forged.find('.'))), "invalid signature");
  EXPECT_EQ(why(with_part(token, 1, R"({"sub":"system:serviceaccount:kube-system:admin"})")),
            "invalid signature");
  EXPECT_EQ(why(with_part(token, 0, R"({"alg":"none"})")),
            "unexpected signature algorithm \"none\"; expected \"ES256\"");
  EXPECT_EQ(why(with_part(token, 0, R"({"alg":"HS256"})")),
            "unexpected signature algorithm \"HS256\"; expected \"ES256\"");
  EXPECT_EQ(why(with_part(token, 0, R"({"alg":"ES256","crit":["exp"]})")),
            "malformed token: it demands extensions that are not supported");
  EXPECT_EQ(why(token.substr(0, token.rfind('.') + 1)), "invalid signature");
  EXPECT_EQ(why(token.substr(0, token.rfind('.') + 1) + base64url_encode(std::string(64, '\0'))),
            "invalid signature");
  EXPECT_EQ(why(token), "accepted");
}

TEST(TokenKeys, RefuseASubjectThatIsNotTheAccountItNames) {
  const auto keys = *TokenKeys::create();
  auto claims = claims_of_web();
  claims.subject = "system:serviceaccount:shop:other";

  EXPECT_FALSE(keys.verify(*keys.issue(claims), kIssuer, "", kNow).ok());
}

TEST(TokenKeys, AcceptOldTokensAfterRotation) {
  const auto old_keys = *TokenKeys::create();
  const auto keys = *old_keys.rotated();
  const auto reread = *TokenKeys::from_pem(*keys.to_pem());

  EXPECT_TRUE(reread.verify(*old_keys.issue(claims_of_web()), kIssuer, "", kNow).ok());
  EXPECT_TRUE(reread.verify(*keys.issue(claims_of_web()), kIssuer, "", kNow).ok());
  EXPECT_FALSE(old_keys.verify(*keys.issue(claims_of_web()), kIssuer, "", kNow).ok());
  EXPECT_EQ(reread.jwks(), keys.jwks());
  EXPECT_TRUE(keys.jwks().starts_with(R"({"keys":[{"use":"sig","kty":"EC","kid":")"));
}

TEST(TokenKeys, RefuseUnusableKeyFiles) {
  EXPECT_FALSE(TokenKeys::from_pem("").ok());
  EXPECT_FALSE(
      TokenKeys::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").ok());
  EXPECT_FALSE(TokenKeys::from_pem("-----BEGIN RSA PRIVATE KEY-----\n").ok());
}

TEST(BootstrapToken, IsMadeAndReadBack) {
  const auto token = BootstrapToken::make(system_random());

  EXPECT_EQ(*BootstrapToken::parse(token.text()), token);
  EXPECT_EQ(token.id.size(), 6U);
  EXPECT_EQ(token.secret.size(), 16U);
  EXPECT_NE(BootstrapToken::make(system_random()), token);
}

TEST(BootstrapToken, RefusesOtherFormsWithoutRepeatingThem) {
  for (const std::string_view text : {"",
                                      "abcdef",
                                      "abcdef.",
                                      "abcdef.0123456789ABCDEF",
                                      "abcde.0123456789abcdef",
                                      "abcdef.0123456789abcdef0",
                                      "abcdef.01234567.9abcdef"}) {
    const auto token = BootstrapToken::parse(text);
    ASSERT_FALSE(token.ok()) << text;
    EXPECT_EQ(token.error().message, "a bootstrap token has the form [a-z0-9]{6}.[a-z0-9]{16}");
  }
}

TEST(JoinToken, IsReadBackAndRefusesOtherForms) {
  const JoinToken token{std::string(64, 'a'), {"abcdef", "0123456789abcdef"}};

  EXPECT_EQ(*JoinToken::parse(token.text()), token);
  EXPECT_EQ(*JoinToken::parse("  " + token.text() + "\r"), token);
  for (const std::string& text :
       {std::string("tetrarch1."),
        std::string("abcdef.0123456789abcdef"),
        "tetrarch2." + std::string(64, 'a') + ".abcdef.0123456789abcdef",
        "tetrarch1." + std::string(64, 'g') + ".abcdef.0123456789abcdef",
        "tetrarch1." + std::string(63, 'a') + ".abcdef.0123456789abcdef"}) {
    EXPECT_FALSE(JoinToken::parse(text).ok()) << text;
  }
}

TEST(StaticTokens, KnowWhoShowsThem) {
  const auto tokens =
      StaticTokens::parse("# comment\nsecret1,ann,1,\"system:masters, ops\"\n\nsecret2,bob,2\r\n");

  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  const auto ann = tokens->find("secret1");
  ASSERT_TRUE(ann.has_value());
  EXPECT_EQ(ann->user, "ann");
  EXPECT_EQ(ann->groups,
            (std::vector<std::string>{"system:masters", "ops", "system:authenticated"}));
  EXPECT_EQ(tokens->find("secret2")->user, "bob");
  EXPECT_EQ(tokens->find("secret"), std::nullopt);
  EXPECT_EQ(tokens->find(""), std::nullopt);
}

TEST(StaticTokens, RefuseLinesThatAreNotOfTheForm) {
  EXPECT_EQ(StaticTokens::parse("a,b,c\nonly-one\n").error().message,
            "line 2 of the token file is not token,user,uid[,\"group1,group2\"]");
  EXPECT_FALSE(StaticTokens::parse(",user,1").ok());
  EXPECT_FALSE(StaticTokens::parse("a,b,c,\"d").ok());
}

TEST(KeyRing, OpensWhatItSealedInTheSameContextOnly) {
  const auto ring = KeyRing::create(system_random());

  const auto sealed = ring.seal("secrets/shop/db", "password");

  EXPECT_EQ(*ring.open("secrets/shop/db", sealed), "password");
  EXPECT_EQ(ring.open("secrets/shop/other", sealed).error().message,
            "a value at rest was changed, or belongs to another key of the store");
  EXPECT_EQ(*ring.open("", ring.seal("", "")), "");
  EXPECT_NE(ring.seal("a", "b"), ring.seal("a", "b")) << "nonces differ";
  EXPECT_EQ(sealed.find("password"), std::string::npos);
}

TEST(KeyRing, NoticesEveryChangedByteAndEveryCut) {
  const auto ring = KeyRing::create(system_random());
  const auto sealed = ring.seal("key", "value");

  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    EXPECT_FALSE(ring.open("key", changed).ok()) << i;
    EXPECT_FALSE(ring.open("key", sealed.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(ring.open("key", sealed + "x").ok());
}

TEST(KeyRing, OpensOldValuesAfterRotationAndKnowsThem) {
  const auto old_ring = KeyRing::create(system_random());
  const auto ring = old_ring.rotated(system_random());
  const auto sealed = old_ring.seal("key", "value");

  EXPECT_EQ(*ring.open("key", sealed), "value");
  EXPECT_TRUE(ring.is_stale(sealed));
  EXPECT_FALSE(ring.is_stale(ring.seal("key", "value")));
  EXPECT_TRUE(ring.is_stale("plain"));
  EXPECT_FALSE(KeyRing::is_sealed("{\"kind\":1}"));
  EXPECT_EQ(old_ring.open("key", ring.seal("key", "value")).error().message,
            "a value at rest is sealed with a key that is not in the key ring");
}

TEST(KeyRing, RefusesDamagedFiles) {
  for (const std::string_view text : {"",
                                      "tetrarch-keys-1\n",
                                      "tetrarch-keys-2\n00000001 AAAA\n",
                                      "tetrarch-keys-1\n00000001 AAAA\n",
                                      "tetrarch-keys-1\nxyz\n"}) {
    EXPECT_FALSE(KeyRing::from_text(text).ok()) << text;
  }
  EXPECT_TRUE(
      KeyRing::from_text("tetrarch-keys-1\n0000000a " + base64_encode(std::string(32, 'k')) + "\n")
          .ok());
}

TEST(Sha256, GivesTheKnownDigests) {
  // Source: FIPS 180-4 example "abc"; RFC 4231, test case 2.
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_encode(Sha256().update("a").update("bc").finish()), sha256_hex("abc"));
  EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_TRUE(is_equal_secret("a", "a"));
  EXPECT_FALSE(is_equal_secret("a", "b"));
  EXPECT_FALSE(is_equal_secret("a", "aa"));
}

}  // namespace
}  // namespace tetrarch::trust
