// SPDX-License-Identifier: Apache-2.0
// Ingresses, their classes, network policies and ranges of services: defaults, and refusals in
// Kubernetes' words.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"

namespace tetrarch::schema {
namespace {

const Kind& kind_named(std::string_view name) {
  static const auto catalog = Catalog::load_builtin().value();
  const auto* kind = catalog->find("networking.k8s.io", "v1", name);
  EXPECT_NE(kind, nullptr) << name;
  return *kind;
}

DocumentPtr decoded(const Kind& kind, std::string_view spec) {
  const auto* name = kind.kind == "IPAddress" ? "10.43.0.9" : "x";
  const auto* ns = kind.is_namespaced ? R"(,"namespace":"n")" : "";
  const auto out =
      decode(kind,
             fmt::format(R"({{"metadata":{{"name":"{}"{}}},"spec":{}}})", name, ns, spec),
             Unknown::refuse);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out->document;
}

struct Row {
  std::string_view name;
  std::string_view kind;
  std::string_view spec;
  std::vector<std::string> expected;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class NetworkRuleTest : public testing::TestWithParam<Row> {};

TEST_P(NetworkRuleTest, IsWordedAsKubernetesDoes) {
  const auto& kind = kind_named(GetParam().kind);

  EXPECT_EQ(fault_texts(kind, decoded(kind, GetParam().spec)), GetParam().expected);
}

const std::string kPath = "spec.rules[0].http.paths[0]";

std::string rule(std::string_view path) {
  return fmt::format(R"({{"rules":[{{"http":{{"paths":[{}]}}}}]}})", path);
}

const std::string kService = R"("backend":{"service":{"name":"s","port":{"number":80}}})";
const std::string kGood = rule(R"({"path":"/a","pathType":"Prefix",)" + kService + "}");
const std::string kNoType = rule(R"({"path":"/a",)" + kService + "}");
const std::string kOddType = rule(R"({"path":"/a","pathType":"Regex",)" + kService + "}");
const std::string kRelative = rule(R"({"path":"a","pathType":"Exact",)" + kService + "}");
const std::string kDots = rule(R"({"path":"/a/../b/..","pathType":"Exact",)" + kService + "}");
const std::string kFree = rule(R"({"pathType":"ImplementationSpecific",)" + kService + "}");
const std::string kNoBackend = rule(R"({"path":"/","pathType":"Prefix"})");
const std::string kNoPort =
    rule(R"({"path":"/","pathType":"Prefix","backend":{"service":{"name":"s"}}})");
const std::string kTwoPorts =
    rule(R"({"path":"/","pathType":"Prefix","backend":{"service":{"name":"s",)"
         R"("port":{"number":80,"name":"http"}}}})");

const std::vector<Row> kIngressRows{
    {"good", "Ingress", kGood, {}},
    {"default_backend",
     "Ingress",
     R"({"defaultBackend":{"resource":{"kind":"K","name":"n"}}})",
     {}},
    {"nothing",
     "Ingress",
     "{}",
     {"spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"}},
    {"no_path_type",
     "Ingress",
     kNoType,
     {kPath + ".pathType: Required value: pathType must be specified"}},
    {"odd_path_type",
     "Ingress",
     kOddType,
     {kPath + R"(.pathType: Unsupported value: "Regex": supported values: "Exact", )" +
      R"("ImplementationSpecific", "Prefix")"}},
    {"relative",
     "Ingress",
     kRelative,
     {kPath + R"(.path: Invalid value: "a": must be an absolute path)"}},
    {"dots",
     "Ingress",
     kDots,
     {kPath + R"(.path: Invalid value: "/a/../b/..": must not contain '/../')",
      kPath + R"(.path: Invalid value: "/a/../b/..": cannot end with '/..')"}},
    {"no_path_is_the_controllers_affair", "Ingress", kFree, {}},
    {"no_backend",
     "Ingress",
     kNoBackend,
     {kPath + R"(.backend: Invalid value: "": resource or service backend is required)"}},
    {"no_port",
     "Ingress",
     kNoPort,
     {kPath + ".backend: Required value: port name or number is required"}},
    {"two_ports",
     "Ingress",
     kTwoPorts,
     {kPath + R"(.backend: Invalid value: "": cannot set both port name & port number)"}},
    {"host_is_an_address",
     "Ingress",
     R"({"rules":[{"host":"10.0.0.1"}]})",
     {R"(spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address)"}},
    {"wildcard", "Ingress", R"({"rules":[{"host":"*.a.b"}],"tls":[{"hosts":["*.a.b"]}]})", {}},
    {"wildcard_inside",
     "Ingress",
     R"({"rules":[{"host":"a.*.b"}]})",
     {R"(spec.rules[0].host: Invalid value: "a.*.b": a wildcard DNS-1123 subdomain must start )"
      R"(with '*.', followed by a valid DNS subdomain, which must consist of lower case )"
      R"(alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. )"
      R"('*.example.com', regex used for validation is )"
      R"('\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'))"}},
    {"class_of_a_controller", "IngressClass", R"({"controller":"example.com/a"})", {}},
    {"class_without_controller", "IngressClass", "{}", {"spec.controller: Required value"}},
    {"class_of_no_domain",
     "IngressClass",
     R"({"controller":"nginx"})",
     {R"(spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as )"
      R"("acme.io/foo"))"}},
    {"class_parameters_in_no_namespace",
     "IngressClass",
     R"({"controller":"a.b/c","parameters":{"kind":"K","name":"n","scope":"Namespace"}})",
     {"spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"}},
    {"class_parameters_in_a_namespace_too_many",
     "IngressClass",
     R"({"controller":"a.b/c","parameters":{"kind":"K","name":"n","namespace":"x"}})",
     {"spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"}},
};
INSTANTIATE_TEST_SUITE_P(Ingress,
                         NetworkRuleTest,
                         testing::ValuesIn(kIngressRows),
                         [](const auto& row) { return std::string{row.param.name}; });

constexpr std::string_view kCidrText =
    "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

const std::vector<Row> kPolicyRows{
    {"all", "NetworkPolicy", R"({"podSelector":{},"ingress":[{}],"egress":[{}]})", {}},
    {"peers",
     "NetworkPolicy",
     R"({"ingress":[{"from":[{"podSelector":{}},{"namespaceSelector":{},"podSelector":{}},)"
     R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],)"
     R"("ports":[{"port":80},{"port":"http","protocol":"UDP"},{"port":1,"endPort":9}]}]})",
     {}},
    {"no_peer",
     "NetworkPolicy",
     R"({"ingress":[{"from":[{}]}]})",
     {"spec.ingress[0].from[0]: Required value: must specify a peer"}},
    {"two_peers",
     "NetworkPolicy",
     R"({"egress":[{"to":[{"podSelector":{},"ipBlock":{"cidr":"10.0.0.0/8"}}]}]})",
     {"spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"}},
    {"no_range",
     "NetworkPolicy",
     R"({"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0"}}]}]})",
     {fmt::format(R"(spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0": {})",
                  kCidrText)}},
    {"except_outside",
     "NetworkPolicy",
     R"({"egress":[{"to":[{"ipBlock":{"cidr":"fd00::/8","except":["fe00::/16","fd00::/8","x"]}}]}]})",
     {R"(spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "fe00::/16": must be a strict )"
      "subset of `cidr`",
      R"(spec.egress[0].to[0].ipBlock.except[1]: Invalid value: "fd00::/8": must be a strict )"
      "subset of `cidr`",
      fmt::format(R"(spec.egress[0].to[0].ipBlock.except[2]: Invalid value: "x": {})", kCidrText)}},
    {"end_below_begin",
     "NetworkPolicy",
     R"({"ingress":[{"ports":[{"port":9,"endPort":8},{"endPort":8},{"port":"a","endPort":8}]}]})",
     {"spec.ingress[0].ports[0].endPort: Invalid value: 8: must be greater than or equal to `port`",
      "spec.ingress[0].ports[1].endPort: Invalid value: 8: may not be specified when `port` is not "
      "specified",
      "spec.ingress[0].ports[2].endPort: Invalid value: 8: may not be specified when `port` is "
      "non-numeric"}},
    {"type",
     "NetworkPolicy",
     R"({"policyTypes":["Both"]})",
     {R"(spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress")"}},
    {"address", "IPAddress", R"({"parentRef":{"resource":"services","name":"a"}})", {}},
    {"address_of_nobody", "IPAddress", "{}", {"spec.parentRef: Required value"}},
    {"address_of_a_nameless",
     "IPAddress",
     R"({"parentRef":{"resource":"services"}})",
     {"spec.parentRef.name: Required value"}},
    {"range", "ServiceCIDR", R"({"cidrs":["10.44.0.0/24"]})", {}},
    {"no_ranges", "ServiceCIDR", "{}", {"spec.cidrs: Required value: at least one CIDR required"}},
    {"bits_behind",
     "ServiceCIDR",
     R"({"cidrs":["10.44.0.1/24"]})",
     {R"(spec.cidrs[0]: Invalid value: "10.44.0.1/24": must not have bits set beyond the prefix )"
      "length"}},
    {"another_family",
     "ServiceCIDR",
     R"({"cidrs":["fd00::/108"]})",
     {R"(spec.cidrs[0]: Invalid value: "fd00::/108": this cluster has no IPv6 addresses for )"
      "services"}},
    {"two_families",
     "ServiceCIDR",
     R"({"cidrs":["10.44.0.0/24","fd00::/108"]})",
     {R"(spec.cidrs: Invalid value: ["10.44.0.0/24","fd00::/108"]: may only hold one range: this )"
      "cluster is single-stack"}},
    {"too_small",
     "ServiceCIDR",
     R"({"cidrs":["10.44.0.0/31"]})",
     {R"(spec.cidrs[0]: Invalid value: "10.44.0.0/31": leaves no address for services: use /1 to )"
      "/30"}},
};
INSTANTIATE_TEST_SUITE_P(Policy,
                         NetworkRuleTest,
                         testing::ValuesIn(kPolicyRows),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST(NetworkRules, WhatIsFixedStays) {
  const auto& cidr = kind_named("ServiceCIDR");
  const auto range = decoded(cidr, R"({"cidrs":["10.44.0.0/24"]})");
  EXPECT_THAT(fault_texts(cidr, range, range), testing::IsEmpty());
  EXPECT_THAT(
      fault_texts(cidr, decoded(cidr, R"({"cidrs":["10.45.0.0/24"]})"), range),
      testing::ElementsAre(R"(spec.cidrs: Invalid value: ["10.45.0.0/24"]: field is immutable)"));
  const auto& address = kind_named("IPAddress");
  const auto before = decoded(address, R"({"parentRef":{"resource":"services","name":"a"}})");
  EXPECT_THAT(
      fault_texts(
          address, decoded(address, R"({"parentRef":{"resource":"services","name":"b"}})"), before),
      testing::ElementsAre(testing::StartsWith("spec.parentRef: Invalid value: ")));
}

TEST(NetworkRules, AnAddressIsNamedByItself) {
  const auto& kind = kind_named("IPAddress");
  const auto out =
      decode(kind,
             R"({"metadata":{"name":"here"},"spec":{"parentRef":{"resource":"services",)"
             R"("name":"a"}}})",
             Unknown::refuse);

  EXPECT_THAT(fault_texts(kind, out->document),
              testing::ElementsAre(R"(metadata.name: Invalid value: "here": must be a valid IP )"
                                   "address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
}

TEST(NetworkDefaults, APolicyIsAboutWhatItSpeaksOf) {
  const auto& kind = kind_named("NetworkPolicy");
  const auto types = [&](std::string_view spec) {
    return std::string(decoded(kind, spec)->root()["spec"]["policyTypes"].raw());
  };

  EXPECT_EQ(types("{}"), R"(["Ingress"])");
  EXPECT_EQ(types(R"({"egress":[]})"), R"(["Ingress"])");
  EXPECT_EQ(types(R"({"egress":[{}]})"), R"(["Ingress","Egress"])");
  EXPECT_EQ(types(R"({"policyTypes":["Egress"]})"), R"(["Egress"])");
  EXPECT_EQ(
      decoded(kind, R"({"ingress":[{"ports":[{"port":80}]}]})")->root().find("spec.ingress").raw(),
      R"([{"ports":[{"port":80,"protocol":"TCP"}]}])");
}

TEST(NetworkDefaults, ParametersOfAClassAreOutsideNamespaces) {
  const auto& kind = kind_named("IngressClass");

  EXPECT_EQ(decoded(kind, R"({"controller":"a.b/c","parameters":{"kind":"K","name":"n"}})")
                ->root()
                .find("spec.parameters.scope")
                .string(),
            "Cluster");
}

}  // namespace
}  // namespace tetrarch::schema
