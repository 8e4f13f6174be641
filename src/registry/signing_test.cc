// SPDX-License-Identifier: Apache-2.0
// CertificateSigningRequests: who may ask, approve and sign, what each signer takes, and what the
// certificate says.
#include <fmt/format.h>

#include "base/encoding.h"
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::HasSubstr;

constexpr std::string_view kRequests = "certificatesigningrequests.certificates.k8s.io";
constexpr std::string_view kClient = "kubernetes.io/kube-apiserver-client";
constexpr std::string_view kKubeletClient = "kubernetes.io/kube-apiserver-client-kubelet";
constexpr std::string_view kApproval =
    R"({"status":{"conditions":[{"type":"Approved","status":"True","reason":"Fine","message":"m"}]}})";

class SigningTest : public RegistryTest {
 protected:
  static std::string body(const trust::Subject& subject,
                          std::string_view signer,
                          std::string_view usages,
                          const std::string& more = "") {
    const auto request = *trust::make_signing_request(subject);
    return fmt::format(
        R"({{"metadata":{{"name":"r"}},"spec":{{"request":"{}","signerName":"{}","usages":{}{}}}}})",
        base64_encode(request.csr_pem),
        signer,
        usages,
        more);
  }

  static std::string plain(const std::string& more = "") {
    return body({"jane", {"team"}}, kClient, R"(["client auth"])", more);
  }

  static std::string of_node(const std::string& node) {
    return body({"system:node:" + node, {"system:nodes"}},
                kKubeletClient,
                R"(["digital signature","client auth"])");
  }

  Call on(std::string subresource) {
    auto out = call(kRequests, "", "r");
    out.subresource = std::move(subresource);
    return out;
  }

  Result<Stored> change(const std::string& subresource, std::string_view patch) {
    return run(registry_->patch(on(subresource), client::PatchType::merge, std::string(patch), {}));
  }

  void act_as(std::string user, std::vector<std::string> groups) {
    groups.emplace_back(trust::kAuthenticated);
    who_ = {std::move(user), "", std::move(groups), {}};
  }

  static trust::CertificateInfo certificate_in(const Stored& request) {
    const auto pem = base64_decode(request.root().find("status.certificate").string());
    EXPECT_TRUE(pem.ok() && !pem->empty()) << request.document->bytes();
    return *trust::read_certificate(*pem);
  }
};

TEST_F(SigningTest, WhoAsksIsWhatTheServerKnows) {
  const auto made =
      create(kRequests, "", plain(R"(,"username":"root","groups":["system:masters"])"));

  ASSERT_EQ(text_of(made), "ok");
  EXPECT_EQ(made->root().find("spec.username").string(), "admin");
  EXPECT_EQ(made->root().find("spec.groups").raw(), R"(["system:masters"])");
  EXPECT_FALSE(made->root().find("status.conditions").exists());
}

TEST_F(SigningTest, AnApprovedRequestIsSignedAtOnce) {
  ASSERT_EQ(text_of(create(kRequests, "", plain(R"(,"expirationSeconds":3600)"))), "ok");

  const auto approved = change("approval", kApproval);

  ASSERT_EQ(text_of(approved), "ok");
  const auto condition = approved->root().find("status.conditions").at(0);
  EXPECT_EQ(condition["lastUpdateTime"].string(), "2026-11-23T00:00:00Z");
  EXPECT_EQ(condition["lastTransitionTime"].string(), "2026-11-23T00:00:00Z");
  const auto certificate = certificate_in(*approved);
  EXPECT_EQ(certificate.subject.common_name, "jane");
  EXPECT_EQ(certificate.subject.organizations, std::vector<std::string>{"team"});
  EXPECT_TRUE(certificate.is_client);
  EXPECT_FALSE(certificate.is_server);
  EXPECT_EQ(certificate.not_after, clock_.now() + std::chrono::hours(1));
}

TEST_F(SigningTest, ADeniedOneIsNot) {
  ASSERT_EQ(text_of(create(kRequests, "", plain())), "ok");

  const auto denied = change(
      "approval",
      R"({"status":{"conditions":[{"type":"Denied","status":"True","reason":"No","message":"m"}]}})");

  ASSERT_EQ(text_of(denied), "ok");
  EXPECT_FALSE(denied->root().find("status.certificate").exists());
  EXPECT_THAT(text_of(change("approval", kApproval)),
              HasSubstr("updates may not remove a condition of type \"Denied\""));
}

TEST_F(SigningTest, WhatASignerDoesNotTakeFails) {
  ASSERT_EQ(
      text_of(create(kRequests, "", body({"jane", {}}, kKubeletClient, R"(["client auth"])"))),
      "ok");

  const auto failed = change("approval", kApproval);

  ASSERT_EQ(text_of(failed), "ok");
  const auto condition = failed->root().find("status.conditions").at(1);
  EXPECT_EQ(condition["type"].string(), "Failed");
  EXPECT_EQ(condition["reason"].string(), "SignerValidationFailure");
  EXPECT_EQ(condition["message"].string(), "subject organization is not system:nodes");
}

TEST_F(SigningTest, OtherSignersAreLeftToOthers) {
  ASSERT_EQ(text_of(create(kRequests, "", body({"x", {}}, "example.com/own", R"(["any"])"))), "ok");

  const auto approved = change("approval", kApproval);
  EXPECT_FALSE(approved->root().find("status.certificate").exists());

  EXPECT_EQ(text_of(change("status", R"({"status":{"certificate":"eA=="}})")), "ok");
  EXPECT_THAT(text_of(change("status", R"({"status":{"certificate":"eQ=="}})")),
              HasSubstr("updates may not change a certificate that is there"));
}

TEST_F(SigningTest, ANodeRenewsItsOwnCertificateAndNobodyElses) {
  act_as("system:node:n1", {"system:nodes"});

  const auto own = create(kRequests, "", of_node("n1"));

  ASSERT_EQ(text_of(own), "ok");
  EXPECT_EQ(own->root().find("status.conditions").at(0)["reason"].string(), "AutoApproved");
  EXPECT_EQ(certificate_in(*own).subject.common_name, "system:node:n1");
  who_ = masters();
  ASSERT_TRUE(remove(kRequests, "", "r").ok());
  act_as("system:node:n1", {"system:nodes"});
  const auto other = create(kRequests, "", of_node("n2"));
  ASSERT_EQ(text_of(other), "ok");
  EXPECT_FALSE(other->root().find("status.conditions").exists());
  EXPECT_THAT(text_of(change("approval", kApproval)), HasSubstr("forbidden"));
}

TEST_F(SigningTest, ApprovingIsAnAccessForEachSigner) {
  ASSERT_EQ(text_of(create(kRequests, "", plain())), "ok");
  ASSERT_TRUE(
      create("clusterroles.rbac.authorization.k8s.io",
             "",
             R"({"metadata":{"name":"clerk"},"rules":[{"apiGroups":["certificates.k8s.io"],)"
             R"("resources":["certificatesigningrequests/approval"],"verbs":["patch"]}]})")
          .ok());
  ASSERT_TRUE(create("clusterrolebindings.rbac.authorization.k8s.io",
                     "",
                     R"({"metadata":{"name":"clerk"},"roleRef":{"apiGroup":)"
                     R"("rbac.authorization.k8s.io","kind":"ClusterRole","name":"clerk"},)"
                     R"("subjects":[{"kind":"User","name":"bob","apiGroup":)"
                     R"("rbac.authorization.k8s.io"}]})")
                  .ok());
  act_as("bob", {});

  EXPECT_THAT(text_of(change("approval", kApproval)),
              HasSubstr("user not permitted to approve requests with signerName "
                        "\"kubernetes.io/kube-apiserver-client\""));
}

TEST_F(SigningTest, NobodyGetsAMastersCertificateThisWay) {
  EXPECT_THAT(text_of(create(
                  kRequests, "", body({"x", {"system:masters"}}, kClient, R"(["client auth"])"))),
              HasSubstr("use of kubernetes.io/kube-apiserver-client signer with system:masters "
                        "group is not allowed"));
}

TEST_F(SigningTest, TheSpecNeverChanges) {
  ASSERT_EQ(text_of(create(kRequests, "", plain())), "ok");

  const auto changed = merge(
      kRequests, "", "r", R"({"metadata":{"labels":{"a":"b"}},"spec":{"signerName":"a.b/c"}})");

  ASSERT_EQ(text_of(changed), "ok");
  EXPECT_EQ(changed->root().find("spec.signerName").string(), kClient);
  EXPECT_EQ(changed->metadata()["labels"]["a"].string(), "b");
}

TEST_F(SigningTest, BadRequestsAreRefused) {
  const auto bad = [&](const std::string& json) { return text_of(create(kRequests, "", json)); };

  EXPECT_THAT(bad(R"({"metadata":{"name":"r"},"spec":{"request":"eA==","signerName":"a.b/c",)"
                  R"("usages":["any"]}})"),
              HasSubstr("spec.request: Invalid value: \"eA==\": PEM block type must be "
                        "CERTIFICATE REQUEST"));
  EXPECT_THAT(bad(body({"x", {}}, kClient, "[]")),
              HasSubstr("spec.usages: Required value: usages is required"));
  EXPECT_THAT(bad(body({"x", {}}, "unqualified", R"(["any"])")),
              HasSubstr("must be a fully qualified domain and path of the form "
                        "'example.com/signer-name'"));
  EXPECT_THAT(bad(plain(R"(,"expirationSeconds":5)")), HasSubstr("spec.expirationSeconds"));
}

}  // namespace
}  // namespace tetrarch::registry
