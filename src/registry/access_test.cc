// SPDX-License-Identifier: Apache-2.0
// Who may do what: RBAC, nodes, escalation; and who is who: tokens and certificates.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class AccessTest : public RegistryTest {
 protected:
  AccessTest() { open_namespace("default"); }

  void grant(const std::string& user, const std::string& role, const std::string& ns = "") {
    const auto subjects =
        R"("subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":")" + user +
        R"("}])";
    const auto made = create(
        ns.empty() ? "clusterrolebindings.rbac.authorization.k8s.io"
                   : "rolebindings.rbac.authorization.k8s.io",
        ns,
        R"({"metadata":{"name":")" + user + "-" + role + R"("},)" + subjects +
            R"(,"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":")" +
            role + R"("}})");
    ASSERT_TRUE(made.ok()) << text_of(made);
  }

  std::string may(const trust::Identity& who, Attributes asked) {
    const auto answer = registry_->authorize(who, asked);
    return answer.ok() ? "yes" : answer.error().message;
  }

  static Attributes on(std::string verb,
                       std::string resource,
                       std::string ns = "",
                       std::string name = "") {
    Attributes out{std::move(verb)};
    out.resource = std::move(resource);
    out.ns = std::move(ns);
    out.name = std::move(name);
    return out;
  }

  static trust::Identity node(const std::string& name) {
    return {"system:node:" + name, "", {"system:nodes", "system:authenticated"}, {}};
  }
};

TEST_F(AccessTest, NobodyMayAnythingAtFirst) {
  who_ = plain_user("bob");

  EXPECT_EQ(text_of(list("pods", "default")),
            "forbidden: pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group "
            "\"\" in the "
            "namespace \"default\"");
  EXPECT_EQ(text_of(get("nodes", "", "n")),
            "forbidden: nodes \"n\" is forbidden: User \"bob\" cannot get resource \"nodes\" in "
            "API group \"\" at the "
            "cluster scope");
  Attributes path{"get"};
  path.path = "/metrics";
  EXPECT_EQ(may(who_, path), "forbidden: User \"bob\" cannot get path \"/metrics\"");
}

TEST_F(AccessTest, AGrantHoldsFromItsCommitToItsEnd) {
  const auto bob = plain_user("bob");
  grant("bob", "view", "default");

  EXPECT_EQ(may(bob, on("list", "pods", "default")), "yes");
  EXPECT_EQ(may(bob, on("get", "configmaps", "default", "c")), "yes");
  EXPECT_NE(may(bob, on("get", "secrets", "default", "s")), "yes");
  EXPECT_NE(may(bob, on("delete", "pods", "default", "p")), "yes");
  EXPECT_NE(may(bob, on("list", "pods", "kube-system")), "yes");
  ASSERT_TRUE(remove("rolebindings.rbac.authorization.k8s.io", "default", "bob-view").ok());
  EXPECT_NE(may(bob, on("list", "pods", "default")), "yes");
}

TEST_F(AccessTest, WhoMayEditANamespaceMayNotChooseForTheCluster) {
  const auto bob = plain_user("bob");
  const auto ann = plain_user("ann");
  grant("bob", "view", "default");
  grant("ann", "edit", "default");
  const auto in_group = [](std::string verb, std::string group, std::string resource) {
    auto asked = on(std::move(verb), std::move(resource), "default", "x");
    asked.group = std::move(group);
    return asked;
  };

  for (const auto& [group, resource] : {std::pair("networking.k8s.io", "ingresses"),
                                        std::pair("networking.k8s.io", "networkpolicies"),
                                        std::pair("resource.k8s.io", "resourceclaims"),
                                        std::pair("resource.k8s.io", "resourceclaimtemplates")}) {
    EXPECT_EQ(may(bob, in_group("get", group, resource)), "yes") << resource;
    EXPECT_NE(may(bob, in_group("create", group, resource)), "yes") << resource;
    EXPECT_EQ(may(ann, in_group("create", group, resource)), "yes") << resource;
  }
  for (const auto& [group, resource] : {std::pair("networking.k8s.io", "ingressclasses"),
                                        std::pair("networking.k8s.io", "servicecidrs"),
                                        std::pair("storage.k8s.io", "storageclasses"),
                                        std::pair("resource.k8s.io", "deviceclasses")}) {
    EXPECT_NE(may(ann, in_group("create", group, resource)), "yes") << resource;
  }
}

TEST_F(AccessTest, AggregatedRolesGatherOthers) {
  const auto ann = plain_user("ann");
  grant("ann", "admin", "default");
  EXPECT_EQ(may(ann, on("get", "pods", "default", "p")), "yes");
  EXPECT_EQ(may(ann, on("create", "pods", "default")), "yes");
  auto roles = on("create", "rolebindings", "default");
  roles.group = "rbac.authorization.k8s.io";
  EXPECT_EQ(may(ann, roles), "yes");
  auto widgets = on("get", "widgets", "default");
  widgets.group = "example.com";
  EXPECT_NE(may(ann, widgets), "yes");

  ASSERT_TRUE(
      create("clusterroles.rbac.authorization.k8s.io",
             "",
             R"({"metadata":{"name":"more",)"
             R"("labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}},)"
             R"("rules":[{"verbs":["get"],"apiGroups":["example.com"],"resources":["widgets"]}]})")
          .ok());

  EXPECT_EQ(may(ann, widgets), "yes");
}

TEST_F(AccessTest, BasicsAreOpenToWhomKubernetesOpensThem) {
  const trust::Identity anonymous{"system:anonymous", "", {"system:unauthenticated"}, {}};
  const auto path = [](std::string text) {
    Attributes out{"get"};
    out.path = std::move(text);
    return out;
  };

  EXPECT_EQ(may(anonymous, path("/version")), "yes");
  EXPECT_EQ(may(anonymous, path("/healthz")), "yes");
  EXPECT_NE(may(anonymous, path("/apis")), "yes");
  EXPECT_EQ(may(plain_user("x"), path("/apis/apps/v1")), "yes");
}

TEST_F(AccessTest, NobodyGrantsWhatTheyDoNotHold) {
  grant("ann", "admin", "default");
  who_ = plain_user("ann");
  const auto role = [](const std::string& rule) {
    return R"({"metadata":{"name":"r"},"rules":[)" + rule + "]}";
  };

  EXPECT_EQ(text_of(create(
                "roles.rbac.authorization.k8s.io",
                "default",
                role(R"({"verbs":["get"],"apiGroups":["example.com"],"resources":["widgets"]})"))),
            "forbidden: roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"ann\" "
            "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not "
            "currently held:\n"
            "{APIGroups:[\"example.com\"], Resources:[\"widgets\"], Verbs:[\"get\"]}");
  EXPECT_EQ(text_of(create("roles.rbac.authorization.k8s.io",
                           "default",
                           role(R"({"verbs":["get"],"apiGroups":[""],"resources":["pods"]})"))),
            "ok");
  EXPECT_THAT(text_of(create(
                  "rolebindings.rbac.authorization.k8s.io",
                  "default",
                  R"({"metadata":{"name":"b"},"subjects":[],"roleRef":{"apiGroup":)"
                  R"("rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}})")),
              HasSubstr("is attempting to grant RBAC permissions not currently held:\n"));
}

TEST_F(AccessTest, RoleRefsNeverChange) {
  grant("bob", "view");

  EXPECT_THAT(text_of(merge("clusterrolebindings.rbac.authorization.k8s.io",
                            "",
                            "bob-view",
                            R"({"roleRef":{"name":"edit"}})")),
              HasSubstr("cannot change roleRef"));
}

TEST_F(AccessTest, ANodeMayTouchOnlyWhatIsItsOwn) {
  ASSERT_TRUE(create("pods", "default", pod_json("mine")).ok());
  ASSERT_TRUE(create("pods", "default", pod_json("other")).ok());
  for (const auto& [pod, where] : {std::pair{"mine", "n1"}, std::pair{"other", "n2"}}) {
    auto binding = call("pods", "default", pod);
    binding.subresource = "binding";
    ASSERT_TRUE(create_in(binding, std::string(R"({"target":{"name":")") + where + R"("}})").ok());
  }
  const auto n1 = node("n1");
  const auto status = [](std::string name) {
    auto out = on("patch", "pods", "default", std::move(name));
    out.subresource = "status";
    return out;
  };
  auto lease = on("update", "leases", "kube-node-lease", "n1");
  lease.group = "coordination.k8s.io";
  auto pods = on("list", "pods");
  auto token = on("create", "serviceaccounts", "default", "default");
  token.subresource = "token";

  EXPECT_EQ(may(n1, status("mine")), "yes");
  EXPECT_NE(may(n1, status("other")), "yes");
  EXPECT_EQ(may(n1, on("delete", "pods", "default", "mine")), "yes");
  EXPECT_EQ(may(n1, on("update", "nodes", "", "n1")), "yes");
  EXPECT_NE(may(n1, on("update", "nodes", "", "n2")), "yes");
  EXPECT_EQ(may(n1, lease), "yes");
  EXPECT_NE(may(node("n2"), lease), "yes");
  EXPECT_NE(may(n1, pods), "yes");
  pods.fields = "spec.nodeName=n1";
  EXPECT_EQ(may(n1, pods), "yes");
  EXPECT_EQ(may(n1, token), "yes");
  EXPECT_NE(may(node("n3"), token), "yes");
  EXPECT_NE(may(n1, on("get", "secrets", "default", "s")), "yes");
  EXPECT_FALSE(run(registry_->client(n1)->feed(NodeName("n2"))).ok());
}

TEST_F(AccessTest, ANodeMayNotTaintOrClaimReservedLabels) {
  who_ = node("n1");
  ASSERT_EQ(
      text_of(create(
          "nodes", "", R"({"metadata":{"name":"n1","labels":{"kubernetes.io/arch":"amd64"}}})")),
      "ok");

  EXPECT_EQ(text_of(merge(
                "nodes", "", "n1", R"({"metadata":{"labels":{"node-role.kubernetes.io/x":""}}})")),
            "forbidden: nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify labels: "
            "node-role.kubernetes.io/x");
  EXPECT_EQ(text_of(merge(
                "nodes", "", "n1", R"({"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}})")),
            "forbidden: nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints");
}

TEST_F(AccessTest, ANodeMayNotClaimReservedLabelsWithItsStatus) {
  who_ = node("n1");
  ASSERT_EQ(text_of(create("nodes", "", R"({"metadata":{"name":"n1"}})")), "ok");
  auto where = call("nodes", "", "n1");
  where.subresource = "status";
  const auto patched = [&](const std::string& body) {
    return text_of(run(registry_->patch(where, client::PatchType::merge, body, {})));
  };

  EXPECT_EQ(patched(R"({"metadata":{"labels":{"node-restriction.kubernetes.io/x":"y"}}})"),
            "forbidden: nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify labels: "
            "node-restriction.kubernetes.io/x");
  EXPECT_EQ(patched(R"({"metadata":{"labels":{"kubernetes.io/arch":"amd64"}},)"
                    R"("status":{"capacity":{"cpu":"2"}}})"),
            "ok");
}

TEST_F(AccessTest, ReviewsAnswerForOneselfAndForOthers) {
  grant("bob", "view", "default");
  const auto allowed = [&](const std::string& resource, const std::string& spec) {
    const auto answer = create(resource, "", R"({"spec":)" + spec + "}");
    return answer.ok() ? answer->root().find("status.allowed").raw() == "true" ? "yes" : "no"
                       : "refused";
  };
  const std::string pods =
      R"("resourceAttributes":{"verb":"list","resource":"pods","namespace":"default"})";

  EXPECT_EQ(allowed("subjectaccessreviews.authorization.k8s.io", R"({"user":"bob",)" + pods + "}"),
            std::string("yes"));
  EXPECT_EQ(allowed("subjectaccessreviews.authorization.k8s.io", R"({"user":"eve",)" + pods + "}"),
            std::string("no"));
  who_ = plain_user("bob");
  EXPECT_EQ(allowed("selfsubjectaccessreviews.authorization.k8s.io", "{" + pods + "}"),
            std::string("yes"));
  EXPECT_EQ(allowed("subjectaccessreviews.authorization.k8s.io", R"({"user":"eve",)" + pods + "}"),
            std::string("refused"));
}

TEST_F(AccessTest, CredentialsSayWhoAsks) {
  Credentials certificate;
  certificate.certificate_user = "ann";
  certificate.certificate_groups = {"dev"};
  Credentials token;
  token.authorization = "Bearer secret-of-ann";
  Credentials wrong;
  wrong.authorization = "Bearer not-this-one";

  EXPECT_EQ(registry_->authenticate({})->user, "system:anonymous");
  EXPECT_EQ(registry_->authenticate(certificate)->groups,
            (std::vector<std::string>{"dev", "system:authenticated"}));
  EXPECT_EQ(registry_->authenticate(token)->user, "ann");
  EXPECT_EQ(registry_->authenticate(wrong).error().code, Code::unauthenticated);
}

TEST_F(AccessTest, AServiceAccountTokenLivesAsLongAsItsAccountAndPod) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  auto where = call("serviceaccounts", "default", "default");
  where.subresource = "token";
  const auto issued = create_in(
      where,
      R"({"spec":{"expirationSeconds":700,"boundObjectRef":{"kind":"Pod","apiVersion":"v1",)"
      R"("name":"p"}}})");
  ASSERT_TRUE(issued.ok()) << text_of(issued);
  Credentials shown;
  shown.authorization = "Bearer " + std::string(issued->root().find("status.token").string());

  const auto who = registry_->authenticate(shown);
  ASSERT_TRUE(who.ok()) << text_of(who);
  EXPECT_EQ(who->user, "system:serviceaccount:default:default");
  EXPECT_TRUE(who->is_in("system:serviceaccounts:default"));
  ASSERT_TRUE(remove("pods", "default", "p").ok());
  EXPECT_EQ(registry_->authenticate(shown).error().code, Code::unauthenticated);
  EXPECT_THAT(text_of(create_in(where, R"({"spec":{"expirationSeconds":10}})")),
              HasSubstr("may not specify a duration less than 10 minutes"));
}

TEST_F(AccessTest, ABootstrapTokenIsASecretOfKubeSystem) {
  ASSERT_TRUE(
      create(
          "secrets",
          "kube-system",
          R"({"metadata":{"name":"bootstrap-token-abcdef"},"type":"bootstrap.kubernetes.io/token",)"
          R"("stringData":{"token-id":"abcdef","token-secret":"0123456789abcdef",)"
          R"("usage-bootstrap-authentication":"true","expiration":"2026-11-23T01:00:00Z"}})")
          .ok());
  Credentials shown;
  shown.authorization = "Bearer abcdef.0123456789abcdef";

  EXPECT_EQ(text_of(registry_->authenticate(shown)), "ok");
  EXPECT_EQ(registry_->authenticate(shown)->user, "system:bootstrap:abcdef");
  clock_.advance(std::chrono::seconds(3601));
  EXPECT_EQ(registry_->authenticate(shown).error().code, Code::unauthenticated);
}

TEST_F(AccessTest, BootstrapCanBeRepeatedAndRepairsThePolicy) {
  ASSERT_TRUE(
      merge("clusterroles.rbac.authorization.k8s.io", "", "system:discovery", R"({"rules":null})")
          .ok());

  ASSERT_TRUE(run(registry_->bootstrap()).ok());

  Attributes path{"get"};
  path.path = "/apis";
  EXPECT_EQ(may(plain_user("x"), path), "yes");
  const auto before = list("clusterroles.rbac.authorization.k8s.io", "")->revision;
  ASSERT_TRUE(run(registry_->bootstrap()).ok());
  EXPECT_EQ(list("clusterroles.rbac.authorization.k8s.io", "")->revision, before);
}

}  // namespace
}  // namespace tetrarch::registry
