// SPDX-License-Identifier: Apache-2.0
// Node pressure: what the machine runs short of, when that is said, and which pod has to go. Pure.
// Source: Kubernetes documentation, "Node-pressure Eviction"; kubelet, pkg/kubelet/eviction, v1.35.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pod_state.h"
#include "base/clock.h"
#include "base/result.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

/// What is measured. In the order in which one is relieved before another.
enum class Signal : std::uint8_t {
  memory_available,
  nodefs_available,
  nodefs_inodes_free,
  imagefs_available,
  imagefs_inodes_free,
  pid_available,
};

std::string_view to_string(Signal signal);

/// What the Node's conditions say of it.
enum class Pressure : std::uint8_t { memory, disk, pids };
inline constexpr std::array kPressures{Pressure::memory, Pressure::disk, Pressure::pids};

Pressure pressure_of(Signal signal);
/// "MemoryPressure".
std::string_view to_string(Pressure pressure);

/// There must be at least so much. Of the two one is 0.
struct Threshold {
  Signal signal;
  std::int64_t amount = 0;
  double percent = 0;  ///< of the capacity

  std::int64_t of(std::int64_t capacity) const;
};

/// "memory.available<100Mi,nodefs.available<10%". Code::invalid says which part means nothing.
Result<std::vector<Threshold>> parse_thresholds(std::string_view text);

struct Observed {
  std::int64_t available = 0;
  std::int64_t capacity = 0;
};

using Observations = std::map<Signal, Observed>;

/// Those of which less is there, in the order of signals. What could not be measured is not met.
std::vector<Threshold> met(const std::vector<Threshold>& thresholds, const Observations& seen);

/// The conditions of the node. One that has been seen stays for a while: pods do not flow in and
/// out with every swing. Used on the agent's strand.
class PressureState {
 public:
  explicit PressureState(std::chrono::seconds transition) : transition_(transition) {}

  /// Those that are now otherwise than before.
  std::vector<Pressure> note(const std::vector<Threshold>& met, TimePoint now);

  bool has(Pressure pressure) const { return since_.contains(pressure); }

  bool has_any() const { return !since_.empty(); }

  /// "[MemoryPressure DiskPressure]"
  std::string text() const;

 private:
  std::chrono::seconds transition_;
  std::map<Pressure, TimePoint> since_;  ///< last seen
};

/// Why a pod that has not begun is not taken now.
std::optional<Reason> refusal_under(const PressureState& pressure, views::PodView pod);

struct DiskUsage {
  std::int64_t bytes = 0;
  std::int64_t inodes = 0;

  DiskUsage& operator+=(const DiskUsage& other);
};

struct ContainerUsage {
  std::string name;
  std::int64_t memory_bytes = 0;
  DiskUsage layer = {};  ///< what it wrote into its root
  DiskUsage logs = {};
};

/// What a pod takes of the machine.
struct PodUsage {
  std::vector<ContainerUsage> containers = {};
  DiskUsage volumes = {};  ///< its own, on disk
  std::int64_t pids = 0;

  std::int64_t memory_bytes() const;
};

/// A pod that may have to go.
struct Candidate {
  std::string uid;
  DocumentPtr document;
  std::optional<PodUsage> usage = {};  ///< absent: could not be measured, goes first

  views::PodView pod() const { return views::PodView(document->root()); }
};

/// The first is to go. `has_image_disk`: images and containers' own files are on another file
/// system than volumes and logs.
void rank(std::vector<Candidate>& pods, Signal signal, bool has_image_disk);
/// Static pods and those of system priority stay.
bool is_critical(views::PodView pod);
/// "memory", "ephemeral-storage", "inodes", "pids".
std::string_view resource_of(Signal signal);
std::string eviction_message(const Threshold& threshold,
                             const Observed& observed,
                             const Candidate& pod);

}  // namespace tetrarch::agent
