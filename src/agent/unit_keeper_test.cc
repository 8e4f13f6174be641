// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_keeper.h"

#include <fstream>
#include <future>
#include <set>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/fake_systemd.h"
#include "agent/worker_bench.h"
#include "async/virtual_time.h"
#include "object/writer.h"
#include "unitfile/marks.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
namespace marks = unitfile::marks;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Annotations = std::map<std::string, std::string>;

constexpr const char* kSleep = "[Service]\nExecStart=/bin/sleep 1000\n";

Annotations unit_of(const std::string& name, const std::string& text = kSleep) {
  return {{std::string(marks::kUnitName), name}, {std::string(marks::kUnitText), text}};
}

Annotations held(Annotations annotations) {
  annotations[std::string(marks::kRunState)] = "held";
  return annotations;
}

/// A machine with a systemd, a server and the keeper between them.
class UnitKeeperTest : public testing::Test {
 protected:
  /// What dies with an agent process.
  struct Process {
    explicit Process(UnitKeeperTest& test, bool has_systemd)
        : tasks(test.context_.get_executor(), "test"),
          objects(test.place_ / "objects", test.blocking_),
          statuses(test.server_, objects),
          events(test.server_, "n1", test.time_, system_random()),
          keeper({test.server_,
                  objects,
                  statuses,
                  events,
                  test.blocking_,
                  tasks,
                  test.time_,
                  has_systemd ? test.systemd_.connector() : systemd::Connect(),
                  "unix:path=/run/nowhere",
                  test.place_ / "units",
                  "192.0.2.1",
                  [] {},
                  {}}) {}

    async::TaskGroup tasks;
    Objects objects;
    StatusWriter statuses;
    EventRecorder events;
    UnitKeeper keeper;
  };

  UnitKeeperTest()
      : place_(fs::temp_directory_path() / ("units-" + make_suffix(system_random(), 10))),
        time_(asio::make_service<async::VirtualTime>(
            context_, TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})) {
    systemd_.on_call = [this](const std::string& call) { calls_.push_back(call); };
    server_.on_change = [this](const client::WatchEvent& event) { take(event); };
    begin();
  }

  ~UnitKeeperTest() override {
    end();
    fs::remove_all(place_);
  }

  void begin(bool has_systemd = true, bool is_synced = true) {
    process_ = std::make_unique<Process>(*this, has_systemd);
    process_->objects.on_change([this](const Key& key, const DocumentPtr& document) {
      if (document != nullptr) {
        process_->keeper.take(*process_->objects.find(key));
      } else {
        process_->keeper.lose(key, "");
      }
    });
    process_->objects.begin_relist();
    for (const auto& stored : server_.all()) {
      take({client::EventType::added, stored});
    }
    if (is_synced) {
      take({client::EventType::bookmark, {}});
    }
    process_->tasks.spawn(process_->keeper.run());
    process_->tasks.spawn(process_->statuses.run());
    process_->tasks.spawn(process_->events.send());
    process_->tasks.spawn(process_->objects.save_changes());
    settle();
  }

  /// As kill -9 does: nothing is told to anybody.
  void end() {
    bool is_done = false;
    asio::co_spawn(
        context_, process_->tasks.stop(), [&](const std::exception_ptr&) { is_done = true; });
    while (!is_done) {
      move(milliseconds(1));
    }
    process_.reset();
  }

  void take(const client::WatchEvent& event) {
    if (process_ && event.object.key.resource != "events") {
      process_->objects.apply(event);
    }
  }

  void put(const std::string& pod, const Annotations& annotations, const std::string& more = "") {
    std::string text;
    object::Writer writer(text);
    writer.begin_object().field("kind", "Pod").field("apiVersion", "v1");
    writer.key("metadata").begin_object().field("name", pod).field("namespace", "fleet");
    writer.field("uid", "uid-" + pod);
    writer.key("annotations").begin_object();
    for (const auto& [name, value] : annotations) {
      writer.field(name, value);
    }
    writer.end_object();
    if (!more.empty()) {
      writer.field("deletionTimestamp", "2026-01-01T00:00:00Z");
      writer.key("deletionGracePeriodSeconds").raw(more);
    }
    writer.end_object();
    writer.key("spec").raw(
        R"({"containers":[{"name":"unit"}],"hostNetwork":true,"runtimeClassName":"systemd"})");
    const auto* known = server_.find(key(pod));
    if (known != nullptr) {
      writer.field("status", known->root()["status"]);
    }
    writer.end_object();
    server_.put(key(pod), Document::from_canonical(std::move(text)));
    settle();
  }

  void remove(const std::string& pod, const Annotations& annotations, int grace = 30) {
    put(pod, annotations, std::to_string(grace));
  }

  static Key key(const std::string& pod) { return Key{"pods", "fleet", pod}; }

  std::string condition(const std::string& pod) const {
    const auto* stored = server_.find(key(pod));
    if (stored == nullptr) {
      return "gone";
    }
    for (const auto one : stored->root().find("status.conditions").elements()) {
      if (one["type"].string() == marks::kUnitCondition) {
        return std::string(one["message"].string());
      }
    }
    return "";
  }

  std::string phase(const std::string& pod) const {
    return std::string(server_.find(key(pod))->root().find("status.phase").string());
  }

  std::vector<std::string> take_calls() { return std::exchange(calls_, {}); }

  bool is_placed(const std::string& unit) const { return fs::exists(place_ / "units" / unit); }

  /// Runs until nothing more happens without time going on.
  void settle() {
    for (int quiet = 0; quiet < 3;) {
      context_.restart();
      const bool has_run = context_.poll() > 0;
      std::promise<void> reached;
      blocking_.post([&reached] { reached.set_value(); });
      reached.get_future().wait();
      quiet = has_run ? 0 : quiet + 1;
    }
  }

  void move(std::chrono::nanoseconds by) {
    const auto target = time_.now() + std::chrono::duration_cast<TimePoint::duration>(by);
    settle();
    for (auto next = time_.next(); next && *next <= target; next = time_.next()) {
      time_.move_to(std::max(*next, time_.now()));
      settle();
    }
    time_.move_to(target);
    settle();
  }

  fs::path place_;
  asio::io_context context_;
  async::VirtualTime& time_;
  async::BlockingPool blocking_{1};
  FakeServer server_;
  FakeSystemd systemd_;
  std::vector<std::string> calls_;
  std::unique_ptr<Process> process_;
};

TEST_F(UnitKeeperTest, AHeldUnitIsLoadedAndALaunchedOneStarted) {
  take_calls();
  put("p", held(unit_of("a.service")));
  EXPECT_THAT(take_calls(), ElementsAre("link a.service", "reload"));
  EXPECT_TRUE(is_placed("a.service"));
  EXPECT_THAT(condition("p"), AllOf(HasSubstr("loaded inactive dead"), HasSubstr(" loaded 0")));
  EXPECT_EQ(phase("p"), "Running");

  put("p", unit_of("a.service"));
  EXPECT_THAT(take_calls(), ElementsAre("start a.service"));
  EXPECT_THAT(condition("p"), AllOf(HasSubstr("loaded active running"), HasSubstr(" launched 0")));

  put("p", held(unit_of("a.service")));
  EXPECT_THAT(take_calls(), ElementsAre("stop a.service"));
  EXPECT_THAT(condition("p"), AllOf(HasSubstr("loaded inactive dead"), HasSubstr(" loaded 0")));
}

TEST_F(UnitKeeperTest, StateIsToldAsSystemdTellsIt) {
  put("p", unit_of("a.service"));
  take_calls();
  systemd_.set("a.service", "failed", "failed");
  settle();
  EXPECT_THAT(condition("p"), AllOf(HasSubstr("loaded failed failed"), HasSubstr(" launched 0")));
  move(seconds(30));
  EXPECT_THAT(take_calls(), IsEmpty()) << "it is systemd's to start it again";
}

TEST_F(UnitKeeperTest, ADeletedPodLeavesNothing) {
  put("p", unit_of("a.service"));
  take_calls();
  remove("p", unit_of("a.service"));
  EXPECT_THAT(
      take_calls(),
      ElementsAre("stop a.service", "disable a.service", "reset-failed a.service", "reload"));
  EXPECT_FALSE(is_placed("a.service"));
  EXPECT_EQ(condition("p"), "gone");
  EXPECT_EQ(process_->keeper.find("uid-p"), nullptr);
}

TEST_F(UnitKeeperTest, AUnitThatDoesNotStopIsKilledAfterItsGrace) {
  put("p", unit_of("a.service"));
  systemd_.obeys_stop = false;
  take_calls();
  remove("p", unit_of("a.service"), 10);
  move(seconds(9));
  EXPECT_THAT(take_calls(), ElementsAre("stop a.service"));
  EXPECT_TRUE(is_placed("a.service")) << "nothing is unloaded that still runs";
  move(seconds(2));
  EXPECT_THAT(take_calls(),
              ElementsAre("stop a.service",
                          "kill a.service",
                          "disable a.service",
                          "reset-failed a.service",
                          "reload"));
}

TEST_F(UnitKeeperTest, AStopThatAnotherUnitsStartReplacedIsAskedForAgain) {
  put("p", unit_of("a.service"));
  systemd_.obeys_stop = false;
  remove("p", unit_of("a.service"), 10);
  systemd_.require("a.service");
  take_calls();
  move(seconds(11));
  EXPECT_THAT(take_calls(),
              ElementsAre("stop a.service",
                          "kill a.service",
                          "disable a.service",
                          "reset-failed a.service",
                          "reload"));
  EXPECT_EQ(condition("p"), "gone");
}

TEST_F(UnitKeeperTest, AUnitThatTheMachineTakesOverWhileItStopsIsNotKilled) {
  put("p", unit_of("a.service"));
  systemd_.obeys_stop = false;
  remove("p", unit_of("a.service"), 10);
  systemd_.units["a.service"].file = "/etc/systemd/system/a.service";
  take_calls();
  move(seconds(11));
  EXPECT_THAT(take_calls(), ElementsAre("disable a.service", "reload"));
  EXPECT_EQ(condition("p"), "gone");
}

TEST_F(UnitKeeperTest, AllAreLoadedWithOneReloadBeforeAnyIsStarted) {
  end();
  for (const auto* name : {"x", "y", "z"}) {
    put(name, unit_of(fmt::format("{}.service", name)));
  }
  take_calls();
  begin();
  EXPECT_THAT(take_calls(),
              ElementsAre("connect",
                          "link x.service",
                          "link y.service",
                          "link z.service",
                          "reload",
                          "start x.service",
                          "start y.service",
                          "start z.service"));
}

TEST_F(UnitKeeperTest, OneBadUnitDoesNotKeepOthersWaiting) {
  end();
  systemd_.failures["link bad.service"] = "no";
  systemd_.failures["start worse.service"] = "Unit worse.service has a bad unit file setting.";
  for (const auto* name : {"bad", "good", "worse"}) {
    put(name, unit_of(fmt::format("{}.service", name)));
  }
  begin();
  EXPECT_THAT(condition("good"), HasSubstr("active running"));
  EXPECT_EQ(condition("bad"), "no");
  EXPECT_THAT(condition("worse"), HasSubstr(" loaded 0"));
  take_calls();
  move(seconds(5));
  const auto tries = take_calls();
  EXPECT_EQ(std::count(tries.begin(), tries.end(), "start worse.service"), 2) << "after 1, 3 s";
  systemd_.failures.clear();
  move(seconds(60));
  EXPECT_THAT(condition("bad"), HasSubstr("active running"));
  EXPECT_THAT(condition("worse"), HasSubstr("active running"));
}

TEST_F(UnitKeeperTest, InstallSectionsAreEnabledBeforeTheReload) {
  take_calls();
  put("p", held(unit_of("a.service", std::string(kSleep) + "\n[Install]\nWantedBy=b.target\n")));
  EXPECT_THAT(take_calls(), ElementsAre("link a.service", "enable a.service", "reload"));
}

TEST_F(UnitKeeperTest, ARestartIsAStopAndAStart) {
  put("p", unit_of("a.service"));
  const auto before = systemd_.units["a.service"].main.pid;
  take_calls();
  auto again = unit_of("a.service");
  again[std::string(marks::kUnitRestarts)] = "1";
  put("p", again);
  EXPECT_THAT(take_calls(), ElementsAre("stop a.service", "start a.service"));
  EXPECT_NE(systemd_.units["a.service"].main.pid, before);
  EXPECT_THAT(condition("p"), HasSubstr(" launched 1"));
}

TEST_F(UnitKeeperTest, AnotherTextIsTakenInPlace) {
  put("p", unit_of("a.service"));
  take_calls();
  put("p", unit_of("a.service", "[Service]\nExecStart=/bin/sleep 2000\n"));
  EXPECT_THAT(
      take_calls(),
      ElementsAre(
          "stop a.service", "disable a.service", "link a.service", "reload", "start a.service"));
  std::ifstream file(place_ / "units/a.service");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(text, HasSubstr("sleep 2000"));
}

TEST_F(UnitKeeperTest, AUnitOfTheMachinesOwnIsLeftAlone) {
  systemd_.units["ssh.service"] = {"/lib/systemd/system/ssh.service", true, "active", "running"};
  take_calls();
  put("p", unit_of("ssh.service"));
  EXPECT_THAT(take_calls(), IsEmpty());
  EXPECT_THAT(condition("p"), HasSubstr("has a unit ssh.service of its own"));
  EXPECT_EQ(phase("p"), "Pending");
  remove("p", unit_of("ssh.service"));
  EXPECT_THAT(take_calls(), Not(testing::Contains("stop ssh.service")));
  EXPECT_EQ(condition("p"), "gone");
}

TEST_F(UnitKeeperTest, AUnitThatTheMachineHasTakenOverIsNotStopped) {
  put("p", unit_of("a.service"));
  systemd_.units["a.service"].file = "/etc/systemd/system/a.service";
  take_calls();
  remove("p", unit_of("a.service"));
  EXPECT_THAT(take_calls(), ElementsAre("disable a.service", "reload"));
  EXPECT_EQ(condition("p"), "gone");
}

TEST_F(UnitKeeperTest, ANewProcessAdoptsWhatRuns) {
  put("p", unit_of("a.service"));
  put("q", held(unit_of("b.service")));
  const auto pid = systemd_.units["a.service"].main.pid;
  end();
  take_calls();
  begin();
  EXPECT_THAT(take_calls(), ElementsAre("connect"));
  EXPECT_EQ(systemd_.units["a.service"].main.pid, pid);
  EXPECT_THAT(condition("p"), AllOf(HasSubstr("active running"), HasSubstr(" launched 0")));
}

TEST_F(UnitKeeperTest, WhatEndedByItselfIsNotStartedByANewProcess) {
  put("p", unit_of("once.service"));
  systemd_.set("once.service", "inactive", "dead");
  settle();
  end();
  take_calls();
  begin();
  EXPECT_THAT(take_calls(), ElementsAre("connect"));
}

TEST_F(UnitKeeperTest, UnitsOfPodsThatHaveGoneAreUnloadedOnceTheServerHasSaidSo) {
  put("p", unit_of("a.service"));
  end();
  server_.erase(key("p"));
  take_calls();
  begin(true, false);
  move(seconds(30));
  EXPECT_THAT(take_calls(), ElementsAre("connect")) << "no server has said anything";
  take({client::EventType::bookmark, {}});
  move(seconds(2));
  EXPECT_THAT(
      take_calls(),
      ElementsAre("stop a.service", "disable a.service", "reset-failed a.service", "reload"));
  EXPECT_FALSE(is_placed("a.service"));
}

TEST_F(UnitKeeperTest, OfTwoPodsOfOneUnitTheSecondWaits) {
  put("p", unit_of("a.service"));
  put("q", unit_of("a.service"));
  EXPECT_EQ(phase("q"), "Pending");
  systemd_.obeys_stop = false;
  remove("p", unit_of("a.service"));
  EXPECT_EQ(phase("q"), "Pending");
  systemd_.set("a.service", "inactive", "dead");
  move(seconds(1));
  EXPECT_THAT(condition("q"), HasSubstr("active running"));
}

TEST_F(UnitKeeperTest, ALostConnectionIsMadeAnewAndStatesAreToldAgain) {
  put("p", unit_of("a.service"));
  take_calls();
  systemd_.failures["connect"] = "refused";
  systemd_.end_connection();
  move(seconds(2));
  EXPECT_FALSE(process_->keeper.systemd().is_there);
  EXPECT_EQ(process_->keeper.systemd().message, "refused");
  systemd_.units["a.service"].active = "failed";
  systemd_.failures.clear();
  move(seconds(10));
  EXPECT_TRUE(process_->keeper.systemd().is_there);
  EXPECT_THAT(condition("p"), HasSubstr("loaded failed"));
  EXPECT_THAT(take_calls(), Not(testing::Contains("start a.service")));
}

TEST_F(UnitKeeperTest, ALinkThatSomebodyRemovedIsPutBack) {
  put("p", unit_of("a.service"));
  take_calls();
  systemd_.units["a.service"].is_known = false;
  systemd_.set("a.service", "active", "running");
  settle();
  EXPECT_THAT(take_calls(), ElementsAre("disable a.service", "link a.service", "reload"));
}

TEST_F(UnitKeeperTest, AUnitThatSystemdDoesNotFindIsTriedAgainLater) {
  systemd_.finds_files = false;
  take_calls();
  put("p", unit_of("x.scope"));
  move(seconds(5));
  const auto tries = take_calls();
  EXPECT_EQ(std::count(tries.begin(), tries.end(), "reload"), 3) << "after 1, 3 s";
  EXPECT_EQ(condition("p"), "systemd does not find the unit after a reload");
  systemd_.finds_files = true;
  move(seconds(60));
  EXPECT_THAT(condition("p"), HasSubstr("active running"));
}

TEST_F(UnitKeeperTest, WithoutSystemdAPodIsRefusedWithAReason) {
  end();
  begin(false);
  put("p", unit_of("a.service"));
  EXPECT_EQ(phase("p"), "Failed");
  EXPECT_EQ(server_.find(key("p"))->root().find("status.reason").string(), "NoSystemd");
  remove("p", unit_of("a.service"));
  EXPECT_EQ(condition("p"), "gone");
}

TEST_F(UnitKeeperTest, APodThatRanHereWaitsForABusThatIsLate) {
  put("p", unit_of("a.service"));
  end();
  systemd_.failures["connect"] = "refused";
  begin();
  move(seconds(20));
  EXPECT_EQ(phase("p"), "Running");
  put("q", unit_of("b.service"));
  move(seconds(20));
  EXPECT_EQ(phase("q"), "Failed") << "a new one is not kept waiting";
}

TEST_F(UnitKeeperTest, TextThatIsNoUnitsIsRefused) {
  take_calls();
  put("p", unit_of("../x.service"));
  EXPECT_EQ(phase("p"), "Failed");
  EXPECT_EQ(server_.find(key("p"))->root().find("status.reason").string(), "InvalidUnit");
  EXPECT_THAT(take_calls(), IsEmpty());
}

TEST_F(UnitKeeperTest, WhenTheMachineGoesEverythingIsUnloaded) {
  put("p", unit_of("a.service"));
  put("q", held(unit_of("b.service")));
  take_calls();
  process_->keeper.end_all(seconds(5));
  settle();
  EXPECT_TRUE(process_->keeper.is_empty());
  EXPECT_FALSE(is_placed("a.service"));
  EXPECT_FALSE(is_placed("b.service"));
  EXPECT_EQ(phase("p"), "Failed");
  put("r", unit_of("c.service"));
  EXPECT_EQ(server_.find(key("r"))->root().find("status.reason").string(), "NodeShutdown");
}

}  // namespace
}  // namespace tetrarch::agent
