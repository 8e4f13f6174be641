// SPDX-License-Identifier: Apache-2.0
// PUT of a unit: made, replaced, or asked into another state. Source: fleet reference, section 2,
// the order of checks.
#include <string>
#include <utility>

#include "api/fleet/fleet_api.h"
#include "unitfile/requirements.h"
#include "unitfile/unit_name.h"

namespace tetrarch::api::fleet {
namespace {

constexpr int kCreated = 201;
constexpr int kNoContent = 204;
constexpr int kBadRequest = 400;
constexpr int kConflict = 409;
constexpr int kUnsupported = 415;

/// Empty: the body's type is good.
std::string type_fault(const net::Request& request) {
  const auto types = request.headers.all("Content-Type");
  if (types.size() != 1) {
    return "expected 1 Content-Type, got " + std::to_string(types.size());
  }
  const auto type = types.front().substr(0, types.front().find(';'));
  return net::equals_ignoring_case(type, "application/json")
             ? ""
             : "only acceptable Content-Type is application/json";
}

Status check_unit(std::string_view name, const unitfile::Options& options) {
  TRY_STATUS(unitfile::check_options(options));
  return unitfile::check_requirements(unitfile::read_requirements(name, options));
}

Status check_state(std::string_view name, std::string_view state) {
  if (!state.empty() && !is_state(state)) {
    return Error{
        Code::malformed,
        "invalid desiredState \"" + std::string(state) + "\": expect inactive, loaded or launched"};
  }
  if (!state.empty() && state != "inactive" && unitfile::split_name(name).is_template()) {
    return Error{Code::malformed, "cannot activate template \"" + std::string(name) + "\""};
  }
  return ok();
}

}  // namespace

Task<FleetApi::Answer> FleetApi::put_unit(const net::Request& request, std::string_view name) {
  if (const auto fault = type_fault(request); !fault.empty()) {
    co_return refuse(kUnsupported, fault);
  }
  const auto body = read_unit_body(request.body);
  if (!body) {
    co_return refuse(body.error());
  }
  if (!body->name.empty() && body->name != name) {
    co_return refuse(kBadRequest,
                     "name in URL \"" + std::string(name) +
                         "\" differs from unit name in request body \"" + body->name + "\"");
  }
  if (const auto status = unitfile::check_name(name); !status) {
    co_return refuse(status.error());
  }
  for (;;) {
    if (auto answer = co_await try_put(*body, name)) {
      co_return std::move(*answer);
    }
  }
}

Task<std::optional<FleetApi::Answer>> FleetApi::try_put(const UnitBody& body,
                                                        std::string_view name) {
  const Key key = unit_key(name);
  const auto unit = co_await client_.get(key);
  if (!unit && unit.error().code != Code::not_found) {
    co_return refuse(unit.error());
  }
  if (!unit && body.options.empty()) {
    co_return refuse(kConflict, "unit does not exist and options field empty");
  }
  if (!body.options.empty()) {
    if (const auto status = check_unit(name, body.options); !status) {
      co_return refuse(status.error());
    }
  }
  const bool is_replaced =
      unit && !body.options.empty() &&
      unitfile::hash_of(body.options) != unitfile::hash_of(read_spec(unit->root()).options);
  if (unit && !is_replaced && body.desired_state.empty()) {
    co_return refuse(kConflict, "must provide DesiredState to update existing unit");
  }
  if (const auto status = check_state(name, body.desired_state); !status) {
    co_return refuse(status.error());
  }
  if (!unit) {
    co_return co_await create(body, name);
  }
  if (is_replaced) {
    co_return co_await replace(body, *unit);
  }
  co_return co_await set_state(body, *unit);
}

Task<std::optional<FleetApi::Answer>> FleetApi::create(const UnitBody& body,
                                                       std::string_view name) {
  UnitSpec spec;
  spec.options = body.options;
  spec.desired_state = body.desired_state.empty() ? "inactive" : body.desired_state;
  auto object = unit_object(name, options_.ns, spec, {});
  const client::WriteOptions options;
  const auto made = co_await client_.create(kUnits, options_.ns, std::move(object), options);
  if (!made && made.error().code == Code::already_exists) {
    co_return std::nullopt;
  }
  co_return made ? Answer{kCreated} : refuse(made.error());
}

Task<std::optional<FleetApi::Answer>> FleetApi::replace(const UnitBody& body, const Stored& unit) {
  UnitSpec spec = read_spec(unit.root());
  spec.options = body.options;
  spec.desired_state = body.desired_state.empty() ? "inactive" : body.desired_state;
  co_return co_await write(unit, std::move(spec), kCreated);
}

Task<std::optional<FleetApi::Answer>> FleetApi::set_state(const UnitBody& body,
                                                          const Stored& unit) {
  UnitSpec spec = read_spec(unit.root());
  const bool was_to_run = spec.desired_state == "launched";
  const bool is_to_run = body.desired_state == "launched";
  if (was_to_run && body.desired_state == "loaded") {
    spec.stop_asked = format_micro_time(clock_.now());
  } else if (is_to_run && !was_to_run && current_state(unit.root(), clock_.now()) == "launched") {
    ++spec.restarts;  // it was asked to stop and shows no sign of it yet
  }
  spec.desired_state = body.desired_state;
  co_return co_await write(unit, std::move(spec), kNoContent);
}

Task<std::optional<FleetApi::Answer>> FleetApi::write(const Stored& unit,
                                                      UnitSpec spec,
                                                      int status) {
  client::WriteOptions options;
  options.expected = unit.revision;
  auto object = unit_object(unit.key.name, options_.ns, spec, unit.root());
  const auto written = co_await client_.update(unit.key, std::move(object), std::move(options));
  const bool is_raced = !written && (written.error().code == Code::conflict ||
                                     written.error().code == Code::not_found);
  if (is_raced) {
    co_return std::nullopt;
  }
  co_return written ? Answer{status} : refuse(written.error());
}

}  // namespace tetrarch::api::fleet
