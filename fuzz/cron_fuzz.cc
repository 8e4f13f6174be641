// SPDX-License-Identifier: Apache-2.0
// Any text: refused, or a schedule whose next time is after now and whose last time is one that
// next leads to; a set of indexes that reads its own text; a time zone with sane offsets.
#include "base/check.h"
#include "base/time_zone.h"
#include "input.h"
#include "object/cron_schedule.h"
#include "object/index_set.h"

using namespace tetrarch;

namespace {

constexpr TimePoint kNow{std::chrono::seconds(1'795'414'436)};

void try_schedule(std::string_view input) {
  const auto schedule = object::CronSchedule::parse(input);
  if (!schedule.ok()) {
    return;
  }
  const auto next = schedule->next(kNow, TimeZone());
  CHECK(!next || *next > kNow);
  const auto begin = kNow - std::chrono::hours(48);
  if (const auto last = schedule->last(begin, kNow, TimeZone())) {
    CHECK(*last > begin && *last <= kNow);
    const auto after = schedule->next(*last, TimeZone());
    CHECK(!after || *after > kNow);
  }
}

void try_indexes(std::string_view input) {
  constexpr std::int64_t kLimit = 100'000;
  const auto once = object::IndexSet::parse(input, kLimit);
  if (once.ok() && once->count() > 0) {
    CHECK(once->intervals().back().last < kLimit);
    CHECK(object::IndexSet::parse_leniently(once->text(), kLimit) == *once);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::Input(data, size).rest();
  try_schedule(input);
  try_indexes(input);
  if (const auto zone = TimeZone::parse(input); zone.ok()) {
    static_cast<void>(zone->offset_at(std::chrono::floor<std::chrono::seconds>(kNow)));
  }
  return 0;
}
