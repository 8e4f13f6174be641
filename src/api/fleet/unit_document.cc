// SPDX-License-Identifier: Apache-2.0
#include "api/fleet/unit_document.h"

#include <chrono>
#include <utility>

#include "object/tree.h"
#include "object/writer.h"
#include "unitfile/requirements.h"

namespace tetrarch::api::fleet {
namespace {

using object::View;
using object::Writer;

/// fleetctl asks every 250 ms, and the first time at once.
constexpr std::chrono::milliseconds kStillLaunched{700};

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

/// A member that must be text where it is there.
Result<std::string> text_of(View body, std::string_view key) {
  const View value = body[key];
  if (value && !value.is_string()) {
    return malformed("unable to decode body: " + std::string(key) + " is no string");
  }
  return std::string(value.string());
}

Result<unitfile::Options> options_of(View list) {
  if (list && !list.is_array()) {
    return malformed("unable to decode body: options is no array");
  }
  unitfile::Options options;
  for (const View option : list.elements()) {
    TRY(auto section, text_of(option, "section"));
    TRY(auto name, text_of(option, "name"));
    TRY(auto value, text_of(option, "value"));
    options.push_back({std::move(section), std::move(name), std::move(value)});
  }
  return options;
}

void write_options(Writer& out, View options) {
  out.begin_array();
  for (const View option : options.elements()) {
    out.begin_object()
        .field("name", option["name"].string())
        .field("section", option["section"].string())
        .field("value", option["value"].string())
        .end_object();
  }
  out.end_array();
}

/// A field that fleet leaves out where it is empty.
void write_field(Writer& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    out.field(name, text);
  }
}

bool is_global(View unit) {
  const auto name = unit["metadata"]["name"].string();
  return unitfile::read_requirements(name, read_spec(unit).options).is_global;
}

object::TreeObject spec_tree(const UnitSpec& spec) {
  object::TreeArray options;
  for (const auto& option : spec.options) {
    options.push_back(
        {{"section", option.section}, {"name", option.name}, {"value", option.value}});
  }
  object::TreeObject tree{{"options", std::move(options)}, {"desiredState", spec.desired_state}};
  if (spec.restarts != 0) {
    tree["restarts"] = spec.restarts;
  }
  if (!spec.stop_asked.empty()) {
    tree["stopAsked"] = spec.stop_asked;
  }
  return tree;
}

}  // namespace

bool is_state(std::string_view text) {
  return text == "inactive" || text == "loaded" || text == "launched";
}

Result<UnitBody> read_unit_body(std::string_view json) {
  auto parsed = Document::parse(json);
  if (!parsed) {
    return malformed("unable to decode body: " + parsed.error().message);
  }
  const View root = (*parsed)->root();
  if (!root.is_object()) {
    return malformed("unable to decode body: it is no object");
  }
  UnitBody body;
  TRY(body.name, text_of(root, "name"));
  TRY(body.desired_state, text_of(root, "desiredState"));
  TRY(body.options, options_of(root["options"]));
  return body;
}

UnitSpec read_spec(View unit) {
  const View spec = unit["spec"];
  UnitSpec found;
  for (const View option : spec["options"].elements()) {
    found.options.push_back({std::string(option["section"].string()),
                             std::string(option["name"].string()),
                             std::string(option["value"].string())});
  }
  found.desired_state = spec["desiredState"].string("inactive");
  found.restarts = spec["restarts"].integer();
  found.stop_asked = spec["stopAsked"].string();
  return found;
}

DocumentPtr unit_object(std::string_view name,
                        std::string_view ns,
                        const UnitSpec& spec,
                        View old) {
  object::Tree tree = old ? object::to_tree(old) : object::TreeObject{};
  auto& root = tree.as_object();
  root["apiVersion"] = "fleet.tetrarch.dev/v1";
  root["kind"] = "Unit";
  if (!root.contains("metadata")) {
    root["metadata"] = {{"name", name}, {"namespace", ns}};
  }
  root["spec"] = spec_tree(spec);
  return object::to_document(tree);
}

std::string current_state(View unit, TimePoint now) {
  const View status = unit["status"];
  const std::string_view told = status["currentState"].string("inactive");
  const UnitSpec spec = read_spec(unit);
  const auto stop_asked = parse_time(spec.stop_asked);
  const bool was_just_stopped = stop_asked && now < *stop_asked + kStillLaunched;
  if (told == "loaded" && spec.desired_state == "loaded" && was_just_stopped) {
    return "launched";
  }
  if (told == "launched" && status["restarts"].integer() != spec.restarts) {
    return "loaded";  // until the start that was asked for
  }
  return std::string(told);
}

std::string unit_json(const Stored& unit, TimePoint now) {
  const View root = unit.root();
  std::string text;
  Writer out(text);
  out.begin_object();
  if (!is_global(root)) {
    write_field(out, "currentState", current_state(root, now));
  }
  write_field(out, "desiredState", root["spec"]["desiredState"].string("inactive"));
  if (!is_global(root)) {
    write_field(out, "machineID", root["status"]["machineID"].string());
  }
  write_field(out, "message", root["status"]["message"].string());
  out.field("name", unit.key.name).key("options");
  write_options(out, root["spec"]["options"]);
  out.end_object();
  return text;
}

std::string unit_state_json(View state) {
  std::string text;
  Writer out(text);
  out.begin_object();
  write_field(out, "hash", state["hash"].string());
  write_field(out, "machineID", state["machineID"].string());
  write_field(out, "name", state["unit"].string());
  write_field(out, "systemdActiveState", state["activeState"].string());
  write_field(out, "systemdLoadState", state["loadState"].string());
  write_field(out, "systemdSubState", state["subState"].string());
  out.end_object();
  return text;
}

std::string state_of_unit_json(const Stored& unit) {
  const View status = unit.root()["status"];
  const bool is_known = !status["activeState"].string().empty();
  std::string text;
  Writer out(text);
  out.begin_object();
  if (is_known) {
    write_field(out, "hash", status["hash"].string());
    write_field(out, "machineID", status["machineID"].string());
  }
  out.field("name", unit.key.name);
  out.field("systemdActiveState", status["activeState"].string("inactive"));
  out.field("systemdLoadState", status["loadState"].string("not-found"));
  out.field("systemdSubState", status["subState"].string("dead"));
  out.end_object();
  return text;
}

}  // namespace tetrarch::api::fleet
