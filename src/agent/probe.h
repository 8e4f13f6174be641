// SPDX-License-Identifier: Apache-2.0
// The state machine of one probe of one running container. Pure: results come in, a verdict comes
// out.
#pragma once

#include <cstdint>
#include <string_view>

namespace tetrarch::agent {

enum class ProbeKind : std::uint8_t { startup, readiness, liveness };
enum class ProbeVerdict : std::uint8_t { unknown, success, failure };

std::string_view to_string(ProbeKind kind);  ///< "Startup", "Readiness", "Liveness"

struct ProbeThresholds {
  int successes = 1;
  int failures = 3;
};

/// Source: Kubernetes documentation, "Configure Liveness, Readiness and Startup Probes".
class ProbeState {
 public:
  ProbeState(ProbeKind kind, ProbeThresholds thresholds);

  /// True where the verdict changed.
  bool add(bool is_success);

  ProbeVerdict verdict() const { return verdict_; }

  /// Before any result: liveness counts as alive, readiness as not ready, startup as not started.
  bool is_passing() const;

 private:
  ProbeKind kind_;
  ProbeThresholds thresholds_;
  ProbeVerdict verdict_ = ProbeVerdict::unknown;
  bool last_ = false;
  int run_ = 0;  ///< equal results in a row
};

}  // namespace tetrarch::agent
