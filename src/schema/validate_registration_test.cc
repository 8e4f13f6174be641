// SPDX-License-Identifier: Apache-2.0
// APIServices: defaults, and refusals in Kubernetes' words.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/decode.h"
#include "schema/faults_test.h"

namespace tetrarch::schema {
namespace {

const Kind& api_service() {
  static const auto catalog = Catalog::load_builtin().value();
  return *catalog->find("apiregistration.k8s.io", "v1", "APIService");
}

DocumentPtr decoded(std::string_view name, std::string_view spec, std::string_view more = "") {
  const auto out =
      decode(api_service(),
             fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{{}}}{}}})", name, spec, more),
             Unknown::refuse);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out->document;
}

constexpr std::string_view kSound =
    R"("group":"a.example.com","version":"v1","groupPriorityMinimum":2000,"versionPriority":10)";

struct Row {
  std::string_view name;
  std::string_view object;
  std::string spec;
  std::vector<std::string> expected;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

class RegistrationRuleTest : public testing::TestWithParam<Row> {};

TEST_P(RegistrationRuleTest, IsWordedAsKubernetesDoes) {
  EXPECT_EQ(fault_texts(api_service(), decoded(GetParam().object, GetParam().spec)),
            GetParam().expected);
}

std::string with(std::string_view more) {
  return fmt::format("{},{}", kSound, more);
}

const std::string kService = R"("service":{"namespace":"n","name":"s"})";

INSTANTIATE_TEST_SUITE_P(
    Table,
    RegistrationRuleTest,
    testing::Values(
        Row{"local", "v1.a.example.com", std::string(kSound), {}},
        Row{"remote", "v1.a.example.com", with(kService + R"(,"caBundle":"YQ==")"), {}},
        Row{"core",
            "v1.",
            R"("version":"v1","groupPriorityMinimum":18000,"versionPriority":1)",
            {}},
        Row{"another_name",
            "v2.a.example.com",
            std::string(kSound),
            {R"(metadata.name: Invalid value: "v2.a.example.com": must be )"
             R"(`spec.version+"."+spec.group`: "v1.a.example.com")"}},
        Row{"no_group",
            "v2.",
            R"("version":"v2","groupPriorityMinimum":1,"versionPriority":1)",
            {"spec.group: Required value: only v1 may have an empty group and it better be legacy "
             "kube"}},
        Row{"priorities",
            "v1.a.example.com",
            R"("group":"a.example.com","version":"v1","groupPriorityMinimum":20001,)"
            R"("versionPriority":0)",
            {"spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than "
             "20000",
             "spec.versionPriority: Invalid value: 0: must be positive and less than 1000"}},
        Row{"local_with_trust",
            "v1.a.example.com",
            with(R"("caBundle":"YWI=","insecureSkipTLSVerify":true)"),
            {R"(spec.caBundle: Invalid value: "2 bytes": local APIServices may not have a )"
             "caBundle",
             "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have "
             "insecureSkipTLSVerify"}},
        Row{"service_of_nothing",
            "v1.a.example.com",
            with(R"("service":{"port":70000})"),
            {"spec.service.namespace: Required value",
             "spec.service.name: Required value",
             "spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and "
             "65535, inclusive"}},
        Row{"both_kinds_of_trust",
            "v1.a.example.com",
            with(kService + R"(,"caBundle":"YQ==","insecureSkipTLSVerify":true)"),
            {"spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is "
             "present"}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Registration, AsksForPort443WhereNoneIsNamed) {
  const auto document = decoded("v1.a.example.com", with(kService));

  EXPECT_EQ(document->root().find("spec.service.port").integer(), 443);
}

TEST(Registration, HasConditionsOfThreeStates) {
  const auto document =
      decoded("v1.a.example.com",
              std::string(kSound),
              R"(,"status":{"conditions":[{"type":"Available","status":"Yes"}]})");

  EXPECT_EQ(fault_texts(api_service(), document),
            std::vector<std::string>{
                R"(status.conditions[0].status: Unsupported value: "Yes": supported values: )"
                R"("True", "False", "Unknown")"});
}

}  // namespace
}  // namespace tetrarch::schema
