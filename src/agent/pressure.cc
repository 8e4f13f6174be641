// SPDX-License-Identifier: Apache-2.0
#include "agent/pressure.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "agent/resources.h"
#include "object/quantity.h"

namespace tetrarch::agent {
namespace {

using object::Quantity;

struct SignalRow {
  Signal signal;
  std::string_view name;
  Pressure pressure;
  std::string_view resource;
};

constexpr auto kSignals = std::to_array<SignalRow>({
    {Signal::memory_available, "memory.available", Pressure::memory, "memory"},
    {Signal::nodefs_available, "nodefs.available", Pressure::disk, "ephemeral-storage"},
    {Signal::nodefs_inodes_free, "nodefs.inodesFree", Pressure::disk, "inodes"},
    {Signal::imagefs_available, "imagefs.available", Pressure::disk, "ephemeral-storage"},
    {Signal::imagefs_inodes_free, "imagefs.inodesFree", Pressure::disk, "inodes"},
    {Signal::pid_available, "pid.available", Pressure::pids, "pids"},
});

const SignalRow& row_of(Signal signal) {
  return kSignals[static_cast<std::size_t>(signal)];
}

Error bad_threshold(std::string_view part, std::string_view why) {
  return {Code::invalid, fmt::format("eviction-hard: \"{}\" {}", part, why)};
}

/// No value: 0% and 100% switch a threshold off. Source: kubelet, parseThresholdStatement.
Result<std::optional<Threshold>> parse_percent(std::string_view part,
                                               Threshold out,
                                               std::string_view number) {
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), out.percent);
  if (error != std::errc() || end != number.data() + number.size() || out.percent < 0 ||
      out.percent > 100) {
    return bad_threshold(part, "is no percentage from 0% to 100%");
  }
  return out.percent == 0 || out.percent == 100 ? std::optional<Threshold>() : std::optional(out);
}

Result<std::optional<Threshold>> parse_one(std::string_view part) {
  const auto sign = part.find('<');
  const auto name = part.substr(0, sign);
  const auto* row = std::find_if(
      kSignals.begin(), kSignals.end(), [&](const SignalRow& each) { return each.name == name; });
  if (sign == std::string_view::npos || row == kSignals.end()) {
    return bad_threshold(part,
                         "is not of the form signal<amount, with memory.available, "
                         "nodefs.available, nodefs.inodesFree, imagefs.available, "
                         "imagefs.inodesFree or pid.available");
  }
  const auto value = part.substr(sign + 1);
  Threshold out{row->signal};
  if (value.ends_with('%')) {
    return parse_percent(part, out, value.substr(0, value.size() - 1));
  }
  const auto amount = Quantity::parse(value);
  if (!amount.ok() || amount->is_negative() || amount->is_zero()) {
    return bad_threshold(part, "has no positive amount, such as 100Mi or 10%");
  }
  out.amount = amount->value();
  return std::optional(out);
}

/// Usage of what the signal is about: bytes of memory or disk, inodes, processes.
std::int64_t usage_of(const PodUsage& usage, Signal signal, bool has_image_disk) {
  if (signal == Signal::memory_available) {
    return usage.memory_bytes();
  }
  if (signal == Signal::pid_available) {
    return usage.pids;
  }
  const bool is_of_images =
      signal == Signal::imagefs_available || signal == Signal::imagefs_inodes_free;
  DiskUsage sum;
  for (const auto& container : usage.containers) {
    if (!has_image_disk || is_of_images) {
      sum += container.layer;
    }
    if (!has_image_disk || !is_of_images) {
      sum += container.logs;
    }
  }
  if (!has_image_disk || !is_of_images) {
    sum += usage.volumes;
  }
  const bool is_bytes = signal == Signal::nodefs_available || signal == Signal::imagefs_available;
  return is_bytes ? sum.bytes : sum.inodes;
}

/// What is compared, from the first to the last.
struct Rank {
  bool is_measured;
  bool exceeds;
  std::int64_t priority;
  std::int64_t over;  ///< usage beyond the request

  bool goes_before(const Rank& other) const {
    if (is_measured != other.is_measured) {
      return !is_measured;
    }
    if (exceeds != other.exceeds) {
      return exceeds;
    }
    return priority != other.priority ? priority < other.priority : over > other.over;
  }
};

Rank rank_of(const Candidate& pod, Signal signal, bool has_image_disk) {
  Rank out{pod.usage.has_value(), false, pod.pod().spec().priority(), 0};
  if (!pod.usage) {
    return out;
  }
  const auto used = usage_of(*pod.usage, signal, has_image_disk);
  if (signal == Signal::pid_available) {
    out.over = used;  // nobody asks for processes
    return out;
  }
  const auto resource = resource_of(signal);
  const auto asked = resource == "inodes" ? 0 : pod_request(pod.pod(), resource);
  out.over = used - asked;
  out.exceeds = out.over > 0;
  return out;
}

std::string binary_text(std::int64_t bytes) {
  return Quantity::of_value(bytes, Quantity::Format::binary_si).text();
}

std::string amount_text(Signal signal, std::int64_t amount) {
  const bool is_bytes =
      resource_of(signal) == "memory" || resource_of(signal) == "ephemeral-storage";
  return is_bytes ? binary_text(amount) : std::to_string(amount);
}

bool tolerates_memory_pressure(views::PodView pod) {
  for (const auto each : pod.spec().tolerations()) {
    const bool has_effect = each.effect().empty() || each.effect() == "NoSchedule";
    const bool has_key = each.key() == "node.kubernetes.io/memory-pressure" ||
                         (each.key().empty() && each.operator_() == "Exists");
    if (has_effect && has_key) {
      return true;
    }
  }
  return false;
}

object::View spec_of(views::PodView pod, std::string_view name) {
  for (const char* list : {"containers", "initContainers"}) {
    for (const auto container : pod.spec().view()[list].elements()) {
      if (container["name"].string() == name) {
        return container;
      }
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(Signal signal) {
  return row_of(signal).name;
}

Pressure pressure_of(Signal signal) {
  return row_of(signal).pressure;
}

std::string_view resource_of(Signal signal) {
  return row_of(signal).resource;
}

std::string_view to_string(Pressure pressure) {
  switch (pressure) {
    case Pressure::memory:
      return "MemoryPressure";
    case Pressure::disk:
      return "DiskPressure";
    case Pressure::pids:
      return "PIDPressure";
  }
  return "";
}

std::int64_t Threshold::of(std::int64_t capacity) const {
  return percent > 0
             ? static_cast<std::int64_t>(std::floor(static_cast<double>(capacity) * percent / 100))
             : amount;
}

Result<std::vector<Threshold>> parse_thresholds(std::string_view text) {
  std::vector<Threshold> out;
  std::set<std::string_view> names;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    TRY(const auto threshold, parse_one(part));
    if (!names.insert(part.substr(0, part.find('<'))).second) {
      return bad_threshold(part, "names a signal for the second time");
    }
    if (threshold) {
      out.push_back(*threshold);
    }
  }
  std::sort(out.begin(), out.end(), [](const Threshold& a, const Threshold& b) {
    return a.signal < b.signal;
  });
  return out;
}

std::vector<Threshold> met(const std::vector<Threshold>& thresholds, const Observations& seen) {
  std::vector<Threshold> out;
  for (const auto& threshold : thresholds) {
    const auto at = seen.find(threshold.signal);
    if (at != seen.end() && at->second.available < threshold.of(at->second.capacity)) {
      out.push_back(threshold);
    }
  }
  return out;
}

std::vector<Pressure> PressureState::note(const std::vector<Threshold>& met, TimePoint now) {
  std::vector<Pressure> changed;
  for (const auto& threshold : met) {
    const auto pressure = pressure_of(threshold.signal);
    if (since_.insert_or_assign(pressure, now).second) {
      changed.push_back(pressure);
    }
  }
  for (auto at = since_.begin(); at != since_.end();) {
    if (at->second != now && now - at->second >= transition_) {
      changed.push_back(at->first);
      at = since_.erase(at);
    } else {
      ++at;
    }
  }
  return changed;
}

std::string PressureState::text() const {
  std::string out;
  for (const auto& [pressure, time] : since_) {
    out += (out.empty() ? "" : " ") + std::string(to_string(pressure));
  }
  return "[" + out + "]";
}

bool is_critical(views::PodView pod) {
  // Source: Kubernetes documentation, "Guaranteed Scheduling For Critical Add-On Pods": from this
  // priority on; static pods always.
  constexpr std::int64_t kSystemCritical = 2'000'000'000;
  return pod.spec().priority() >= kSystemCritical ||
         pod.metadata().annotations().find("kubernetes.io/config.source") == "file";
}

std::optional<Reason> refusal_under(const PressureState& pressure, views::PodView pod) {
  if (!pressure.has_any() || is_critical(pod)) {
    return std::nullopt;
  }
  const bool is_memory_alone = pressure.has(Pressure::memory) && !pressure.has(Pressure::disk) &&
                               !pressure.has(Pressure::pids);
  if (is_memory_alone && (qos_of(pod) != Qos::best_effort || tolerates_memory_pressure(pod))) {
    return std::nullopt;
  }
  return Reason{"Evicted",
                fmt::format("Pod was rejected: The node had condition: {}. ", pressure.text())};
}

DiskUsage& DiskUsage::operator+=(const DiskUsage& other) {
  bytes += other.bytes;
  inodes += other.inodes;
  return *this;
}

std::int64_t PodUsage::memory_bytes() const {
  std::int64_t sum = 0;
  for (const auto& container : containers) {
    sum += container.memory_bytes;
  }
  return sum;
}

void rank(std::vector<Candidate>& pods, Signal signal, bool has_image_disk) {
  std::stable_sort(pods.begin(), pods.end(), [&](const Candidate& a, const Candidate& b) {
    return rank_of(a, signal, has_image_disk).goes_before(rank_of(b, signal, has_image_disk));
  });
}

std::string eviction_message(const Threshold& threshold,
                             const Observed& observed,
                             const Candidate& pod) {
  const auto resource = resource_of(threshold.signal);
  auto out =
      fmt::format("The node was low on resource: {}. Threshold quantity: {}, available: {}. ",
                  resource,
                  amount_text(threshold.signal, threshold.of(observed.capacity)),
                  amount_text(threshold.signal, observed.available));
  const bool is_told = resource == "memory" || resource == "ephemeral-storage";
  if (!pod.usage || !is_told) {
    return out;
  }
  for (const auto& container : pod.usage->containers) {
    const auto used = resource == "memory" ? container.memory_bytes
                                           : container.layer.bytes + container.logs.bytes;
    const auto request = spec_of(pod.pod(), container.name)["resources"]["requests"][resource];
    if (used > object::value_of(request)) {
      out += fmt::format("Container {} was using {}, request is {}, has larger consumption of {}. ",
                         container.name,
                         binary_text(used),
                         request ? request.string() : "0",
                         resource);
    }
  }
  return out;
}

}  // namespace tetrarch::agent
