// SPDX-License-Identifier: Apache-2.0
#include "agent/pressure.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pressure_measure.h"
#include "base/random.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TimePoint kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr std::int64_t kMi = 1 << 20;

std::vector<Threshold> thresholds(std::string_view text) {
  auto out = parse_thresholds(text);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
  return out.ok() ? *out : std::vector<Threshold>();
}

TEST(Thresholds, ReadsAmountsAndSharesInTheOrderOfSignals) {
  const auto list = thresholds("pid.available<5%,memory.available<100Mi,nodefs.available<10%");

  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].signal, Signal::memory_available);
  EXPECT_EQ(list[0].of(1), 100 * kMi);
  EXPECT_EQ(list[1].signal, Signal::nodefs_available);
  EXPECT_EQ(list[1].of(1005), 100);
  EXPECT_EQ(list[2].of(32768), 1638);
}

TEST(Thresholds, NothingAndNoneAtAllAreNoThreshold) {
  EXPECT_THAT(thresholds(""), IsEmpty());
  EXPECT_THAT(thresholds("nodefs.available<0%,imagefs.available<100%"), IsEmpty());
}

struct BadRow {
  std::string name;
  std::string text;
  std::string says;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.name;
}

class BadThresholdTest : public testing::TestWithParam<BadRow> {};

TEST_P(BadThresholdTest, SaysWhichPartAndWhatIsMeant) {
  const auto read = parse_thresholds(GetParam().text);

  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    BadThresholdTest,
    testing::Values(
        BadRow{"signal", "disk.available<1Gi", "\"disk.available<1Gi\" is not of the form"},
        BadRow{"no_sign", "memory.available=1Gi", "is not of the form"},
        BadRow{"empty_part", "memory.available<1Gi,,", "\"\" is not of the form"},
        BadRow{"amount", "memory.available<much", "has no positive amount"},
        BadRow{"negative", "memory.available<-1Gi", "has no positive amount"},
        BadRow{"zero", "memory.available<0", "has no positive amount"},
        BadRow{"share", "nodefs.available<110%", "is no percentage"},
        BadRow{"share_text", "nodefs.available<x%", "is no percentage"},
        BadRow{"twice", "memory.available<1Gi,memory.available<2Gi", "second time"}),
    [](const auto& row) { return row.param.name; });

TEST(Met, OnlyWhatIsMeasuredAndBelow) {
  const auto list = thresholds("memory.available<100Mi,nodefs.available<10%,pid.available<10");

  EXPECT_THAT(met(list,
                  {{Signal::memory_available, {100 * kMi, 1000 * kMi}},
                   {Signal::nodefs_available, {99, 1000}}}),
              ElementsAre(testing::Field(&Threshold::signal, Signal::nodefs_available)));
  EXPECT_THAT(met(list, {}), IsEmpty());
}

TEST(PressureState, HoldsForTheTransitionPeriodAndTellsChangesOnce) {
  PressureState state(seconds(300));
  const auto memory = thresholds("memory.available<1Gi");

  EXPECT_THAT(state.note(memory, kNow), ElementsAre(Pressure::memory));
  EXPECT_THAT(state.note(memory, kNow + seconds(10)), IsEmpty());
  EXPECT_THAT(state.note({}, kNow + seconds(309)), IsEmpty());
  EXPECT_TRUE(state.has(Pressure::memory));
  EXPECT_EQ(state.text(), "[MemoryPressure]");
  EXPECT_THAT(state.note({}, kNow + seconds(310)), ElementsAre(Pressure::memory));
  EXPECT_FALSE(state.has_any());
}

/// `spec` and `metadata` are members with a comma behind.
DocumentPtr a_pod(std::string_view requests = "",
                  std::string_view spec = "",
                  std::string_view metadata = "") {
  return *Document::parse(
      fmt::format(R"({{"metadata":{{{}"name":"p"}},"spec":{{{}"containers":[{{"name":"c",)"
                  R"("resources":{{"requests":{{{}}}}}}}]}}}})",
                  metadata,
                  spec,
                  requests));
}

struct RefusalRow {
  std::string name;
  std::string pressures;
  DocumentPtr pod;
  bool is_taken;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

class RefusalTest : public testing::TestWithParam<RefusalRow> {};

TEST_P(RefusalTest, IsAsTheKubeletDecides) {
  PressureState state(seconds(300));
  static_cast<void>(state.note(thresholds(GetParam().pressures), kNow));

  const auto refusal = refusal_under(state, views::PodView(GetParam().pod->root()));

  EXPECT_EQ(!refusal.has_value(), GetParam().is_taken);
  if (refusal) {
    EXPECT_EQ(refusal->reason, "Evicted");
    EXPECT_EQ(refusal->message,
              fmt::format("Pod was rejected: The node had condition: {}. ", state.text()));
  }
}

const std::string kMemory = "memory.available<1Gi";
const std::string kDisk = "imagefs.available<1Gi";
const std::string kTolerates =
    R"("tolerations":[{"key":"node.kubernetes.io/memory-pressure","operator":"Exists"}],)";

INSTANTIATE_TEST_SUITE_P(
    Table,
    RefusalTest,
    testing::Values(
        RefusalRow{"none", "", a_pod(), true},
        RefusalRow{"best_effort_under_memory", kMemory, a_pod(), false},
        RefusalRow{"burstable_under_memory", kMemory, a_pod(R"("cpu":"1")"), true},
        RefusalRow{"tolerant_under_memory", kMemory, a_pod("", kTolerates), true},
        RefusalRow{"tolerant_of_all",
                   kMemory,
                   a_pod("", R"("tolerations":[{"operator":"Exists"}],)"),
                   true},
        RefusalRow{"tolerant_under_two", kMemory + "," + kDisk, a_pod("", kTolerates), false},
        RefusalRow{"burstable_under_disk", kDisk, a_pod(R"("cpu":"1")"), false},
        RefusalRow{"any_under_pids", "pid.available<9", a_pod(R"("cpu":"1")"), false},
        RefusalRow{"critical", kDisk, a_pod("", R"("priority":2000000000,)"), true},
        RefusalRow{"static_pod",
                   kDisk,
                   a_pod("", "", R"("annotations":{"kubernetes.io/config.source":"file"},)"),
                   true}),
    [](const auto& row) { return row.param.name; });

Candidate a_candidate(const std::string& uid, DocumentPtr pod, std::int64_t memory) {
  Candidate out{uid, std::move(pod)};
  out.usage = PodUsage{{ContainerUsage{"c", memory}}};
  return out;
}

std::string order(std::vector<Candidate> pods, Signal signal, bool has_image_disk = false) {
  rank(pods, signal, has_image_disk);
  std::string out;
  for (const auto& pod : pods) {
    out += (out.empty() ? "" : " ") + pod.uid;
  }
  return out;
}

TEST(Rank, MemoryGoesByExcessThenPriorityThenAmount) {
  const auto asks = a_pod(R"("memory":"100Mi")");

  EXPECT_EQ(order({a_candidate("within", asks, 99 * kMi),
                   a_candidate("little-over", asks, 101 * kMi),
                   a_candidate("much-over", asks, 300 * kMi),
                   a_candidate("important", a_pod("", R"("priority":5,)"), 900 * kMi),
                   a_candidate("well-within", asks, 1 * kMi),
                   Candidate{"unmeasured", asks}},
                  Signal::memory_available),
            "unmeasured much-over little-over important within well-within");
}

TEST(Rank, WhatIsAskedCountsSidecarsAndInitContainers) {
  const auto pod = a_pod(R"("memory":"100Mi")",
                         R"("initContainers":[{"name":"s","restartPolicy":"Always","resources":{)"
                         R"("requests":{"memory":"50Mi"}}},{"name":"i","resources":{"requests":{)"
                         R"("memory":"300Mi"}}}],)");

  EXPECT_EQ(order({a_candidate("asks-350", pod, 349 * kMi),
                   a_candidate("asks-nothing", a_pod(), 1 * kMi)},
                  Signal::memory_available),
            "asks-nothing asks-350");
}

TEST(Rank, DiskCountsWhatIsOnTheFileSystemThatIsShort) {
  auto writes_layer = Candidate{"layer", a_pod()};
  writes_layer.usage = PodUsage{{ContainerUsage{"c", 0, {500 * kMi, 3}, {1 * kMi, 1}}}};
  auto writes_volume = Candidate{"volume", a_pod()};
  writes_volume.usage = PodUsage{{ContainerUsage{"c", 0, {1 * kMi, 1}, {}}}, {400 * kMi, 90}};

  EXPECT_EQ(order({writes_volume, writes_layer}, Signal::nodefs_available), "layer volume");
  EXPECT_EQ(order({writes_layer, writes_volume}, Signal::nodefs_available, true), "volume layer");
  EXPECT_EQ(order({writes_volume, writes_layer}, Signal::imagefs_available, true), "layer volume");
  EXPECT_EQ(order({writes_layer, writes_volume}, Signal::nodefs_inodes_free), "volume layer");
}

TEST(Rank, PidsGoByPriorityThenNumber) {
  const auto with = [](const std::string& uid, std::int64_t pids, std::string_view spec = "") {
    Candidate out{uid, a_pod("", spec)};
    out.usage = PodUsage{};
    out.usage->pids = pids;
    return out;
  };

  EXPECT_EQ(order({with("few", 3), with("important", 999, R"("priority":1,)"), with("many", 50)},
                  Signal::pid_available),
            "many few important");
}

TEST(EvictionMessage, NamesWhatIsShortAndWhoTookMoreThanItAskedFor) {
  const auto threshold = thresholds("memory.available<10%").front();
  const auto pod = a_candidate("u", a_pod(R"("memory":"1Mi")"), 3 * kMi);

  EXPECT_EQ(eviction_message(threshold, {51 * kMi, 1000 * kMi}, pod),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51Mi. "
            "Container c was using 3Mi, request is 1Mi, has larger consumption of memory. ");
  EXPECT_EQ(eviction_message(threshold, {51 * kMi, 1000 * kMi}, Candidate{"u", a_pod()}),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51Mi. ");
}

TEST(EvictionMessage, CountsInodesAndProcesses) {
  const auto pids = thresholds("pid.available<1000").front();

  EXPECT_EQ(eviction_message(pids, {7, 32768}, a_candidate("u", a_pod(), 1)),
            "The node was low on resource: pids. Threshold quantity: 1000, available: 7. ");
}

class MeasureTest : public testing::Test {
 protected:
  MeasureTest()
      : place_(std::filesystem::temp_directory_path() /
               ("pressure-" + make_suffix(system_random(), 10))) {
    std::filesystem::create_directories(place_ / "sys/kernel");
  }

  ~MeasureTest() override { std::filesystem::remove_all(place_); }

  void put(const std::string& name, const std::string& text) {
    std::ofstream(place_ / name) << text;
  }

  std::filesystem::path place_;
};

TEST_F(MeasureTest, ReadsMemoryAndProcessesOfTheKernel) {
  put("meminfo",
      "MemTotal:       8000 kB\nMemFree:        1000 kB\nMemAvailable:   5000 kB\n"
      "Inactive(file):  2000 kB\n");
  put("loadavg", "0.10 0.20 0.30 2/345 999\n");
  put("sys/kernel/pid_max", "32768\n");
  put("sys/kernel/threads-max", "20000\n");

  const auto seen = Measured{place_, place_, place_}.observe();

  EXPECT_EQ(seen.at(Signal::memory_available).available, 3000 * 1024);
  EXPECT_EQ(seen.at(Signal::memory_available).capacity, 8000 * 1024);
  EXPECT_EQ(seen.at(Signal::pid_available).available, 20000 - 345);
  EXPECT_EQ(seen.at(Signal::pid_available).capacity, 20000);
  EXPECT_GT(seen.at(Signal::nodefs_available).capacity, 0);
  EXPECT_FALSE((Measured{place_, place_, place_}.has_image_disk()));
}

TEST_F(MeasureTest, SaysNothingOfWhatItCannotRead) {
  const auto seen = Measured{place_ / "gone", place_ / "gone", place_ / "gone"}.observe();

  EXPECT_THAT(seen, IsEmpty());
}

TEST_F(MeasureTest, CountsFilesAndBlocksBelowAFolder) {
  std::filesystem::create_directories(place_ / "v/deep");
  put("v/a", std::string(100'000, 'x'));
  put("v/deep/b", "y");
  std::filesystem::create_symlink("/", place_ / "v/out");

  const auto usage = disk_usage_of(place_ / "v");

  EXPECT_EQ(usage.inodes, 5);
  EXPECT_GE(usage.bytes, 100'000);
  EXPECT_LT(usage.bytes, 10 * kMi) << "links are not followed";
  EXPECT_EQ(disk_usage_of(place_ / "none").inodes, 0);
}

}  // namespace
}  // namespace tetrarch::agent
