// SPDX-License-Identifier: Apache-2.0
// A node's certificate opens its own node, its pods and what they name, and nothing else.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;

struct NodeRow {
  std::string verb;
  std::string resource;  ///< "pods/status", "leases.coordination.k8s.io"
  std::string ns;
  std::string name;
  bool is_allowed;
};

class NodeIdentityTest : public RegistryTest {
 protected:
  NodeIdentityTest() {
    open_namespace("default");
    for (const auto* name : {"used", "other"}) {
      const auto meta = std::string(R"({"metadata":{"name":")") + name + R"("}})";
      EXPECT_TRUE(create("secrets", "default", meta).ok());
      EXPECT_TRUE(create("configmaps", "default", meta).ok());
      EXPECT_TRUE(create("serviceaccounts", "default", meta).ok());
    }
    place("mine",
          "n1",
          R"(,"serviceAccountName":"used","volumes":[{"name":"s","secret":{"secretName":"used"}},)"
          R"({"name":"c","configMap":{"name":"used"}}])");
    place("theirs", "n2", R"(,"volumes":[{"name":"s","secret":{"secretName":"other"}}])");
    EXPECT_TRUE(create("nodes", "", R"({"metadata":{"name":"n1","labels":{"a":"b"}}})").ok());
  }

  void place(const std::string& pod, const std::string& node, const std::string& spec) {
    const auto made = create("pods", "default", pod_json(pod, spec));
    ASSERT_TRUE(made.ok()) << text_of(made);
    auto where = call("pods", "default", pod);
    where.subresource = "binding";
    ASSERT_TRUE(create_in(where, R"({"target":{"name":")" + node + R"("}})").ok());
  }

  static trust::Identity n1() {
    return {"system:node:n1", "", {"system:nodes", "system:authenticated"}, {}};
  }

  bool may(const trust::Identity& who, const NodeRow& row) {
    Attributes asked{row.verb};
    const auto slash = row.resource.find('/');
    const auto full = row.resource.substr(0, slash);
    asked.subresource = slash == std::string::npos ? "" : row.resource.substr(slash + 1);
    const auto dot = full.find('.');
    asked.resource = full.substr(0, dot);
    asked.group = dot == std::string::npos ? "" : full.substr(dot + 1);
    asked.ns = row.ns;
    asked.name = row.name;
    return registry_->authorize(who, asked).ok();
  }
};

TEST_F(NodeIdentityTest, OpensWhatIsItsOwnAndNothingElse) {
  const std::string leases = "leases.coordination.k8s.io";
  const std::vector<NodeRow> rows = {
      {"get", "nodes", "", "n1", true},
      {"patch", "nodes/status", "", "n1", true},
      {"create", "nodes", "", "", true},
      {"get", "nodes", "", "n2", false},
      {"patch", "nodes/status", "", "n2", false},
      {"list", "nodes", "", "", false},
      {"delete", "nodes", "", "n1", true},
      {"delete", "nodes", "", "n2", false},
      {"deletecollection", "nodes", "", "", false},
      {"get", "pods", "default", "mine", true},
      {"update", "pods/status", "default", "mine", true},
      {"delete", "pods", "default", "mine", true},
      {"get", "pods", "default", "theirs", false},
      {"update", "pods/status", "default", "theirs", false},
      {"delete", "pods", "default", "theirs", false},
      {"update", "pods", "default", "mine", false},
      {"create", "pods", "default", "", true},  // whether it is a mirror pod is seen later
      {"create", "pods/binding", "default", "mine", false},
      {"create", "pods/exec", "default", "mine", false},
      {"list", "pods", "", "", false},
      {"get", "secrets", "default", "used", true},
      {"get", "secrets", "default", "other", false},
      {"get", "secrets", "kube-system", "used", false},
      {"list", "secrets", "default", "", false},
      {"watch", "secrets", "default", "used", false},
      {"update", "secrets", "default", "used", false},
      {"get", "configmaps", "default", "used", true},
      {"get", "configmaps", "default", "other", false},
      {"create", "serviceaccounts/token", "default", "used", true},
      {"create", "serviceaccounts/token", "default", "other", false},
      {"create", "serviceaccounts/token", "kube-system", "used", false},
      {"get", "serviceaccounts", "default", "other", false},
      {"update", leases, "kube-node-lease", "n1", true},
      {"update", leases, "kube-node-lease", "n2", false},
      {"update", leases, "default", "n1", false},
      {"create", "events", "default", "", true},
      {"list", "events", "default", "", false},
      {"list", "services", "", "", true},
      {"update", "services", "default", "kubernetes", false},
      {"list", "endpointslices.discovery.k8s.io", "", "", true},
      {"create", "endpointslices.discovery.k8s.io", "default", "", false},
      {"list", "noderoutes.network.tetrarch.dev", "", "", true},
      {"update", "noderoutes.network.tetrarch.dev", "", "n1", false},
      {"get", "images.images.tetrarch.dev", "", "", true},
      {"create", "images.images.tetrarch.dev", "", "", false},
      {"get", "imageblobs.images.tetrarch.dev", "", "sha256-1", true},
      {"patch", "imageblobs.images.tetrarch.dev/status", "", "sha256-1", true},
      {"patch", "imageblobs.images.tetrarch.dev", "", "sha256-1", false},
      {"delete", "imageblobs.images.tetrarch.dev", "", "sha256-1", false},
      {"create", "clusterrolebindings.rbac.authorization.k8s.io", "", "", false},
      {"impersonate", "users", "", "admin", false},
      {"escalate", "clusterroles.rbac.authorization.k8s.io", "", "x", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(may(n1(), row), row.is_allowed)
        << row.verb << " " << row.resource << " " << row.ns << "/" << row.name;
  }
}

TEST_F(NodeIdentityTest, NeedsTheGroupAndTheName) {
  const NodeRow row{"get", "pods", "default", "mine", true};

  EXPECT_FALSE(may({"system:node:n1", "", {"system:authenticated"}, {}}, row));
  EXPECT_FALSE(may({"n1", "", {"system:nodes"}, {}}, row));
  EXPECT_FALSE(may({"system:node:", "", {"system:nodes"}, {}}, row));
}

TEST_F(NodeIdentityTest, LosesASecretWithItsPod) {
  const NodeRow row{"get", "secrets", "default", "used", true};
  EXPECT_TRUE(may(n1(), row));
  client::DeleteOptions now;
  now.grace_seconds = 0;
  ASSERT_TRUE(remove("pods", "default", "mine", now).ok());

  EXPECT_FALSE(may(n1(), row));
}

TEST_F(NodeIdentityTest, MayNotPutItsPodsBehindAService) {
  who_ = n1();
  auto where = call("pods", "default", "mine");
  where.subresource = "status";
  const auto patched = [&](const std::string& body) {
    return text_of(run(registry_->patch(where, PatchType::merge, body, {})));
  };

  EXPECT_EQ(patched(R"({"status":{"phase":"Running"}})"), "ok");
  EXPECT_EQ(patched(R"({"metadata":{"labels":{"app":"bank"}}})"),
            "forbidden: pods \"mine\" is forbidden: node \"n1\" cannot update labels through pod "
            "status");
}

TEST_F(NodeIdentityTest, MayNotTieItsNodeToAnOwner) {
  who_ = n1();

  EXPECT_THAT(
      text_of(merge("nodes",
                    "",
                    "n1",
                    R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap",)"
                    R"("name":"c","uid":"u"}]}})")),
      HasSubstr("node \"n1\" is not allowed to modify ownerReferences"));
}

TEST_F(NodeIdentityTest, GetsTokensOnlyForItsPods) {
  who_ = n1();
  auto where = call("serviceaccounts", "default", "used");
  where.subresource = "token";

  EXPECT_THAT(text_of(create_in(where, "{}")),
              HasSubstr("node requested token not bound to a pod"));
  EXPECT_EQ(
      text_of(create_in(where, R"({"spec":{"boundObjectRef":{"kind":"Pod","name":"mine"}}})")),
      "ok");
  EXPECT_THAT(
      text_of(create_in(where, R"({"spec":{"boundObjectRef":{"kind":"Secret","name":"used"}}})")),
      HasSubstr("node requested token bound to a pod scheduled on a different node"));
  EXPECT_THAT(
      text_of(create_in(where, R"({"spec":{"boundObjectRef":{"kind":"Pod","name":"theirs"}}})")),
      HasSubstr("different serviceaccount name"));
}

}  // namespace
}  // namespace tetrarch::registry
