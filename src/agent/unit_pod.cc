// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_pod.h"

#include <charconv>

#include <fmt/format.h>

#include "agent/plan.h"
#include "agent/resources.h"
#include "object/writer.h"
#include "unitfile/marks.h"
#include "unitfile/unit_file.h"
#include "unitfile/unit_name.h"

namespace tetrarch::agent {
namespace {

using object::View;
using object::Writer;
namespace marks = unitfile::marks;

/// "Active" of "active": reasons are words in CamelCase.
std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  return text;
}

View condition_in(View status, std::string_view type) {
  for (const auto condition : status["conditions"].elements()) {
    if (condition["type"].string() == type) {
      return condition;
    }
  }
  return {};
}

/// One call of unit_status.
class UnitReporter {
 public:
  UnitReporter(const UnitPod& unit, View before, const std::string& host_ip, TimePoint now)
      : unit_(unit), before_(before), host_ip_(host_ip), now_(now), writer_(out_) {}

  std::string make() {
    writer_.begin_object().field("phase", phase());
    if (unit_.refused) {
      writer_.field("reason", unit_.refused->reason).field("message", unit_.refused->message);
    }
    write_conditions();
    write_addresses();
    writer_.field("startTime", format_time(unit_.started));
    if (!unit_.refused) {
      write_container();
    }
    const views::PodView pod(unit_.pod.root());
    writer_.field("qosClass", to_string(qos_of(pod)));
    if (const auto generation = pod.metadata().generation(); generation > 0) {
      writer_.field("observedGeneration", generation);
    }
    writer_.end_object();
    return std::move(out_);
  }

 private:
  bool is_loaded() const {
    return unit_.facts.is_placed && !unit_.facts.must_repair && !unit_.seen.load.empty() &&
           !unit_.facts.placed_hash.empty();
  }

  bool is_active() const { return is_loaded() && unit_.seen.active == "active"; }

  std::string_view phase() const {
    if (unit_.refused) {
      return "Failed";
    }
    return is_loaded() || before_["phase"].string() == "Running" ? "Running" : "Pending";
  }

  void write_condition(std::string_view type, bool is_true, const Reason& why) {
    const auto old = condition_in(before_, type);
    const std::string_view value = is_true ? "True" : "False";
    const auto since = old["lastTransitionTime"].string();
    const bool is_same = old["status"].string() == value && !since.empty();
    writer_.begin_object().field("type", type).field("status", value);
    writer_.key("lastProbeTime").null();
    writer_.field("lastTransitionTime", is_same ? std::string(since) : format_time(now_));
    if (!why.reason.empty()) {
      writer_.field("reason", why.reason);
    }
    if (!why.message.empty()) {
      writer_.field("message", why.message);
    }
    writer_.end_object();
  }

  /// What fleet's API makes its states of.
  void write_unit_condition() {
    if (!is_loaded()) {
      const Reason why = unit_.refused.value_or(
          unit_.failure.value_or(Reason{"NotLoaded", "the unit is not loaded yet"}));
      write_condition(marks::kUnitCondition, false, why);
      return;
    }
    const auto& facts = unit_.facts;
    write_condition(marks::kUnitCondition,
                    true,
                    {capitalized(unit_.seen.active),
                     fmt::format("{} {} {} {} {} {}",
                                 unit_.seen.load,
                                 unit_.seen.active,
                                 unit_.seen.sub,
                                 facts.placed_hash,
                                 facts.is_launched ? "launched" : "loaded",
                                 facts.launched_restarts)});
  }

  void write_conditions() {
    const Reason not_active =
        is_active() ? Reason{}
                    : Reason{"UnitNotActive",
                             fmt::format("unit {} is {}",
                                         unit_.wish.name,
                                         is_loaded() ? unit_.seen.active : "not loaded")};
    writer_.key("conditions").begin_array();
    write_unit_condition();
    write_condition("Initialized", true, {});
    write_condition("Ready", is_active(), not_active);
    write_condition("ContainersReady", is_active(), not_active);
    write_condition("PodScheduled", true, {});
    writer_.end_array();
  }

  void write_addresses() {
    if (host_ip_.empty()) {
      return;
    }
    for (const auto* name : {"hostIP", "podIP"}) {
      writer_.field(name, host_ip_).key(fmt::format("{}s", name)).begin_array();
      writer_.begin_object().field("ip", host_ip_).end_object().end_array();
    }
  }

  void write_waiting(const Reason& why) {
    writer_.key("waiting").begin_object().field("reason", why.reason);
    if (!why.message.empty()) {
      writer_.field("message", why.message);
    }
    writer_.end_object();
  }

  void write_running() {
    writer_.key("running").begin_object();
    if (unit_.main.started) {
      writer_.field("startedAt", format_time(*unit_.main.started));
    }
    writer_.end_object();
  }

  void write_terminated() {
    const auto& main = unit_.main;
    const int code = main.has_exited ? main.exit_code : 128 + main.exit_code;  // a signal's number
    writer_.key("terminated").begin_object().field("exitCode", code);
    writer_.field("reason", code == 0 ? "Completed" : "Error");
    if (main.started) {
      writer_.field("startedAt", format_time(*main.started));
    }
    writer_.field("finishedAt", format_time(*main.finished)).end_object();
  }

  void write_state() {
    writer_.key("state").begin_object();
    if (!is_loaded()) {
      write_waiting(unit_.failure.value_or(Reason{"UnitLoading", ""}));
    } else if (is_up(unit_.seen.active)) {
      write_running();
    } else if (unit_.failure) {
      write_waiting(*unit_.failure);
    } else if (unit_.facts.is_launched && unit_.main.finished) {
      write_terminated();
    } else {
      write_waiting({unit_.facts.is_launched ? capitalized(unit_.seen.active) : "Loaded", ""});
    }
    writer_.end_object();
  }

  void write_container() {
    writer_.key("containerStatuses").begin_array().begin_object();
    writer_.field("name",
                  views::PodView(unit_.pod.root()).spec().view()["containers"].at(0)["name"]);
    write_state();
    writer_.key("lastState").begin_object().end_object();
    writer_.field("ready", is_active());
    writer_.field("restartCount", static_cast<std::int64_t>(unit_.main.restarts));
    writer_.field("image", "").field("imageID", "").field("started", is_active());
    writer_.end_object().end_array();
  }

  const UnitPod& unit_;
  View before_;
  const std::string& host_ip_;
  TimePoint now_;
  std::string out_;
  Writer writer_;
};

Error invalid(std::string message) {
  return {Code::invalid, std::move(message)};
}

}  // namespace

bool is_unit_pod(View pod) {
  return pod["spec"]["runtimeClassName"].string() == marks::kUnitClass;
}

Result<UnitWish> read_wish(View pod) {
  // What a unit may do nobody limits: a namespace that lets no pod near the machine must refuse it,
  // and it does by this.
  if (!pod["spec"]["hostNetwork"].boolean()) {
    return invalid("spec.hostNetwork: a unit runs on the machine itself: it must be true");
  }
  const auto annotations = pod["metadata"]["annotations"];
  UnitWish wish;
  wish.name = annotations[marks::kUnitName].string();
  if (const auto named = unitfile::check_name(wish.name); !named.ok()) {
    return invalid(fmt::format("annotation {}: {}", marks::kUnitName, named.error().message));
  }
  if (unitfile::split_name(wish.name).is_template()) {
    return invalid(fmt::format("annotation {}: a template cannot be loaded", marks::kUnitName));
  }
  wish.text = annotations[marks::kUnitText].string();
  const auto options = unitfile::parse(wish.text);
  if (!options.ok() || options->empty()) {
    return invalid(fmt::format("annotation {}: {}",
                               marks::kUnitText,
                               options.ok() ? "it is no unit's text" : options.error().message));
  }
  wish.hash = unitfile::hash_of(*options);
  for (const auto& option : *options) {
    wish.has_install |= option.section == "Install";
  }
  const auto count = annotations[marks::kUnitRestarts].string();
  const auto* end = count.data() + count.size();
  if (!count.empty() && std::from_chars(count.data(), end, wish.restarts).ptr != end) {
    return invalid(fmt::format("annotation {}: it must be a number", marks::kUnitRestarts));
  }
  wish.is_wanted = run_state_of(views::PodView(pod)) == RunState::running;
  return wish;
}

std::string unit_status(const UnitPod& unit,
                        View before,
                        const std::string& host_ip,
                        TimePoint now) {
  return UnitReporter(unit, before, host_ip, now).make();
}

}  // namespace tetrarch::agent
