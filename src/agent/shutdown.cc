// SPDX-License-Identifier: Apache-2.0
#include "agent/shutdown.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace tetrarch::agent {
namespace {

// Ours: an hour; nobody means more.
constexpr std::int64_t kGraceMax = 3600;

bool read_number(std::string_view text, std::int64_t& out) {
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out);
  return read.ec == std::errc() && read.ptr == end && !text.empty();
}

Result<ShutdownGrace> parse_one(std::string_view part) {
  const auto equals = part.find('=');
  ShutdownGrace out;
  std::int64_t seconds = 0;
  if (equals == std::string_view::npos || !read_number(part.substr(0, equals), out.priority) ||
      !read_number(part.substr(equals + 1), seconds) || seconds < 0 || seconds > kGraceMax) {
    return Error{Code::invalid,
                 fmt::format("shutdown-grace: \"{}\" is not PRIORITY=SECONDS, such as 0=20", part)};
  }
  out.grace = std::chrono::seconds(seconds);
  return out;
}

bool is_lower(const ShutdownGrace& a, const ShutdownGrace& b) {
  return a.priority < b.priority;
}

}  // namespace

Result<std::vector<ShutdownGrace>> parse_shutdown_grace(std::string_view text) {
  std::vector<ShutdownGrace> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    TRY(const auto one, parse_one(text.substr(0, comma)));
    const auto is_same = [&](const ShutdownGrace& other) { return other.priority == one.priority; };
    if (std::any_of(out.begin(), out.end(), is_same)) {
      return Error{Code::invalid,
                   fmt::format("shutdown-grace: priority {} is there twice", one.priority)};
    }
    out.push_back(one);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  std::sort(out.begin(), out.end(), is_lower);
  return out;
}

std::chrono::seconds total_of(const std::vector<ShutdownGrace>& graces) {
  std::chrono::seconds out{0};
  for (const auto& each : graces) {
    out += each.grace;
  }
  return out;
}

std::vector<EndingGroup> ending_order(const std::vector<EndingPod>& pods,
                                      std::vector<ShutdownGrace> graces) {
  std::sort(graces.begin(), graces.end(), is_lower);
  std::vector<EndingGroup> groups(graces.size());
  for (std::size_t i = 0; i < graces.size(); ++i) {
    groups[i].grace = graces[i].grace;
  }
  for (const auto& pod : pods) {
    const auto above =
        std::upper_bound(graces.begin(), graces.end(), ShutdownGrace{pod.priority, {}}, is_lower);
    if (groups.empty()) {
      break;
    }
    const auto index = above == graces.begin() ? 0 : above - graces.begin() - 1;
    groups[static_cast<std::size_t>(index)].pods.push_back(pod.uid);
  }
  std::erase_if(groups, [](const EndingGroup& group) { return group.pods.empty(); });
  return groups;
}

}  // namespace tetrarch::agent
