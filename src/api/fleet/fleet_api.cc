// SPDX-License-Identifier: Apache-2.0
#include "api/fleet/fleet_api.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "api/fleet/page_token.h"
#include "base/encoding.h"
#include "object/writer.h"

namespace tetrarch::api::fleet {
namespace {

using object::Writer;

constexpr int kOk = 200;
constexpr int kNoContent = 204;
constexpr int kBadRequest = 400;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kMethodNotAllowed = 405;
constexpr int kConflict = 409;
constexpr int kInternal = 500;
constexpr int kUnavailable = 503;
constexpr std::string_view kGetOnly = "only GET supported against this resource";

std::string error_json(int status, std::string_view message) {
  std::string text;
  Writer(text)
      .begin_object()
      .key("error")
      .begin_object()
      .field("code", status)
      .field("message", message)
      .end_object()
      .end_object();
  return text;
}

int status_of(Code code) {
  switch (code) {
    case Code::malformed:
    case Code::invalid:
      return kBadRequest;
    case Code::unauthenticated:
    case Code::forbidden:
      return kForbidden;
    case Code::not_found:
      return kNotFound;
    case Code::already_exists:
    case Code::conflict:
    case Code::precondition:
      return kConflict;
    case Code::unavailable:
    case Code::timeout:
    case Code::exhausted:
      return kUnavailable;
    default:
      return kInternal;
  }
}

/// The path without the API's own beginning; nothing: it is not below it.
std::optional<std::string_view> below_api(std::string_view path) {
  for (const std::string_view prefix : {"/fleet/v1", "/v1-alpha"}) {
    if (path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/')) {
      return path.substr(prefix.size());
    }
  }
  return std::nullopt;
}

/// The name behind "/units/"; nothing: it is another path, or no name.
std::optional<std::string> name_below(std::string_view path, std::string_view collection) {
  if (!path.starts_with(collection) || path.size() == collection.size()) {
    return std::nullopt;
  }
  auto name = percent_decode(path.substr(collection.size()), false);
  return name ? std::optional(std::move(*name)) : std::nullopt;
}

Result<PageToken> token_of(const net::Request& request) {
  const auto values = request.parameters("nextPageToken");
  if (values.size() > 1) {
    return Error{Code::malformed, "too many values for page token"};
  }
  return read_page_token(values.empty() ? "" : values.front());
}

/// `machines` in order of their IDs.
bool is_among(const std::vector<Machine>& machines, std::string_view id) {
  const auto at = std::lower_bound(
      machines.begin(), machines.end(), id, [](const Machine& machine, std::string_view wanted) {
        return machine.id < wanted;
      });
  return at != machines.end() && at->id == id;
}

/// What states are ordered and chosen by.
struct StateRow {
  std::string_view unit;
  std::string_view machine;
  const Stored* state;

  bool operator<(const StateRow& other) const {
    return std::tie(unit, machine) < std::tie(other.unit, other.machine);
  }
};

StateRow row_of(const Stored& state) {
  return {state.root()["unit"].string(), state.root()["machineID"].string(), &state};
}

/// {"units":[…],"nextPageToken":"…"}; without items there is no list, as fleet has it.
template <class Items, class Text>
std::string page_json(std::string_view list,
                      const Items& items,
                      const Page& page,
                      const Text& text_of) {
  std::string text;
  Writer out(text);
  out.begin_object();
  if (page.begin < page.end) {
    if (!page.next.empty()) {
      out.field("nextPageToken", page.next);
    }
    out.key(list).begin_array();
    for (std::size_t i = page.begin; i < page.end; ++i) {
      out.raw(text_of(items[i]));
    }
    out.end_array();
  }
  out.end_object();
  return text;
}

}  // namespace

FleetApi::FleetApi(client::Client& client, const Clock& clock, Options options)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      units_(clock),
      states_(clock),
      // Source: fleet 1.0, metrics/metrics.go.
      operations_(metrics_.counter("fleet_registry_operation_count_total", "Requests to the API.")),
      failures_(metrics_.counter("fleet_registry_operation_failed_count_total",
                                 "Requests that could not be answered.")),
      seconds_(metrics_.histogram("fleet_registry_operation_duration_second",
                                  "Time to answer a request.")) {}

void FleetApi::drop_old_lists() {
  units_.drop_old();
  states_.drop_old();
}

std::string FleetApi::metrics_text() const {
  return options_.metrics ? options_.metrics(metrics_) : metrics_.text();
}

void FleetApi::count(const Answer& answer, SteadyPoint begun) {
  operations_.add();
  failures_.add(answer.status >= kInternal ? 1 : 0);
  seconds_.observe(std::chrono::duration<double>(clock_.steady() - begun).count());
}

FleetApi::Answer FleetApi::refuse(int status, std::string_view message) {
  return {status, error_json(status, message)};
}

FleetApi::Answer FleetApi::refuse(const Error& error) {
  const int status = status_of(error.code);
  return refuse(status,
                status == kUnavailable ? "fleet server unable to communicate with etcd"
                                       : std::string_view(error.message));
}

net::ErrorBody FleetApi::error_body(int status, std::string_view message) const {
  return {"application/json", error_json(status, message)};
}

Task<void> FleetApi::handle(net::Request request, net::Exchange& exchange) {
  net::Headers headers;
  headers.add("Server", "fleetd/" + options_.version);
  if (request.path == "/metrics" && request.method == "GET") {
    headers.add("Content-Type", "text/plain; version=0.0.4");
    static_cast<void>(  // a client that has gone needs no answer
        co_await exchange.respond(kOk, std::move(headers), metrics_text()));
    co_return;
  }
  const auto begun = clock_.steady();
  Answer answer = co_await this->answer(request);
  count(answer, begun);
  if (!answer.body.empty()) {
    headers.add("Content-Type", "application/json");
  }
  static_cast<void>(  // a client that has gone needs no answer
      co_await exchange.respond(answer.status, std::move(headers), std::move(answer.body)));
}

Task<FleetApi::Answer> FleetApi::answer(const net::Request& request) {
  const auto path = below_api(request.path);
  if (request.path == "/" || (path && path->empty())) {
    co_return refuse(kMethodNotAllowed, "");
  }
  if (!path) {
    co_return refuse(kNotFound, "");
  }
  if (*path == "/discovery") {
    if (request.method != "GET") {
      co_return refuse(kBadRequest, "only HTTP GET supported against this resource");
    }
    Answer description{kOk, discovery_document(request.headers.get("Host"))};
    co_return description;
  }
  if (*path == "/machines") {
    co_return co_await answer_machines(request);
  }
  if (*path == "/units") {
    if (request.method != "GET") {
      co_return refuse(kMethodNotAllowed, kGetOnly);
    }
    co_return co_await list_units(request);
  }
  if (*path == "/state") {
    if (request.method != "GET") {
      co_return refuse(kMethodNotAllowed, kGetOnly);
    }
    co_return co_await list_states(request);
  }
  if (const auto name = name_below(*path, "/units/")) {
    co_return co_await answer_units(request, *name);
  }
  if (const auto name = name_below(*path, "/state/")) {
    if (request.method != "GET") {
      co_return refuse(kMethodNotAllowed, kGetOnly);
    }
    co_return co_await get_state(*name);
  }
  co_return refuse(kNotFound, "");
}

Task<FleetApi::Answer> FleetApi::answer_units(const net::Request& request, std::string_view name) {
  if (request.method == "GET") {
    co_return co_await get_unit(name);
  }
  if (request.method == "PUT") {
    co_return co_await put_unit(request, name);
  }
  if (request.method == "DELETE") {
    co_return co_await delete_unit(name);
  }
  co_return refuse(kMethodNotAllowed, "only GET, PUT and DELETE supported against this resource");
}

Task<Result<std::vector<Stored>>> FleetApi::all(const char* resource) {
  client::ListQuery query;
  query.resource = resource;
  query.ns = options_.ns;
  CO_TRY(auto page, co_await client_.list(std::move(query)));
  co_return std::move(page.items);
}

Task<FleetApi::Answer> FleetApi::list_units(const net::Request& request) {
  const auto token = token_of(request);
  if (!token) {
    co_return refuse(token.error());
  }
  auto units = units_.find(*token, "");
  if (units == nullptr) {
    auto listed = co_await all(kUnits);
    if (!listed) {
      co_return refuse(listed.error());
    }
    units = units_.keep("", std::move(*listed));
  }
  const Page page = page_of(*token, units->size());
  if (page.next.empty()) {
    units_.drop(units);
  }
  const auto text_of = [now = clock_.now()](const Stored& unit) { return unit_json(unit, now); };
  co_return Answer{kOk, page_json("units", *units, page, text_of)};
}

Task<FleetApi::Answer> FleetApi::get_unit(std::string_view name) {
  const Key key = unit_key(name);
  const auto unit = co_await client_.get(key);
  if (!unit && unit.error().code == Code::not_found) {
    co_return refuse(kNotFound, "unit does not exist");
  }
  co_return unit ? Answer{kOk, unit_json(*unit, clock_.now())} : refuse(unit.error());
}

Task<FleetApi::Answer> FleetApi::delete_unit(std::string_view name) {
  const Key key = unit_key(name);
  const client::DeleteOptions options;
  const auto gone = co_await client_.remove(key, options);
  if (!gone && gone.error().code == Code::not_found) {
    co_return refuse(kNotFound, "unit does not exist");
  }
  co_return gone ? Answer{kNoContent} : refuse(gone.error());
}

/// In order of unit and machine; empty texts: of any.
Task<Result<std::vector<Stored>>> FleetApi::all_states(std::string machine, std::string unit) {
  CO_TRY(auto states, co_await all(kUnitStates));
  CO_TRY(const auto there, co_await machines());
  std::vector<StateRow> rows;
  for (const auto& state : states) {
    const StateRow row = row_of(state);
    // What a lost machine last said is no state: fleet forgets it, too.
    if (is_among(there, row.machine) && (machine.empty() || row.machine == machine) &&
        (unit.empty() || row.unit == unit)) {
      rows.push_back(row);
    }
  }
  std::sort(rows.begin(), rows.end());
  std::vector<Stored> sorted;
  sorted.reserve(rows.size());
  for (const auto& row : rows) {
    sorted.push_back(*row.state);
  }
  co_return sorted;
}

Task<FleetApi::Answer> FleetApi::list_states(const net::Request& request) {
  const auto token = token_of(request);
  if (!token) {
    co_return refuse(token.error());
  }
  auto machine = request.parameter("machineID").value_or("");
  auto unit = request.parameter("unitName").value_or("");
  auto question = machine + '\n' + unit;
  auto states = states_.find(*token, question);
  if (states == nullptr) {
    auto listed = co_await all_states(std::move(machine), std::move(unit));
    if (!listed) {
      co_return refuse(listed.error());
    }
    states = states_.keep(std::move(question), std::move(*listed));
  }
  const Page page = page_of(*token, states->size());
  if (page.next.empty()) {
    states_.drop(states);
  }
  const auto text_of = [](const Stored& state) { return unit_state_json(state.root()); };
  co_return Answer{kOk, page_json("states", *states, page, text_of)};
}

Task<FleetApi::Answer> FleetApi::get_state(std::string_view name) {
  const Key key = unit_key(name);
  const auto unit = co_await client_.get(key);
  if (!unit && unit.error().code == Code::not_found) {
    co_return refuse(kNotFound, "unit does not exist");
  }
  co_return unit ? Answer{kOk, state_of_unit_json(*unit)} : refuse(unit.error());
}

Task<FleetApi::Answer> FleetApi::answer_machines(const net::Request& request) {
  if (request.method == "GET") {
    co_return co_await list_machines(request);
  }
  if (request.method == "PATCH") {
    co_return co_await patch_machines(request);
  }
  co_return refuse(kMethodNotAllowed, "only GET and PATCH supported against this resource");
}

Task<Result<std::vector<Machine>>> FleetApi::machines() {
  client::ListQuery query;
  query.resource = "nodes";
  CO_TRY(const auto nodes, co_await client_.list(std::move(query)));
  client::ListQuery overlays;
  overlays.resource = kMachines;
  CO_TRY(const auto laid, co_await client_.list(std::move(overlays)));
  std::vector<Machine> found;
  for (const auto& node : nodes.items) {
    if (auto machine = machine_of(node.root())) {
      found.push_back(std::move(*machine));
    }
  }
  std::sort(
      found.begin(), found.end(), [](const Machine& a, const Machine& b) { return a.id < b.id; });
  for (const auto& overlay : laid.items) {
    const auto at = std::lower_bound(
        found.begin(),
        found.end(),
        overlay.key.name,
        [](const Machine& machine, const std::string& id) { return machine.id < id; });
    if (at != found.end() && at->id == overlay.key.name) {
      unitfile::lay_over(unitfile::read_overlay(overlay.root()), at->metadata);
    }
  }
  co_return found;
}

Task<FleetApi::Answer> FleetApi::list_machines(const net::Request& request) {
  const auto token = token_of(request);
  if (!token) {
    co_return refuse(token.error());
  }
  const auto found = co_await machines();
  if (!found) {
    co_return refuse(found.error());
  }
  const Page page = page_of(*token, found->size());
  co_return Answer{kOk, page_json("machines", *found, page, machine_json)};
}

Task<FleetApi::Answer> FleetApi::patch_machines(const net::Request& request) {
  const auto changes = read_metadata_changes(request.body);
  if (!changes) {
    co_return refuse(changes.error());
  }
  for (const auto& change : *changes) {
    if (const auto done = co_await change_metadata(change); !done) {
      co_return refuse(done.error());
    }
  }
  co_return Answer{kNoContent};
}

Task<Result<Stored>> FleetApi::write_overlay(const MetadataChange& change) {
  const Key key{kMachines, "", change.machine_id};
  const auto old = co_await client_.get(key);
  if (!old && old.error().code != Code::not_found) {
    co_return old.error();
  }
  const object::View root = old ? old->root() : object::View{};
  auto overlay = unitfile::read_overlay(root);
  overlay[change.key] = change.value;
  auto object = machine_object(change.machine_id, overlay, root);
  client::WriteOptions options;
  if (!old) {
    co_return co_await client_.create(kMachines, "", std::move(object), options);
  }
  options.expected = old->revision;
  co_return co_await client_.update(key, std::move(object), options);
}

Task<Status> FleetApi::change_metadata(const MetadataChange& change) {
  for (;;) {
    const auto written = co_await write_overlay(change);
    const bool is_raced = !written && (written.error().code == Code::conflict ||
                                       written.error().code == Code::already_exists);
    if (!is_raced) {
      co_return written ? ok() : Status(written.error());
    }
  }
}

}  // namespace tetrarch::api::fleet
