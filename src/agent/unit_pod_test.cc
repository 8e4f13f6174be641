// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_pod.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/status.h"
#include "object/writer.h"
#include "unitfile/marks.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
namespace marks = unitfile::marks;

const TimePoint kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr const char* kHash = "e55c0aeb44ba0b68004ceb8a200e685194448b45";
constexpr const char* kHello =
    "[Unit]\nDescription=Hello World\n\n[Service]\n"
    "ExecStart=/bin/bash -c \"while true; do echo \\\"Hello, world\\\"; sleep 1; done\"\n";

DocumentPtr a_pod(const std::map<std::string, std::string>& annotations) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("metadata").begin_object().field("name", "p").field("uid", "u1");
  writer.key("annotations").begin_object();
  for (const auto& [name, value] : annotations) {
    writer.field(name, value);
  }
  writer.end_object().end_object();
  writer.key("spec").raw(
      R"({"containers":[{"name":"unit"}],"hostNetwork":true,"runtimeClassName":"systemd"})");
  writer.end_object();
  return Document::from_canonical(std::move(out));
}

std::map<std::string, std::string> hello(const std::string& name = "hello.service",
                                         const std::string& text = kHello) {
  return {{std::string(marks::kUnitName), name}, {std::string(marks::kUnitText), text}};
}

TEST(UnitPod, SaysWhatIsToRun) {
  auto annotations = hello();
  annotations[std::string(marks::kUnitRestarts)] = "3";

  const auto wish = read_wish(a_pod(annotations)->root());

  ASSERT_TRUE(wish.ok()) << wish.error().message;
  EXPECT_EQ(wish->name, "hello.service");
  EXPECT_EQ(wish->hash, kHash);
  EXPECT_EQ(wish->restarts, 3U);
  EXPECT_TRUE(wish->is_wanted);
  EXPECT_FALSE(wish->has_install);
  annotations[std::string(marks::kRunState)] = "held";
  EXPECT_FALSE(read_wish(a_pod(annotations)->root())->is_wanted);
  annotations[std::string(marks::kUnitText)] = "[Install]\nWantedBy=a.target\n";
  EXPECT_TRUE(read_wish(a_pod(annotations)->root())->has_install);
}

struct BadRow {
  std::map<std::string, std::string> annotations;
  const char* says;
};

TEST(UnitPod, RefusesWhatNoUnitCanBe) {
  auto counted = hello();
  counted[std::string(marks::kUnitRestarts)] = "-1";
  for (const BadRow& row : {
           BadRow{{}, "unit name cannot be empty"},
           BadRow{hello("../../etc/passwd"), "invalid unit type"},
           BadRow{hello("a/b.service"), "invalid character '/'"},
           BadRow{hello("x@.service"), "a template cannot be loaded"},
           BadRow{hello("x.service", ""), "it is no unit's text"},
           BadRow{hello("x.service", "[Unit\n"), "annotation systemd.tetrarch.dev/unit"},
           BadRow{counted, "must be a number"},
       }) {
    const auto wish = read_wish(a_pod(row.annotations)->root());
    ASSERT_FALSE(wish.ok()) << row.says;
    EXPECT_EQ(wish.error().code, Code::invalid);
    EXPECT_THAT(wish.error().message, HasSubstr(row.says));
  }
}

TEST(UnitPod, RefusesAPodThatDoesNotSayThatItIsOfTheMachine) {
  auto text = std::string(a_pod(hello())->root().raw());
  text.replace(text.find("\"hostNetwork\":true"), 18, "\"hostNetwork\":false");

  const auto wish = read_wish(Document::from_canonical(text)->root());

  ASSERT_FALSE(wish.ok());
  EXPECT_THAT(wish.error().message, HasSubstr("spec.hostNetwork"));
}

UnitPod a_unit() {
  UnitPod unit;
  unit.pod = Stored{Key{"pods", "fleet", "p"}, Revision{}, a_pod(hello())};
  unit.wish = *read_wish(unit.pod.root());
  unit.facts.hash = unit.wish.hash;
  unit.started = kNow;
  return unit;
}

UnitPod a_loaded_unit(const std::string& active, const std::string& sub) {
  auto unit = a_unit();
  unit.facts.is_placed = true;
  unit.facts.placed_hash = kHash;
  unit.facts.active = active;
  unit.seen = {"hello.service", "loaded", active, sub};
  return unit;
}

object::View condition(const DocumentPtr& status, std::string_view type) {
  for (const auto one : status->root()["conditions"].elements()) {
    if (one["type"].string() == type) {
      return one;
    }
  }
  return {};
}

DocumentPtr status_of_unit(const UnitPod& unit, const DocumentPtr& before = nullptr) {
  const auto empty = Document::from_canonical("{}");
  return Document::from_canonical(
      unit_status(unit, (before ? before : empty)->root(), "192.0.2.1", kNow));
}

TEST(UnitStatus, ALoadedUnitIsARunningPodThatIsNotReady) {
  const auto status = status_of_unit(a_loaded_unit("inactive", "dead"));

  EXPECT_EQ(status->root()["phase"].string(), "Running");
  EXPECT_EQ(status->root()["podIP"].string(), "192.0.2.1");
  EXPECT_EQ(condition(status, "Ready")["status"].string(), "False");
  EXPECT_EQ(condition(status, "Ready")["message"].string(), "unit hello.service is inactive");
  EXPECT_EQ(condition(status, marks::kUnitCondition)["reason"].string(), "Inactive");
  EXPECT_EQ(condition(status, marks::kUnitCondition)["message"].string(),
            fmt::format("loaded inactive dead {} loaded 0", kHash));
}

TEST(UnitStatus, ARunningUnitIsReadyAndSaysSinceWhen) {
  auto unit = a_loaded_unit("active", "running");
  unit.facts.is_launched = true;
  unit.facts.launched_restarts = 2;
  unit.main.started = kNow - seconds(5);
  unit.main.restarts = 4;

  const auto status = status_of_unit(unit);

  EXPECT_EQ(condition(status, "Ready")["status"].string(), "True");
  EXPECT_EQ(condition(status, marks::kUnitCondition)["message"].string(),
            fmt::format("loaded active running {} launched 2", kHash));
  for (const auto one : status->root()["containerStatuses"].elements()) {
    EXPECT_EQ(one["restartCount"].integer(), 4);
    EXPECT_EQ(one["state"]["running"]["startedAt"].string(), "2025-12-31T23:59:55Z");
    EXPECT_TRUE(one["ready"].boolean());
  }
}

TEST(UnitStatus, AFailedUnitHasItsExitCode) {
  auto unit = a_loaded_unit("failed", "failed");
  unit.facts.is_launched = true;
  unit.main = {0, 3, true, kNow - seconds(2), kNow - seconds(1), 0};
  const auto exited = status_of_unit(unit);
  unit.main.has_exited = false;
  unit.main.exit_code = 9;
  const auto killed = status_of_unit(unit);

  for (const auto one : exited->root()["containerStatuses"].elements()) {
    EXPECT_EQ(one["state"]["terminated"]["exitCode"].integer(), 3);
    EXPECT_EQ(one["state"]["terminated"]["reason"].string(), "Error");
  }
  for (const auto one : killed->root()["containerStatuses"].elements()) {
    EXPECT_EQ(one["state"]["terminated"]["exitCode"].integer(), 137);
  }
  EXPECT_EQ(exited->root()["phase"].string(), "Running") << "it is systemd's to start it again";
}

TEST(UnitStatus, WhatIsNotLoadedSaysWhy) {
  auto unit = a_unit();
  EXPECT_EQ(condition(status_of_unit(unit), marks::kUnitCondition)["reason"].string(), "NotLoaded");
  unit.failure = Reason{"UnitNotLoaded", "the machine has one"};

  const auto status = status_of_unit(unit);

  EXPECT_EQ(status->root()["phase"].string(), "Pending");
  EXPECT_EQ(condition(status, marks::kUnitCondition)["status"].string(), "False");
  EXPECT_EQ(condition(status, marks::kUnitCondition)["message"].string(), "the machine has one");
  unit.refused = Reason{"NoSystemd", "none here"};
  EXPECT_EQ(status_of_unit(unit)->root()["phase"].string(), "Failed");
  EXPECT_EQ(status_of_unit(unit)->root()["message"].string(), "none here");
}

TEST(UnitStatus, KeepsTheTimeOfWhatHasNotChangedAndTheConditionsAreOurs) {
  const auto before = Document::from_canonical(
      R"({"conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2025-01-01T00:00:00Z"}]})");

  const auto status = status_of_unit(a_loaded_unit("inactive", "dead"), before);

  EXPECT_EQ(condition(status, "Ready")["lastTransitionTime"].string(), "2025-01-01T00:00:00Z");
  for (const auto one : status->root()["conditions"].elements()) {
    EXPECT_TRUE(is_own_condition(one)) << one.raw();
  }
}

}  // namespace
}  // namespace tetrarch::agent
