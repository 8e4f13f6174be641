// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_down.h"

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "agent/systemd/manager.h"
#include "agent/unit_files.h"
#include "agent/unit_plan.h"
#include "async/io_pool.h"
#include "async/timer.h"

namespace tetrarch::agent {
namespace {

constexpr std::chrono::milliseconds kLookAgain{100};
constexpr int kLooksMax = 300;  // 30 s, as a Pod's usual grace

Task<bool> is_unit_up(systemd::Systemd& systemd, std::string unit) {
  const std::vector<std::string> names = {std::move(unit)};
  const auto states = co_await systemd.states(names);
  co_return states.ok() && !states->empty() && is_up(states->front().active);
}

Task<void> stop(systemd::Systemd& systemd, std::string unit) {
  static_cast<void>(co_await systemd.stop(unit));  // what is not stopped is killed
  for (int looks = 0; looks < kLooksMax; ++looks) {
    const bool runs = co_await is_unit_up(systemd, unit);
    if (!runs) {
      co_return;
    }
    co_await async::sleep_for(kLookAgain);
  }
  static_cast<void>(co_await systemd.kill(unit));
}

Task<Status> end_unit(systemd::Systemd& systemd, const UnitFiles& files, std::string unit) {
  CO_TRY(const auto found, co_await systemd.fragment(unit));
  if (check_own(found, unit, files.file(unit)).ok()) {
    co_await stop(systemd, unit);
    CO_TRY_STATUS(co_await systemd.reset_failed(unit));
  }
  CO_TRY_STATUS(co_await systemd.disable(unit));
  co_return files.remove(unit);
}

Task<std::optional<Status>> end_units(UnitFiles files, std::vector<UnitNote> notes) {
  const auto bus = files.bus();
  const auto systemd = co_await systemd::Manager::connect(bus, [](const std::string&) {});
  if (!systemd.ok()) {
    co_return std::optional<Status>(systemd.error());
  }
  Status first = ok();
  for (const auto& note : notes) {
    const auto ended = co_await end_unit(**systemd, files, note.unit);
    first = first.ok() ? ended : first;
  }
  const auto reloaded = co_await (*systemd)->reload();
  co_return std::optional<Status>(first.ok() ? reloaded : first);
}

}  // namespace

Status take_units_down(const std::filesystem::path& directory) {
  const UnitFiles files(directory);
  TRY(auto notes, files.read());
  if (notes.empty()) {
    return ok();
  }
  async::IoPool pool(1);
  return *asio::co_spawn(pool.strand(), end_units(files, std::move(notes)), asio::use_future).get();
}

}  // namespace tetrarch::agent
