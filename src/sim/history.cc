// SPDX-License-Identifier: Apache-2.0
#include "sim/history.h"

#include <fmt/format.h>

namespace tetrarch::sim {
namespace {

constexpr std::size_t kLastMax = 60;
constexpr std::size_t kViolationsMax = 20;
// Source: FNV-1a, 64 bits: offset basis and prime.
constexpr std::uint64_t kHashStart = 0xcbf29ce484222325ULL;
constexpr std::uint64_t kHashStep = 0x100000001b3ULL;

}  // namespace

History::History(const Clock& clock, TimePoint start, std::FILE* log)
    : clock_(clock), start_(start), log_(log), hash_(kHashStart) {}

void History::note(std::string_view what) {
  if (clock_.now() < newest_) {
    newest_ = {};  // told once
    violate("time goes back");
  }
  newest_ = clock_.now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - start_);
  keep(fmt::format("{}.{:03} {}", ms.count() / 1000, ms.count() % 1000, what));
}

void History::violate(std::string_view what) {
  note(fmt::format("VIOLATION {}", what));
  ++violation_count_;
  if (violations_.size() < kViolationsMax) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - start_);
    violations_.push_back(
        fmt::format("at {}.{:03} s: {}", ms.count() / 1000, ms.count() % 1000, what));
  }
}

void History::keep(std::string line) {
  for (const char c : line) {
    hash_ = (hash_ ^ static_cast<unsigned char>(c)) * kHashStep;
  }
  hash_ = (hash_ ^ '\n') * kHashStep;
  ++size_;
  if (log_ != nullptr) {
    fmt::print(log_, "{}\n", line);
  }
  if (!is_clean()) {
    return;
  }
  last_.push_back(std::move(line));
  if (last_.size() > kLastMax) {
    last_.pop_front();
  }
}

}  // namespace tetrarch::sim
