// SPDX-License-Identifier: Apache-2.0
#include "app/fleet_server.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <grp.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "app/config_values.h"
#include "async/timer.h"
#include "base/clock.h"
#include "base/log.h"

namespace tetrarch::app {
namespace {

constexpr std::string_view kRoom = "fleet";
constexpr std::string_view kUnix = "unix://";
constexpr std::string_view kUsual = "unix:///run/tetrarch/fleet.sock";
constexpr std::string_view kEngine = "controller=\"fleet-unit\"";

net::ServerOptions server_options() {
  net::ServerOptions options;
  options.name = "fleet";
  return options;
}

/// fleet's sockets belong to the group `fleet`, where the machine has one.
Status give_to_group(const std::string& path) {
  constexpr std::size_t kLongestRecord = 65536;
  std::vector<char> memory(kLongestRecord);
  group record = {};
  group* found = nullptr;
  if (::getgrnam_r("fleet", &record, memory.data(), memory.size(), &found) != 0 ||
      found == nullptr || ::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) == 0) {
    return ok();
  }
  return Error{
      Code::unavailable,
      fmt::format(
          "cannot give {} to the group fleet: {}", path, std::generic_category().message(errno))};
}

/// Who may use a socket its own permissions say: the way to it is open.
Status make_socket_directory(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::create_directories(path, error)) {
    std::filesystem::permissions(path, std::filesystem::perms{0755}, error);
  }
  return error ? Status(Error{Code::unavailable,
                              fmt::format("cannot make {}: {}", path.string(), error.message())})
               : ok();
}

struct EngineRow {
  std::string_view name;  ///< as fleet calls it
  std::string_view ours;
};

// Source: fleet 1.0, metrics/metrics.go.
constexpr std::array<EngineRow, 4> kEngineRows = {{
    {"fleet_engine_task_count_total", "tetrarch_controller_changes_total"},
    {"fleet_engine_task_failure_count_total", "tetrarch_controller_failures_total"},
    {"fleet_engine_reconcile_count_total", "tetrarch_controller_reconciles_total"},
    {"fleet_engine_reconcile_failure_count_total", "tetrarch_controller_failures_total"},
}};

}  // namespace

std::string fleet_metrics(const Metrics& of_api, Metrics& all, std::int64_t started) {
  std::string out = of_api.text();
  out += fmt::format(
      "# HELP fleet_engine_leader_start_time When this server began to place units.\n"
      "# TYPE fleet_engine_leader_start_time gauge\n"
      "fleet_engine_leader_start_time {}\n",
      started);
  for (const auto& row : kEngineRows) {
    out += fmt::format(
        "# TYPE {0} counter\n{0} {1}\n", row.name, all.counter(row.ours, "", kEngine).value());
  }
  constexpr std::string_view kDuration = "fleet_engine_reconcile_duration_second";
  out += fmt::format("# TYPE {} histogram\n", kDuration);
  all.histogram("tetrarch_controller_plan_seconds", "", kEngine).write(out, kDuration, "");
  return out;
}

FleetServer::FleetServer(async::IoPool& pool,
                         std::unique_ptr<client::Client> client,
                         Metrics& metrics)
    : client_(std::move(client)),
      metrics_(metrics),
      started_(
          std::chrono::duration_cast<std::chrono::seconds>(system_clock().now().time_since_epoch())
              .count()),
      api_(*client_,
           system_clock(),
           {.metrics =
                [this](const Metrics& own) { return fleet_metrics(own, metrics_, started_); }}),
      server_(pool, api_, server_options()),
      tasks_(pool.strand(), std::string(kRoom)) {}

Status FleetServer::listen(const std::string& where) {
  if (!where.starts_with(kUnix)) {
    TRY(const auto at, parse_listen(where, "fleet-listen"));
    TRY(const auto port, server_.listen(at.host, at.port, nullptr));
    log::info(kRoom, "fleet's API answers at http://{}:{}", at.host, port);
    return ok();
  }
  const std::string path = where.substr(kUnix.size());
  TRY_STATUS(make_socket_directory(std::filesystem::path(path).parent_path()));
  TRY_STATUS(server_.listen_unix(path));
  TRY_STATUS(give_to_group(path));
  log::info(kRoom, "fleet's API answers at {}", where);
  return ok();
}

Status FleetServer::start(const Config& config) {
  if (const auto done = listen(std::string(kUsual)); !done.ok()) {
    log::warning(kRoom, "fleet's API does not listen at {}: {}", kUsual, done.error().message);
  }
  for (const auto& where : list_of(config.fleet_listen)) {
    if (where != kUsual) {
      TRY_STATUS(listen(where));
    }
  }
  server_.run();
  tasks_.spawn(drop_old_lists());
  is_running_ = true;
  return ok();
}

Task<void> FleetServer::stop() {
  if (is_running_) {
    is_running_ = false;
    co_await server_.stop();
    co_await tasks_.stop();
  }
}

Task<void> FleetServer::drop_old_lists() {
  while (true) {
    co_await async::sleep_for(std::chrono::minutes(1));
    api_.drop_old_lists();
  }
}

}  // namespace tetrarch::app
