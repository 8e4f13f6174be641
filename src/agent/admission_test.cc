// SPDX-License-Identifier: Apache-2.0
#include "agent/admission.h"

#include <gtest/gtest.h>

#include "object/document.h"

namespace tetrarch::agent {
namespace {

struct Row {
  std::string_view name;
  std::string_view spec;
  std::string_view reason;  ///< empty: it may run on a machine without AppArmor
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

constexpr Row kRows[] = {
    {"nothing_asked", R"({"containers":[{"name":"c"}]})", ""},
    {"safe_sysctl",
     R"({"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_syncookies","value":"1"}]}})",
     ""},
    {"unsafe_sysctl",
     R"({"securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"1"}]}})",
     "SysctlForbidden"},
    {"profile_of_pod",
     R"({"securityContext":{"appArmorProfile":{"type":"RuntimeDefault"}}})",
     "AppArmor"},
    {"profile_of_container",
     R"({"containers":[{"securityContext":{"appArmorProfile":{"type":"Localhost"}}}]})",
     "AppArmor"},
    {"unconfined", R"({"securityContext":{"appArmorProfile":{"type":"Unconfined"}}})", ""},
};

class Refusal : public testing::TestWithParam<Row> {};

TEST_P(Refusal, HasTheReasonThatKubeletGives) {
  const auto pod = *Document::parse(R"({"kind":"Pod","apiVersion":"v1","metadata":{},"spec":)" +
                                    std::string(GetParam().spec) + "}");

  const auto refused = refusal_of(views::PodView(pod->root()), false);

  EXPECT_EQ(refused ? refused->reason : "", GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(Table, Refusal, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string(row.param.name);
});

}  // namespace
}  // namespace tetrarch::agent
