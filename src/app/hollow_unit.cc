// SPDX-License-Identifier: Apache-2.0
#include "app/hollow_unit.h"

#include "agent/unit_pod.h"
#include "unitfile/marks.h"

namespace tetrarch::app {
namespace {

object::View unit_condition(object::View status) {
  for (const auto condition : status["conditions"].elements()) {
    if (condition["type"].string() == unitfile::marks::kUnitCondition) {
      return condition;
    }
  }
  return {};
}

}  // namespace

Result<HollowUnit> hollow_unit(const Stored& pod, const std::string& host_ip, TimePoint now) {
  TRY(auto wish, agent::read_wish(pod.root()));
  agent::UnitPod unit{.pod = pod, .wish = std::move(wish), .facts = {}, .started = now};
  unit.facts.is_placed = true;
  unit.facts.placed_hash = unit.wish.hash;
  unit.facts.is_launched = unit.wish.is_wanted;
  unit.facts.launched_restarts = unit.wish.restarts;
  unit.seen = {unit.wish.name,
               "loaded",
               unit.wish.is_wanted ? "active" : "inactive",
               unit.wish.is_wanted ? "running" : "dead"};
  const auto before = pod.root()["status"];
  HollowUnit out{agent::unit_status(unit, before, host_ip, now), unit.wish.is_wanted};
  TRY(const auto written, Document::parse(out.status));
  const auto told = unit_condition(before)["message"].string();
  if (told == unit_condition(written->root())["message"].string()) {
    out.status.clear();
  }
  return out;
}

}  // namespace tetrarch::app
