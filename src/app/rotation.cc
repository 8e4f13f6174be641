// SPDX-License-Identifier: Apache-2.0
#include "app/rotation.h"

#include <algorithm>
#include <utility>

#include "app/node_certificate.h"
#include "async/timer.h"
#include "base/log.h"
#include "trust/ca.h"

namespace tetrarch::app {
namespace {

using std::chrono::seconds;

constexpr std::string_view kRoom = "server";
// Ours: as an agent's renewal (node_certificate.cc).
constexpr seconds kLongestPause{3600};
constexpr seconds kRetry{15};

}  // namespace

/// What cannot be read is to be replaced at once.
TimePoint Rotation::Kept::due() const {
  const auto certificate = trust::read_certificate(present);
  return certificate.ok() ? renewal_time(*certificate) : TimePoint();
}

Status Rotation::add(std::string name, Issue issue) {
  TRY(auto first, issue());
  all_.push_back({std::move(name), std::move(issue), std::move(first)});
  return ok();
}

void Rotation::look(TimePoint now) {
  for (auto& kept : all_) {
    if (now < kept.due()) {
      continue;
    }
    auto fresh = kept.issue();
    if (fresh.ok()) {
      kept.present = *std::move(fresh);
      log::info(kRoom, "{} is renewed", kept.name);
    } else {
      log::error(kRoom, "{} is not renewed: {}", kept.name, fresh.error().message);
    }
  }
}

std::chrono::nanoseconds Rotation::pause(TimePoint now) const {
  std::chrono::nanoseconds out = kLongestPause;
  for (const auto& kept : all_) {
    out = std::min<std::chrono::nanoseconds>(out, kept.due() - now);
  }
  return std::max<std::chrono::nanoseconds>(out, kRetry);
}

Task<void> Rotation::run(const Clock& clock) {
  while (true) {
    co_await async::sleep_for(pause(clock.now()));
    look(clock.now());
  }
}

}  // namespace tetrarch::app
