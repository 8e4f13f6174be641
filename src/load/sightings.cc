// SPDX-License-Identifier: Apache-2.0
#include "load/sightings.h"

#include <charconv>
#include <unistd.h>

#include "load/workload.h"

namespace tetrarch::load {
namespace {

constexpr std::chrono::minutes kPatience{5};

template <class Condition>
void wait_for(Condition condition) {
  const auto end = system_clock().steady() + kPatience;
  while (!condition() && system_clock().steady() < end) {
    ::usleep(200);
  }
}

}  // namespace

Sightings::Sightings(std::string run, int count)
    : mark_("\"name\":\"" + std::move(run) + "-"), times_(static_cast<std::size_t>(count)) {}

Task<void> Sightings::follow(net::Client& client, std::string target) {
  auto stream = co_await client.stream(json_request("GET", std::move(target), ""));
  if (!stream.ok() || (*stream)->status() != 200) {
    failure_ = stream.ok() ? "watch refused" : stream.error().message;
  }
  is_open_ = true;
  std::string text;
  while (failure_.empty() && seen_ < static_cast<int>(times_.size())) {
    const auto piece = co_await (*stream)->read();
    if (!piece.ok() || piece->empty()) {
      failure_ = "the watch ended early";
      break;
    }
    text += *piece;
    text.erase(0, take_lines(text));
  }
  is_done_ = true;
}

void Sightings::wait_until_open() const {
  wait_for([this] { return is_open_.load(); });
}

void Sightings::wait_until_seen(int count) const {
  wait_for([this, count] { return is_done_ || seen_ >= count; });
}

/// How many bytes were whole lines.
std::size_t Sightings::take_lines(const std::string& text) {
  const auto now = system_clock().steady();
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    take_line(std::string_view(text).substr(begin, end - begin), now);
    begin = end + 1;
  }
  return begin;
}

void Sightings::take_line(std::string_view line, SteadyPoint now) {
  const auto at = line.find(mark_);
  if (at == std::string_view::npos) {
    return;
  }
  std::size_t number = times_.size();
  std::from_chars(line.data() + at + mark_.size(), line.data() + line.size(), number);
  if (number < times_.size() && times_[number] == SteadyPoint{}) {
    times_[number] = now;
    ++seen_;
  }
}

}  // namespace tetrarch::load
