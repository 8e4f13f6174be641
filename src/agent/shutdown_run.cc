// SPDX-License-Identifier: Apache-2.0
// How an agent goes with its machine: told by logind, it says so in its Node, takes no further pod
// and ends those that it has, least important first; then the machine may go on.
#include <algorithm>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "agent/agent_impl.h"
#include "agent/logind.h"
#include "agent/runtime/on_pool.h"
#include "async/timer.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLookAgain{100};
// Ours: how long what was told of a pod may take to reach the server after it has ended.
constexpr seconds kTelling{2};
// Seen: systemd 252, logind says false also when all that was asked for is done, and the machine
// goes.
constexpr seconds kSecondThoughts{5};
// Ours: a bus that is not there may come later in the boot.
constexpr seconds kRetry{30};

/// Where nothing was said: of a machine that leaves, which no shutdown waits for.
std::vector<ShutdownGrace> leaving_graces() {
  return {{0, seconds(30)}};
}

/// Blocking: the bus, the lock, and that logind waits as long as we may take.
Result<std::unique_ptr<Logind>> take_lock(seconds delay, const std::filesystem::path& note) {
  TRY(auto out, Logind::connect());
  TRY_STATUS(out->allow_delay(delay, note));
  TRY_STATUS(out->inhibit());
  return out;
}

}  // namespace

/// Until it has ended and the server, where there is one, knows.
bool Agent::Impl::is_settled(const std::string& uid) const {
  const auto at = workers.find(uid);
  if (at == workers.end()) {
    return true;
  }
  return (at->second->is_released() || at->second->is_idle()) && !statuses.is_waiting(uid);
}

Task<void> Agent::Impl::end_group(EndingGroup group) {
  for (const auto& uid : group.pods) {
    if (const auto at = workers.find(uid); at != workers.end() && at->second->is_active()) {
      at->second->end_for_shutdown(group.grace);
    }
  }
  const auto end = with.clock.now() + group.grace + kTelling;
  const auto is_over = [&] {
    return std::all_of(
        group.pods.begin(), group.pods.end(), [&](const auto& uid) { return is_settled(uid); });
  };
  // Twice, as the word of an end begins its way a moment after the end is seen.
  for (int calm = 0; calm < 2 && with.clock.now() < end;) {
    co_await async::sleep_for(kLookAgain);
    calm = is_over() ? calm + 1 : 0;
  }
}

Task<void> Agent::Impl::end_pods() {
  set_shutting_down(true);
  std::vector<EndingPod> pods;
  for (const auto& [uid, worker] : workers) {
    pods.push_back({uid, views::PodView(worker->document()->root()).spec().priority()});
  }
  const auto& graces = options.shutdown_grace;
  const auto used = graces.empty() ? leaving_graces() : graces;
  auto groups = ending_order(pods, used);
  units->end_all(total_of(used));
  for (auto& group : groups) {
    log::info("agent",
              "ending {} pods within {} s: the machine goes",
              group.pods.size(),
              group.grace.count());
    co_await end_group(std::move(group));
  }
  const auto end = with.clock.now() + total_of(used) + kTelling;
  while (!units->is_empty() && with.clock.now() < end) {
    co_await async::sleep_for(kLookAgain);
  }
}

void Agent::Impl::set_shutting_down(bool is_on) {
  is_shutting_down = is_on;
  shop->is_shutting_down = is_on;
  if (!is_on) {
    units->stay();
  }
  registrar->wake();
}

/// Until the bus is lost (an error), or the agent ends.
Task<Status> Agent::Impl::follow_logind(std::shared_ptr<Logind> logind) {
  const int copy = ::dup(logind->descriptor());
  if (copy < 0) {
    co_return Error{Code::unavailable, "no descriptor is left for the system bus"};
  }
  asio::posix::stream_descriptor wire(strand, copy);
  while (true) {
    CO_TRY(const auto word, logind->next_word());
    if (!word) {
      const auto [error] = co_await wire.async_wait(asio::posix::stream_descriptor::wait_read,
                                                    asio::as_tuple(asio::use_awaitable));
      if (error == asio::error::operation_aborted) {
        co_return ok();
      }
      if (error) {
        co_return Error{Code::unavailable, "the system bus: " + error.message()};
      }
      continue;
    }
    if (*word) {
      log::info("agent", "the machine is about to shut down");
      co_await end_pods();
      logind->release();
      log::info("agent", "its pods have ended: the machine may go");
    } else {
      co_await async::sleep_for(kSecondThoughts);
      auto lock = [logind] { return logind->inhibit(); };
      CO_TRY_STATUS(co_await runtime::on_pool(with.blocking, std::move(lock)));
      log::info("agent", "the machine does not shut down after all");
      set_shutting_down(false);
    }
  }
}

Task<void> Agent::Impl::keep_logind() {
  if (options.shutdown_grace.empty()) {
    co_return;
  }
  const auto delay = total_of(options.shutdown_grace) + kTelling * 2;
  while (true) {
    auto work = [delay, note = places.logind_note] { return take_lock(delay, note); };
    auto taken = co_await runtime::on_pool(with.blocking, std::move(work));
    if (taken.ok()) {
      log::info("agent", "a shutdown of this machine waits for its pods");
      set_shutting_down(false);
      // Shared with work on the pool that may outlive this wait.
      const std::shared_ptr<Logind> logind = *std::move(taken);
      const auto ended = co_await follow_logind(logind);
      if (!ended.ok()) {
        log::warning("agent", "{}", ended.error().message);
      }
    } else {
      log::debug("agent", "no logind: {}", taken.error().message);
    }
    co_await async::sleep_for(kRetry);
  }
}

}  // namespace tetrarch::agent
