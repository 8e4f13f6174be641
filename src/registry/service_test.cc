// SPDX-License-Identifier: Apache-2.0
// Services: what a create or an update makes of addresses and ports, the sentences that refuse, and
// the claims behind them.
#include "registry/claims.h"
#include "registry/fixture.h"
#include "registry/service_ranges.h"

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
    for (const auto resource : {kClaims, kIpAddresses}) {
      store_->snapshot().scan(resource, "", {}, [&](const Stored& claim) {
        out.push_back(claim.key.name);
        return true;
      });
    }
    return out;
  }

  std::string address_of(const std::string& name) {
    const auto found = get("services", "default", name);
    return found.ok() ? std::string(found->root().find("spec.clusterIP").string()) : text_of(found);
  }

  static std::string range(const std::string& name, const std::string& cidr) {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{"cidrs":[")" + cidr + R"("]}})";
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
  const auto kubernetes = "10.43.0.1";
  EXPECT_THAT(claims(),
              ElementsAre("node-port-TCP-30010", "node-port-TCP-30011", kubernetes, "10.43.0.9"));

  const auto to = [&](const std::string& spec) {
    const auto changed = merge("services", "default", "s", R"({"spec":)" + spec + "}");
    EXPECT_TRUE(changed.ok()) << text_of(changed);
  };
  to(R"({"externalTrafficPolicy":"Cluster"})");
  EXPECT_THAT(claims(), ElementsAre("node-port-TCP-30011", kubernetes, "10.43.0.9"));
  to(R"({"type":"ClusterIP"})");
  EXPECT_THAT(claims(), ElementsAre(kubernetes, "10.43.0.9"));
  to(R"({"type":"ExternalName","externalName":"a.b"})");
  EXPECT_THAT(claims(), ElementsAre(kubernetes));
}

TEST_F(ServiceTest, AnExternalAddressKeepsThePolicyOfOutsideTraffic) {
  const auto policy = [](const auto& service) {
    return service.ok() ? std::string(service->root().find("spec.externalTrafficPolicy").string())
                        : text_of(service);
  };
  EXPECT_EQ(policy(create("services",
                          "default",
                          service("s",
                                  R"("externalIPs":["192.0.2.7"],"externalTrafficPolicy":"Local",)"
                                  R"("ports":[{"port":80}])"))),
            "Local");

  EXPECT_EQ(policy(merge("services", "default", "s", R"({"metadata":{"labels":{"a":"b"}}})")),
            "Local");
  EXPECT_EQ(policy(merge("services", "default", "s", R"({"spec":{"externalIPs":null}})")), "");
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
  EXPECT_THAT(claims(), ElementsAre("10.43.0.1"));
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
  write_raw(leaked, claim_document(leaked, {"gone", "gone", format_time(clock_.now()), random_}));

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

TEST_F(ServiceTest, AnAddressThatIsTakenIsAnObject) {
  ASSERT_TRUE(create("services",
                     "default",
                     service("s", R"("clusterIP":"10.43.0.9","ports":[{"port":80}])"))
                  .ok());

  const auto address = get(kIpAddresses, "", "10.43.0.9");

  ASSERT_TRUE(address.ok()) << text_of(address);
  EXPECT_EQ(address->root()["spec"].raw(),
            R"({"parentRef":{"name":"s","namespace":"default","resource":"services"}})");
  EXPECT_EQ(address->metadata()["labels"].raw(),
            R"({"ipaddress.kubernetes.io/ip-family":"IPv4",)"
            R"("ipaddress.kubernetes.io/managed-by":"ipallocator.k8s.io"})");
  EXPECT_EQ(address->uid().size(), 36U);
  // It has the form of one that was sent: putting it back changes nothing.
  const auto same = update(kIpAddresses, "", "10.43.0.9", std::string(address->document->bytes()));
  ASSERT_TRUE(same.ok()) << text_of(same);
  EXPECT_EQ(same->revision, address->revision);

  ASSERT_TRUE(remove("services", "default", "s").ok());
  EXPECT_EQ(get(kIpAddresses, "", "10.43.0.9").error().code, Code::not_found);
}

TEST_F(ServiceTest, TheAddressOfAServiceGoesOnlyWithIt) {
  ASSERT_TRUE(create("services",
                     "default",
                     service("s", R"("clusterIP":"10.43.0.9","ports":[{"port":80}])"))
                  .ok());

  const auto refused = remove(kIpAddresses, "", "10.43.0.9");

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::forbidden);
  EXPECT_EQ(refused.error().message,
            R"(ipaddresses.networking.k8s.io "10.43.0.9" is forbidden: service default/s has this )"
            "address: it goes with the service");
}

TEST_F(ServiceTest, AnAddressThatAUserTookIsNotGiven) {
  const std::string taken =
      R"({"metadata":{"name":"10.43.0.9"},"spec":{"parentRef":{"group":"example.com",)"
      R"("resource":"boxes","name":"b"}}})";
  ASSERT_EQ(text_of(create(kIpAddresses, "", taken)), "ok");
  const auto asked = service("s", R"("clusterIP":"10.43.0.9","ports":[{"port":80}])");

  EXPECT_THAT(text_of(create("services", "default", asked)),
              HasSubstr("provided IP is already allocated"));
  ASSERT_TRUE(run(registry_->bootstrap()).ok());
  EXPECT_TRUE(get(kIpAddresses, "", "10.43.0.9").ok()) << "a start leaves it";
  ASSERT_TRUE(remove(kIpAddresses, "", "10.43.0.9").ok());
  EXPECT_EQ(text_of(create("services", "default", asked)), "ok");
}

TEST_F(ServiceTest, AStartTurnsOlderClaimsIntoAddresses) {
  ASSERT_TRUE(create("services",
                     "default",
                     service("s", R"("clusterIP":"10.43.0.9","ports":[{"port":80}])"))
                  .ok());
  const auto whole = claims();
  const Key older{std::string(kClaims), "", "service-ip-10.43.0.9"};
  write_raw(address_claim("10.43.0.9"), nullptr);
  write_raw(older, claim_document(older, {"default", "s", "", random_}));

  ASSERT_TRUE(run(registry_->bootstrap()).ok());

  EXPECT_EQ(claims(), whole);
}

TEST_F(ServiceTest, TheRangeOfTheServerIsAnObject) {
  const auto there = get(kServiceCidrs, "", "kubernetes");

  ASSERT_TRUE(there.ok()) << text_of(there);
  EXPECT_EQ(there->root()["spec"].raw(), R"({"cidrs":["10.43.0.0/16"]})");
  const auto ready = there->root()["status"]["conditions"].at(0);
  EXPECT_EQ(ready["type"].string(), "Ready");
  EXPECT_EQ(ready["status"].string(), "True");
  EXPECT_EQ(remove(kServiceCidrs, "", "kubernetes").error().message,
            R"(servicecidrs.networking.k8s.io "kubernetes" is forbidden: it is the range that the )"
            "server was started with (service-cidr)");

  Options other;
  other.service_cidr = "10.50.0.0/24";
  restart(other);
  ASSERT_TRUE(run(registry_->bootstrap()).ok());
  EXPECT_EQ(get(kServiceCidrs, "", "kubernetes")->root()["spec"].raw(),
            R"({"cidrs":["10.50.0.0/24"]})");
  ASSERT_EQ(text_of(create("services", "default", service("s", R"("ports":[{"port":80}])"))), "ok");
  EXPECT_THAT(address_of("s"), StartsWith("10.50.0."));
}

TEST_F(ServiceTest, AFurtherRangeGivesAddressesWhenTheFirstIsFull) {
  Options narrow;
  narrow.service_cidr = "10.50.0.0/30";  // .1 and .2
  restart(narrow);
  ASSERT_TRUE(run(registry_->bootstrap()).ok());
  ASSERT_EQ(text_of(create("services", "default", service("a", R"("ports":[{"port":80}])"))), "ok");
  ASSERT_EQ(text_of(create("services", "default", service("b", R"("ports":[{"port":80}])"))), "ok");
  EXPECT_EQ(text_of(create("services", "default", service("c", R"("ports":[{"port":80}])"))),
            "internal: failed to allocate a serviceIP: range is full");

  ASSERT_EQ(text_of(create(kServiceCidrs, "", range("more", "10.60.0.0/24"))), "ok");

  ASSERT_EQ(text_of(create("services", "default", service("c", R"("ports":[{"port":80}])"))), "ok");
  EXPECT_THAT(address_of("c"), StartsWith("10.60.0."));
  EXPECT_EQ(
      text_of(create(
          "services", "default", service("d", R"("clusterIP":"10.60.0.7","ports":[{"port":80}])"))),
      "ok");
  EXPECT_THAT(
      text_of(create(
          "services", "default", service("e", R"("clusterIP":"10.70.0.7","ports":[{"port":80}])"))),
      HasSubstr("The range of valid IPs is 10.50.0.0/30, 10.60.0.0/24"));
}

TEST_F(ServiceTest, ARangeIsHeldWhileAServiceHasAnAddressThatIsInNoOther) {
  ASSERT_EQ(text_of(create(kServiceCidrs, "", range("more", "10.60.0.0/24"))), "ok");
  ASSERT_EQ(
      text_of(create(
          "services", "default", service("s", R"("clusterIP":"10.60.0.7","ports":[{"port":80}])"))),
      "ok");

  ASSERT_TRUE(remove(kServiceCidrs, "", "more").ok());

  ASSERT_TRUE(get(kServiceCidrs, "", "more").ok()) << "it is only ending";
  EXPECT_THAT(
      text_of(create(
          "services", "default", service("t", R"("clusterIP":"10.60.0.8","ports":[{"port":80}])"))),
      HasSubstr("is not in the valid range"))
      << "nothing is given from it any more";
  const std::string free = R"({"metadata":{"finalizers":[]}})";
  EXPECT_EQ(text_of(merge(kServiceCidrs, "", "more", free)),
            R"(conflict: Operation cannot be fulfilled on servicecidrs.networking.k8s.io "more": )"
            "address 10.60.0.7 is in use and in no other range");
  ASSERT_EQ(text_of(create(kServiceCidrs, "", range("wider", "10.60.0.0/16"))), "ok");
  EXPECT_EQ(text_of(merge(kServiceCidrs, "", "more", free)), "ok");
  EXPECT_EQ(get(kServiceCidrs, "", "more").error().code, Code::not_found);
}

TEST_F(ServiceTest, AnIngressWithoutAClassGetsTheNewestDefault) {
  const auto ingress_class = [&](const std::string& name, const std::string& is_default) {
    return create("ingressclasses.networking.k8s.io",
                  "",
                  R"({"metadata":{"name":")" + name +
                      R"(","annotations":{"ingressclass.kubernetes.io/is-default-class":")" +
                      is_default + R"("}},"spec":{"controller":"example.com/c"}})");
  };
  const auto class_of_new = [&](const std::string& name, const std::string& spec) {
    const auto made =
        create("ingresses.networking.k8s.io",
               "default",
               R"({"metadata":{"name":")" + name +
                   R"("},"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}})" +
                   spec + "}}");
    return made.ok() ? std::string(made->root().find("spec.ingressClassName").string())
                     : text_of(made);
  };

  EXPECT_EQ(class_of_new("none", ""), "");
  ASSERT_TRUE(ingress_class("old", "true").ok());
  clock_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(ingress_class("new", "true").ok());
  ASSERT_TRUE(ingress_class("plain", "false").ok());
  EXPECT_EQ(class_of_new("given", ""), "new");
  EXPECT_EQ(class_of_new("own", R"(,"ingressClassName":"mine")"), "mine");
}

TEST_F(ServiceTest, ARepairThatFindsNothingWritesNothing) {
  const auto before = store_->snapshot().revision();

  ASSERT_TRUE(run(registry_->bootstrap()).ok());

  EXPECT_EQ(store_->snapshot().revision(), before);
}

}  // namespace
}  // namespace tetrarch::registry
