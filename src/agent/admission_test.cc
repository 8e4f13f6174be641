// SPDX-License-Identifier: Apache-2.0
#include "agent/admission.h"

#include <fmt/format.h>
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
    {"claims_for_devices",
     R"({"resourceClaims":[{"name":"gpu","resourceClaimName":"gpu"}]})",
     "UnexpectedAdmissionError"},
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

struct PortRow {
  std::string_view name;
  std::string_view wanted;  ///< a port of the pod that comes second
  std::string_view other;   ///< members of the first beside its port 80 of 127.0.0.1
  bool is_refused;
};

void PrintTo(const PortRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr PortRow kPortRows[] = {
    {"same", R"({"hostPort":80,"hostIP":"127.0.0.1"})", "", true},
    {"every_address", R"({"hostPort":80})", "", true},
    {"zeros", R"({"hostPort":80,"hostIP":"0.0.0.0"})", "", true},
    {"other_address", R"({"hostPort":80,"hostIP":"127.0.0.2"})", "", false},
    {"other_protocol", R"({"hostPort":80,"protocol":"UDP"})", "", false},
    {"other_number", R"({"hostPort":81})", "", false},
    {"none", R"({"containerPort":80})", "", false},
    {"has_ended", R"({"hostPort":80})", R"(,"status":{"phase":"Failed"})", false},
};

class PortRefusal : public testing::TestWithParam<PortRow> {};

Stored pod_at(std::string_view uid,
              std::string_view time,
              std::string_view port,
              std::string_view more) {
  return Stored{{"pods", "ns", std::string(uid)},
                Revision{1},
                *Document::parse(fmt::format(
                    R"({{"metadata":{{"uid":"{}","creationTimestamp":"{}"}},"spec":{{"containers":[
                    {{"name":"c","ports":[{}]}}]}}{}}})",
                    uid,
                    time,
                    port,
                    more))};
}

TEST_P(PortRefusal, GoesByAddressProtocolAndNumber) {
  const auto first = pod_at("b",
                            "2026-01-01T00:00:00Z",
                            R"({"hostPort":80,"hostIP":"127.0.0.1","protocol":"TCP"})",
                            GetParam().other);
  const auto second = pod_at("a", "2026-01-01T00:00:01Z", GetParam().wanted, "");
  const std::vector<Stored> both{first, second};

  EXPECT_EQ(port_conflict(views::PodView(second.root()), both).has_value(), GetParam().is_refused);
  EXPECT_FALSE(port_conflict(views::PodView(first.root()), both)) << "who was first stays";
}

INSTANTIATE_TEST_SUITE_P(Table, PortRefusal, testing::ValuesIn(kPortRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(PortRefusal, WhatRunsIsFirstWhateverItsAge) {
  const auto older = pod_at("a", "2026-01-01T00:00:00Z", R"({"hostPort":80})", "");
  const auto runs = pod_at("b",
                           "2026-01-01T00:00:00Z",
                           R"({"hostPort":80})",
                           R"(,"status":{"startTime":"2026-01-01T00:00:00Z"})");

  const auto refused = port_conflict(views::PodView(older.root()), {older, runs});

  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, "NodePorts");
}

}  // namespace
}  // namespace tetrarch::agent
