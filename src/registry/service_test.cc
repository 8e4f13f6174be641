// SPDX-License-Identifier: Apache-2.0
// Services: what a create or an update makes of addresses and ports, the sentences that refuse, and
// the claims behind them.
#include "registry/claims.h"
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string service(const std::string& name, const std::string& spec) {
  return R"({"metadata":{"name":")" + name + R"("},"spec":{)" + spec + "}}";
}

struct ServiceRow {
  std::string name;
  std::string spec;
  std::string answer;
};

void PrintTo(const ServiceRow& row, std::ostream* out) {
  *out << row.name;
}

class ServiceTest : public RegistryTest {
 protected:
  ServiceTest() { open_namespace("default"); }

  std::vector<std::string> claims() const {
    std::vector<std::string> out;
    store_->snapshot().scan(kClaims, "", {}, [&](const Stored& claim) {
      out.push_back(claim.key.name);
      return true;
    });
    return out;
  }

  /// What somebody who edits the store behind our back does.
  void write_raw(Key key, DocumentPtr document) {
    store::Transaction transaction;
    transaction.mutations.push_back({std::move(key), std::move(document)});
    const auto done = run(store_->commit(std::move(transaction)));
    ASSERT_TRUE(done.ok()) << text_of(done);
  }
};

class ServiceRefusalTest : public ServiceTest, public testing::WithParamInterface<ServiceRow> {};

TEST_P(ServiceRefusalTest, IsInKubernetesWords) {
  ASSERT_EQ(text_of(create("services",
                           "default",
                           service("taken",
                                   R"("type":"NodePort","clusterIP":"10.43.0.77",)"
                                   R"("ports":[{"port":80,"nodePort":30001}])"))),
            "ok");
  const auto before = claims();

  EXPECT_EQ(text_of(create("services", "default", service("s", GetParam().spec))),
            R"(invalid: Service "s" is invalid: )" + GetParam().answer);
  EXPECT_EQ(claims(), before);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    ServiceRefusalTest,
    testing::ValuesIn(std::vector<ServiceRow>{
        {"no_ports", R"("ports":[])", "spec.ports: Required value"},
        {"unnamed_ports",
         R"("ports":[{"port":80},{"port":81}])",
         "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]"},
        {"a_name_twice",
         R"("ports":[{"port":80,"name":"x"},{"port":81,"name":"x"}])",
         R"(spec.ports[1].name: Duplicate value: "x")"},
        {"a_port_twice",
         R"("ports":[{"port":80,"name":"x"},{"port":80,"name":"y"}])",
         R"(spec.ports[1]: Duplicate value: "80/TCP")"},
        {"node_port_of_a_cluster_ip",
         R"("ports":[{"port":80,"nodePort":30002}])",
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
        {"node_port_out_of_range",
         R"("type":"NodePort","ports":[{"port":80,"nodePort":80}])",
         "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The "
         "range of valid ports is 30000-32767"},
        {"node_port_taken",
         R"("type":"NodePort","ports":[{"port":80,"nodePort":30001}])",
         "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated"},
        {"node_port_twice",
         R"("type":"NodePort","ports":[{"port":80,"nodePort":30005,"name":"a"},)"
         R"({"port":81,"nodePort":30005,"name":"b"}])",
         "spec.ports[1].nodePort: Invalid value: 30005: provided port is already allocated"},
        {"address_taken",
         R"("clusterIP":"10.43.0.77","ports":[{"port":80}])",
         R"(spec.clusterIPs: Invalid value: ["10.43.0.77"]: failed to allocate IP 10.43.0.77: )"
         "provided IP is already allocated"},
        {"address_out_of_range",
         R"("clusterIP":"1.2.3.4","ports":[{"port":80}])",
         R"(spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the )"
         "provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.43.0.0/16"},
        {"address_is_none",
         R"("clusterIP":"here","ports":[{"port":80}])",
         R"(spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address, (e.g. )"
         "10.9.8.7 or 2001:db8::ffff)"},
        {"address_of_an_external_name",
         R"("type":"ExternalName","externalName":"a.b","clusterIP":"10.43.0.78")",
         "spec.clusterIPs: Forbidden: may not be set when `type` is 'ExternalName'"},
        {"external_name_without_one",
         R"("type":"ExternalName")",
         "spec.externalName: Required value"},
        {"health_port_without_need",
         R"("healthCheckNodePort":30009,"ports":[{"port":80}])",
         "spec.healthCheckNodePort: Invalid value: 30009: may only be set when `type` is "
         "'LoadBalancer' and `externalTrafficPolicy` is 'Local'"},
        {"unknown_type",
         R"("type":"Magic","ports":[{"port":80}])",
         R"(spec.type: Unsupported value: "Magic": supported values: "ClusterIP", )"
         R"("ExternalName", "LoadBalancer", "NodePort")"},
        {"two_families",
         R"("ipFamilyPolicy":"RequireDualStack","ports":[{"port":80}])",
         R"(spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not )"
         "configured for dual-stack services"},
    }),
    [](const auto& row) { return row.param.name; });

TEST_F(ServiceTest, ChangingTheTypeGivesBackWhatTheNewTypeDoesNotHave) {
  ASSERT_TRUE(create("services",
                     "default",
                     service("s",
                             R"("type":"LoadBalancer","externalTrafficPolicy":"Local",)"
                             R"("clusterIP":"10.43.0.9","healthCheckNodePort":30010,)"
                             R"("ports":[{"port":80,"nodePort":30011}])"))
                  .ok());
  const auto kubernetes = "service-ip-10.43.0.1";
  EXPECT_THAT(
      claims(),
      ElementsAre(
          "node-port-TCP-30010", "node-port-TCP-30011", kubernetes, "service-ip-10.43.0.9"));

  const auto to = [&](const std::string& spec) {
    const auto changed = merge("services", "default", "s", R"({"spec":)" + spec + "}");
    EXPECT_TRUE(changed.ok()) << text_of(changed);
  };
  to(R"({"externalTrafficPolicy":"Cluster"})");
  EXPECT_THAT(claims(), ElementsAre("node-port-TCP-30011", kubernetes, "service-ip-10.43.0.9"));
  to(R"({"type":"ClusterIP"})");
  EXPECT_THAT(claims(), ElementsAre(kubernetes, "service-ip-10.43.0.9"));
  to(R"({"type":"ExternalName","externalName":"a.b"})");
  EXPECT_THAT(claims(), ElementsAre(kubernetes));
}

TEST_F(ServiceTest, AffinityThatIsSwitchedOffLeavesNoSettings) {
  const auto made = create(
      "services", "default", service("s", R"("sessionAffinity":"ClientIP","ports":[{"port":80}])"));
  ASSERT_TRUE(made->root().find("spec.sessionAffinityConfig").exists()) << text_of(made);
  auto where = call("services", "default", "s");

  const auto off = run(registry_->patch(
      where, client::PatchType::merge, R"({"spec":{"sessionAffinity":"None"}})", {}));

  ASSERT_TRUE(off.ok()) << text_of(off);
  EXPECT_FALSE(off->root().find("spec.sessionAffinityConfig").exists());
}

TEST_F(ServiceTest, ADryRunTakesNoAddress) {
  auto where = call("services", "default");
  where.is_dry_run = true;
  const auto tried =
      create_in(where, service("s", R"("type":"NodePort","ports":[{"port":80,"nodePort":30001}])"));

  ASSERT_TRUE(tried.ok()) << text_of(tried);
  EXPECT_FALSE(tried->root().find("spec.clusterIP").string().empty());
  EXPECT_THAT(claims(), ElementsAre("service-ip-10.43.0.1"));
}

TEST_F(ServiceTest, AStartTakesWhatIsNotClaimedAndFreesWhatNobodyHolds) {
  ASSERT_TRUE(create("services",
                     "default",
                     service("s",
                             R"("type":"NodePort","clusterIP":"10.43.0.9","ports":[{"port":80,)"
                             R"("nodePort":30001}])"))
                  .ok());
  const auto whole = claims();
  write_raw(address_claim("10.43.0.9"), nullptr);
  write_raw(port_claim("TCP", 30001), nullptr);
  const auto leaked = address_claim("10.43.5.5");
  write_raw(leaked, claim_document(leaked, "services/gone/gone"));

  ASSERT_TRUE(run(registry_->bootstrap()).ok());

  EXPECT_EQ(claims(), whole);
  EXPECT_THAT(
      text_of(create(
          "services", "default", service("t", R"("clusterIP":"10.43.0.9","ports":[{"port":80}])"))),
      HasSubstr("provided IP is already allocated"));
  EXPECT_EQ(
      text_of(create(
          "services", "default", service("u", R"("clusterIP":"10.43.5.5","ports":[{"port":80}])"))),
      "ok");
}

TEST_F(ServiceTest, ARepairThatFindsNothingWritesNothing) {
  const auto before = store_->snapshot().revision();

  ASSERT_TRUE(run(registry_->bootstrap()).ok());

  EXPECT_EQ(store_->snapshot().revision(), before);
}

}  // namespace
}  // namespace tetrarch::registry
