// SPDX-License-Identifier: Apache-2.0
// A machine's systemd as the agent drives it. Runs on a machine of its own:
// tests/e2e/test_systemd_units.py starts it there.
#include <filesystem>
#include <fstream>
#include <map>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/systemd/manager.h"
#include "async/io_pool.h"
#include "async/timer.h"

namespace tetrarch::agent::systemd {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr const char* kBus = "unix:path=/run/dbus/system_bus_socket";
const fs::path kUnits = "/run/fleet/units";

/// One connection, and what it told of.
struct Watched {
  std::map<std::string, int> changes;
  async::Event changed;
  std::shared_ptr<Systemd> manager;

  Task<Status> connect() {
    CO_TRY(manager, co_await Manager::connect(kBus, [this](const std::string& unit) {
             ++changes[unit];
             changed.raise();
           }));
    co_return ok();
  }

  Task<UnitState> state_of(std::string unit) {
    const std::vector<std::string> names = {std::move(unit)};
    const auto states = co_await manager->states(names);
    EXPECT_TRUE(states.ok() && states->size() == 1);
    co_return states.ok() && !states->empty() ? states->front() : UnitState{};
  }

  /// Looks only when told of a change, so it shows that changes are told.
  Task<UnitState> wait_for(std::string unit, std::string active, std::string sub) {
    auto state = co_await state_of(unit);
    while (state.active != active || state.sub != sub) {
      const bool is_told = co_await changed.wait_for(seconds(10));
      state = co_await state_of(unit);
      if (!is_told) {
        ADD_FAILURE() << unit << " is " << state.active << "/" << state.sub;
        co_return state;
      }
    }
    co_return state;
  }

  Task<Status> load(std::string unit, std::string text) {
    std::ofstream(kUnits / unit) << text;
    CO_TRY_STATUS(co_await manager->link(kUnits / unit));
    co_return co_await manager->reload();
  }
};

class SystemdTest : public testing::Test {
 protected:
  template <class T>
  T run(Task<std::optional<T>> task) {
    return *asio::co_spawn(pool_.strand(), std::move(task), asio::use_future).get();
  }

  async::IoPool pool_{1};
};

// Told as running once it is the program, and not before it is executed.
constexpr const char* kSleeper = "[Service]\nType=exec\nExecStart=/bin/sleep 1000\n";

Task<std::optional<bool>> walk() {
  Watched at;
  const auto connected = co_await at.connect();
  EXPECT_TRUE(connected.ok()) << connected.error().message;
  if (!connected.ok()) {
    co_return false;
  }
  EXPECT_TRUE((co_await at.load("walk@1.service", kSleeper)).ok());
  const auto loaded = co_await at.state_of("walk@1.service");
  EXPECT_EQ(loaded, (UnitState{"walk@1.service", "loaded", "inactive", "dead"}));
  EXPECT_TRUE(fs::is_symlink("/run/systemd/system/walk@1.service"));
  const auto fragment = co_await at.manager->fragment("walk@1.service");
  EXPECT_TRUE(fragment.ok() && fragment->load == "loaded");
  EXPECT_TRUE(fs::equivalent(fragment->file, kUnits / "walk@1.service")) << fragment->file;

  EXPECT_TRUE((co_await at.manager->start("walk@1.service")).ok());
  co_await at.wait_for("walk@1.service", "active", "running");
  const auto running = co_await at.manager->main_process("walk@1.service");
  EXPECT_TRUE(running.ok() && running->pid > 0 && running->started && !running->finished);
  if (running.ok()) {
    std::string command;
    std::getline(std::ifstream("/proc/" + std::to_string(running->pid) + "/cmdline"), command);
    EXPECT_THAT(command, HasSubstr("sleep"));
  }
  EXPECT_GT(at.changes["walk@1.service"], 0);

  EXPECT_TRUE((co_await at.manager->stop("walk@1.service")).ok());
  co_await at.wait_for("walk@1.service", "inactive", "dead");
  EXPECT_TRUE((co_await at.manager->disable("walk@1.service")).ok());
  fs::remove(kUnits / "walk@1.service");
  EXPECT_TRUE((co_await at.manager->reload()).ok());
  const auto gone = co_await at.state_of("walk@1.service");
  EXPECT_EQ(gone.load, "not-found");
  EXPECT_FALSE(fs::exists(fs::symlink_status("/run/systemd/system/walk@1.service")));
  co_return true;
}

TEST_F(SystemdTest, AUnitGoesAllTheWay) {
  run(walk());
}

Task<std::optional<bool>> fail() {
  Watched at;
  const auto connected = co_await at.connect();
  EXPECT_TRUE(connected.ok()) << connected.error().message;
  if (!connected.ok()) {
    co_return false;
  }
  EXPECT_TRUE(
      (co_await at.load("fail.service", "[Service]\nExecStart=/bin/sh -c 'exit 3'\n")).ok());
  EXPECT_TRUE((co_await at.manager->start("fail.service")).ok());
  co_await at.wait_for("fail.service", "failed", "failed");
  const auto main = co_await at.manager->main_process("fail.service");
  EXPECT_TRUE(main.ok() && main->has_exited && main->exit_code == 3 && main->finished);
  EXPECT_TRUE((co_await at.manager->reset_failed("fail.service")).ok());
  const auto after = co_await at.state_of("fail.service");
  EXPECT_EQ(after.active, "inactive");
  EXPECT_TRUE((co_await at.manager->disable("fail.service")).ok());
  fs::remove(kUnits / "fail.service");
  co_return true;
}

TEST_F(SystemdTest, AFailureShowsWithItsExitCode) {
  run(fail());
}

Task<std::optional<bool>> install() {
  Watched at;
  const fs::path wanted = "/run/systemd/system/multi-user.target.wants/wanted.service";
  const auto connected = co_await at.connect();
  EXPECT_TRUE(connected.ok()) << connected.error().message;
  if (!connected.ok()) {
    co_return false;
  }
  const std::string text = std::string(kSleeper) + "\n[Install]\nWantedBy=multi-user.target\n";
  EXPECT_TRUE((co_await at.load("wanted.service", text)).ok());
  EXPECT_TRUE((co_await at.manager->enable("wanted.service")).ok());
  EXPECT_TRUE(fs::is_symlink(wanted));
  EXPECT_TRUE((co_await at.manager->disable("wanted.service")).ok());
  EXPECT_FALSE(fs::exists(fs::symlink_status(wanted)));
  fs::remove(kUnits / "wanted.service");
  co_return true;
}

TEST_F(SystemdTest, InstallSectionsAreHonoured) {
  run(install());
}

Task<std::optional<bool>> ask_for_what_is_not_there() {
  Watched at;
  const auto connected = co_await at.connect();
  EXPECT_TRUE(connected.ok()) << connected.error().message;
  if (!connected.ok()) {
    co_return false;
  }
  const auto started = co_await at.manager->start("nobody.service");
  EXPECT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, Code::not_found);
  EXPECT_THAT(started.error().message, HasSubstr("nobody.service not found"));
  EXPECT_TRUE((co_await at.manager->stop("nobody.service")).ok());
  EXPECT_TRUE((co_await at.manager->disable("nobody.service")).ok());
  EXPECT_TRUE((co_await at.manager->reset_failed("nobody.service")).ok());
  EXPECT_TRUE((co_await at.manager->kill("nobody.service")).ok());
  const auto nothing = co_await at.manager->fragment("nobody.service");
  EXPECT_TRUE(nothing.ok() && nothing->load == "not-found" && nothing->file.empty());
  const auto bus = co_await at.manager->fragment("dbus.service");
  EXPECT_TRUE(bus.ok() && bus->load == "loaded" && bus->file.filename() == "dbus.service");
  const auto version = co_await at.manager->version();
  EXPECT_TRUE(version.ok() && version->starts_with("25"));
  const auto nowhere = co_await Bus::connect("unix:path=/run/nowhere");
  EXPECT_FALSE(nowhere.ok());
  co_return true;
}

TEST_F(SystemdTest, WhatIsNotThereIsToldFromWhatFails) {
  run(ask_for_what_is_not_there());
}

/// Many calls at once over one connection, in no order.
Task<std::optional<bool>> ask_at_once() {
  Watched at;
  const auto connected = co_await at.connect();
  EXPECT_TRUE(connected.ok()) << connected.error().message;
  if (!connected.ok()) {
    co_return false;
  }
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) {
    names.push_back("many" + std::to_string(i) + ".service");
  }
  for (int i = 0; i < 20; ++i) {
    const auto states = co_await at.manager->states(names);
    EXPECT_TRUE(states.ok() && states->size() == names.size());
  }
  co_return true;
}

TEST_F(SystemdTest, LongListsPass) {
  run(ask_at_once());
}

}  // namespace
}  // namespace tetrarch::agent::systemd
