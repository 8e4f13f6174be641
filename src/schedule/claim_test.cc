// SPDX-License-Identifier: Apache-2.0
#include "schedule/claim.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::schedule {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Claim claim_of(std::string_view spec, Dimensions& dimensions) {
  const auto pod = Document::parse(fmt::format(R"({{"spec":{}}})", spec)).value();
  return claim_of_pod(pod->root(), dimensions);
}

/// "cpu=100 memory=5 pods=1", in the order of dimensions.
std::string text_of(const Claim& claim, const Dimensions& dimensions) {
  std::string out;
  for (const auto& amount : claim.amounts) {
    out += fmt::format(
        "{}{}={}", out.empty() ? "" : " ", dimensions.name(amount.dimension), amount.value);
  }
  return out;
}

struct ClaimRow {
  std::string_view name;
  std::string_view spec;
  std::string_view amounts;
};

void PrintTo(const ClaimRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr ClaimRow kClaimRows[] = {
    {"a_pod_is_a_pod", R"({"containers":[{"name":"c"}]})", "pods=1"},
    {"containers_add_up",
     R"({"containers":[{"resources":{"requests":{"cpu":"100m","memory":"1Mi"}}},
        {"resources":{"requests":{"cpu":"1","memory":"2Mi"}}}]})",
     "cpu=1100 memory=3145728 pods=1"},
    {"limits_alone_take_nothing_here",  // admission has made them requests
     R"({"containers":[{"resources":{"limits":{"cpu":"1"}}}]})",
     "pods=1"},
    {"what_is_asked_for_as_zero_is_not_asked_for",
     R"({"containers":[{"resources":{"requests":{"cpu":"0","x.io/gpu":"0"}}}]})",
     "pods=1"},
    {"storage_and_extended_resources",
     R"({"containers":[{"resources":{"requests":{"ephemeral-storage":"1Ki","x.io/gpu":"2"}}}]})",
     "ephemeral-storage=1024 pods=1 x.io/gpu=2"},
    {"fractions_of_a_thousandth_are_rounded_up",
     R"({"containers":[{"resources":{"requests":{"cpu":"100u"}}}]})",
     "cpu=1 pods=1"},
    {"overhead_is_added",
     R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],"overhead":{"cpu":"10m","memory":"5"}})",
     "cpu=1010 memory=5 pods=1"},
    {"the_largest_init_container_where_it_is_more",
     R"({"containers":[{"resources":{"requests":{"cpu":"1","memory":"10"}}}],
        "initContainers":[{"resources":{"requests":{"cpu":"3"}}},
                          {"resources":{"requests":{"cpu":"2","memory":"5"}}}]})",
     "cpu=3000 memory=10 pods=1"},
    {"a_sidecar_runs_beside_the_containers",
     R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],
        "initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}}]})",
     "cpu=3000 pods=1"},
    {"an_init_container_runs_beside_the_sidecars_before_it",
     R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],
        "initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}},
                          {"resources":{"requests":{"cpu":"4"}}}]})",
     "cpu=6000 pods=1"},
    {"but_not_beside_those_after_it",
     R"({"containers":[{"resources":{"requests":{"cpu":"1"}}}],
        "initContainers":[{"resources":{"requests":{"cpu":"4"}}},
                          {"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}}]})",
     "cpu=4000 pods=1"},
    {"amounts_beyond_all_machines_are_cut_and_do_not_overflow",
     R"({"containers":[{"resources":{"requests":{"memory":"9223372036854775807"}}},
                       {"resources":{"requests":{"memory":"9223372036854775807"}}}]})",
     "memory=4503599627370496 pods=1"},
    {"what_cannot_be_read_counts_as_nothing",
     R"({"containers":[{"resources":{"requests":{"cpu":"much","memory":"-5"}}}]})",
     "pods=1"},
};

class ClaimTest : public testing::TestWithParam<ClaimRow> {};

TEST_P(ClaimTest, SumsWhatRunsAtOnce) {
  Dimensions dimensions;

  EXPECT_EQ(text_of(claim_of(GetParam().spec, dimensions), dimensions), GetParam().amounts);
}

INSTANTIATE_TEST_SUITE_P(Table, ClaimTest, testing::ValuesIn(kClaimRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Claim, RankingAssumesSomethingOfContainersThatAskForNothing) {
  Dimensions dimensions;

  const auto silent = claim_of(R"({"containers":[{"name":"a"},{"name":"b"}]})", dimensions);
  const auto explicit_zero = claim_of(
      R"({"containers":[{"resources":{"requests":{"cpu":"0","memory":"0"}}}]})", dimensions);

  EXPECT_EQ(silent.ranked_cpu, 200);
  EXPECT_EQ(silent.ranked_memory, 400LL * 1024 * 1024);
  EXPECT_EQ(explicit_zero.ranked_cpu, 0);
  EXPECT_EQ(explicit_zero.ranked_memory, 0);
}

struct PortRow {
  std::string_view name;
  std::string_view spec;
  std::vector<HostPort> ports;
};

void PrintTo(const PortRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<PortRow>& port_rows() {
  static const std::vector<PortRow> rows = {
      {"a_container_port_alone_takes_none",
       R"({"containers":[{"ports":[{"containerPort":80}]}]})",
       {}},
      {"a_host_port",
       R"({"containers":[{"ports":[{"containerPort":80,"hostPort":8080}]}]})",
       {{"TCP", "", 8080}}},
      {"its_protocol_and_address",
       R"({"containers":[{"ports":[{"containerPort":53,"hostPort":53,"protocol":"UDP",
          "hostIP":"192.0.2.1"}]}]})",
       {{"UDP", "192.0.2.1", 53}}},
      {"all_addresses_in_either_family",
       R"({"containers":[{"ports":[{"hostPort":1,"hostIP":"0.0.0.0"},{"hostPort":2,"hostIP":"::"}]}]})",
       {{"TCP", "", 1}, {"TCP", "", 2}}},
      {"on_the_machines_network_every_port_is_its",
       R"({"hostNetwork":true,"containers":[{"ports":[{"containerPort":80}]}]})",
       {{"TCP", "", 80}}},
      {"of_sidecars_but_not_of_init_containers",
       R"({"containers":[],"initContainers":[{"ports":[{"hostPort":1}]},
          {"restartPolicy":"Always","ports":[{"hostPort":2}]}]})",
       {{"TCP", "", 2}}},
  };
  return rows;
}

class PortTest : public testing::TestWithParam<PortRow> {};

TEST_P(PortTest, AreTakenOnTheMachine) {
  Dimensions dimensions;

  EXPECT_EQ(claim_of(GetParam().spec, dimensions).ports, GetParam().ports);
}

INSTANTIATE_TEST_SUITE_P(Table, PortTest, testing::ValuesIn(port_rows()), [](const auto& row) {
  return std::string(row.param.name);
});

struct AmountRow {
  std::string_view name;
  Dimension dimension;
  std::string_view text;
  std::int64_t amount;
};

void PrintTo(const AmountRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr AmountRow kAmountRows[] = {
    {"cpu_in_thousandths", kCpu, "1.5", 1500},
    {"cpu_milli", kCpu, "250m", 250},
    {"memory_in_bytes", kMemory, "1Ki", 1024},
    {"memory_decimal", kMemory, "1k", 1000},
    {"memory_fraction_rounds_up", kMemory, "1500m", 2},
    {"pods", kPods, "110", 110},
    {"nothing", kMemory, "", 0},
    {"negative", kMemory, "-1", 0},
    {"huge", kMemory, "100E", std::int64_t{1} << 52},
};

class AmountTest : public testing::TestWithParam<AmountRow> {};

TEST_P(AmountTest, IsInTheUnitOfItsDimension) {
  EXPECT_EQ(amount_of(GetParam().dimension, GetParam().text), GetParam().amount);
}

INSTANTIATE_TEST_SUITE_P(Table, AmountTest, testing::ValuesIn(kAmountRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Interner, GivesEqualTextsOneNumberAndForgetsNone) {
  Interner texts;
  const auto a = texts.intern("a");
  const auto b = texts.intern("b");

  EXPECT_NE(a, b);
  EXPECT_EQ(texts.intern("a"), a);
  EXPECT_EQ(texts.find("b"), b);
  EXPECT_EQ(texts.find("c"), Interner::kNone);
  EXPECT_EQ(texts.text(a), "a");
  EXPECT_EQ(texts.size(), 2U);
}

/// A pod that asks for one cpu; what its node has told of it.
object::View told_pod(std::string_view status) {
  static DocumentPtr kept;
  kept = *Document::parse(
      R"({"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]},"status":)" +
      std::string(status) + "}");
  return kept->root();
}

TEST(ResizedPod, CountsTheLargestOfAskedGrantedAndCarriedOut) {
  Dimensions dimensions;
  const auto cpu_of = [&](std::string_view status) {
    return claim_of_pod(told_pod(status), dimensions).amounts.front().value;
  };

  EXPECT_EQ(cpu_of("{}"), 1000);
  EXPECT_EQ(cpu_of(R"({"containerStatuses":[{"name":"c","allocatedResources":{"cpu":"300m"}}]})"),
            1000);
  EXPECT_EQ(cpu_of(R"({"containerStatuses":[{"name":"c","allocatedResources":{"cpu":"2"}}]})"),
            2000);
  EXPECT_EQ(cpu_of(R"({"containerStatuses":[{"name":"c","allocatedResources":{"cpu":"2"},)"
                   R"("resources":{"requests":{"cpu":"3"}}}]})"),
            3000);
  EXPECT_EQ(cpu_of(R"({"conditions":[{"type":"PodResizePending","reason":"Infeasible"}],)"
                   R"("containerStatuses":[{"name":"c","allocatedResources":{"cpu":"300m"}}]})"),
            300);
}

}  // namespace
}  // namespace tetrarch::schedule
