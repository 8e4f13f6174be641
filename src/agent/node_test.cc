// SPDX-License-Identifier: Apache-2.0
#include "agent/node.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/agent.h"
#include "object/document.h"

namespace tetrarch::agent {
namespace {

const TimePoint kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

Machine a_machine() {
  Machine out;
  out.cpus = 2;
  out.memory_bytes = std::int64_t{4} << 30;
  out.disk_bytes = std::int64_t{8} << 30;
  out.address = "192.0.2.7";
  return out;
}

DocumentPtr status_after(std::string_view before) {
  const auto document = *Document::parse(before);
  Options options;
  options.node_name = "n1";
  options.reserved_cpu_millicores = 500;
  return Document::from_canonical(
      node_status(options, a_machine(), NodeState{}, document->root(), kNow));
}

TEST(NodeStatus, SaysWhatTheMachineHasLessWhatIsReserved) {
  const auto status = status_after("{}");

  EXPECT_EQ(status->root()["capacity"]["cpu"].string(), "2");
  EXPECT_EQ(status->root()["allocatable"]["cpu"].string(), "1500m");
  EXPECT_EQ(status->root()["capacity"].size(), 6U);
}

TEST(NodeStatus, KeepsExtendedResourcesOfOthersAndOffersThem) {
  const auto status = status_after(
      R"({"capacity":{"cpu":"64","example.com/device":"3"},"allocatable":{"gone.example/x":"1"}})");

  EXPECT_EQ(status->root()["capacity"]["example.com/device"].string(), "3");
  EXPECT_EQ(status->root()["allocatable"]["example.com/device"].string(), "3");
  EXPECT_EQ(status->root()["capacity"]["cpu"].string(), "2") << "the machine's own are ours to say";
  EXPECT_FALSE(status->root()["allocatable"]["gone.example/x"].exists());
}

TEST(NodeStatus, SaysWhatItIsShortOf) {
  Options options;
  NodeState state;
  state.pressures = {Pressure::disk};
  const auto status = Document::from_canonical(
      node_status(options, a_machine(), state, status_after("{}")->root(), kNow));

  std::string told;
  for (const auto condition : status->root()["conditions"].elements()) {
    told += std::string(condition["type"].string()) + "=" +
            std::string(condition["status"].string()) + " ";
  }
  EXPECT_EQ(told, "MemoryPressure=False DiskPressure=True PIDPressure=False Ready=False ");
  EXPECT_EQ(status->root()["conditions"].at(1)["reason"].string(), "KubeletHasDiskPressure");
}

TEST(NodeStatus, WhatMustStayFreeIsNotForPods) {
  Options options;
  options.reserved_memory_bytes = 1 << 20;
  NodeState state;
  state.thresholds = {{Signal::memory_available, 0, 25}, {Signal::pid_available, 5, 0}};
  const auto status =
      Document::from_canonical(node_status(options, a_machine(), state, object::View(), kNow));

  EXPECT_EQ(status->root()["allocatable"]["memory"].string(), "3144704Ki");
  EXPECT_EQ(status->root()["capacity"]["memory"].string(), "4194304Ki");
}

TEST(NodeStatus, AFurtherResourceIsAChange) {
  const auto plain = status_after("{}");
  const auto more = status_after(R"({"capacity":{"example.com/device":"3"}})");

  EXPECT_TRUE(is_same_status(plain->root(), status_after("{}")->root()));
  EXPECT_FALSE(is_same_status(plain->root(), more->root()));
}

/// A server has its own order of members, writes amounts in its own way, and keeps no empty list.
TEST(NodeStatus, IsTheSameHoweverTheServerWritesIt) {
  const auto ours = Document::from_canonical(
      R"({"capacity":{"memory":"16777216Ki","cpu":"4"},"allocatable":{"cpu":"4"},)"
      R"("addresses":[{"type":"Hostname","address":"a"}],"nodeInfo":{"b":"1","a":"2"},"images":[]})");
  const auto told = [](std::string_view memory, std::string_view address, std::string_view images) {
    return Document::from_canonical(fmt::format(
        R"({{"addresses":[{{"address":"{}","type":"Hostname"}}],"allocatable":{{"cpu":"4000m"}},)"
        R"("capacity":{{"cpu":"4","memory":"{}"}},"nodeInfo":{{"a":"2","b":"1"}}{}}})",
        address,
        memory,
        images));
  };

  EXPECT_TRUE(is_same_status(ours->root(), told("16Gi", "a", "")->root()));
  EXPECT_FALSE(is_same_status(ours->root(), told("17Gi", "a", "")->root()));
  EXPECT_FALSE(is_same_status(ours->root(), told("16Gi", "b", "")->root()));
  EXPECT_FALSE(
      is_same_status(ours->root(), told("16Gi", "a", R"(,"images":[{"names":["x"]}])")->root()));
}

TEST(WithMember, ReplacesOrAddsOne) {
  const auto object = Document::from_canonical(R"({"kind":"Node","spec":{"a":1},"status":{}})");

  EXPECT_EQ(with_member(object->root(), "spec", R"({"b":2})")->bytes(),
            R"({"kind":"Node","status":{},"spec":{"b":2}})");
  EXPECT_EQ(with_member(object->root(), "new", "[]")->bytes(),
            R"({"kind":"Node","spec":{"a":1},"status":{},"new":[]})");
}

}  // namespace
}  // namespace tetrarch::agent
