// SPDX-License-Identifier: Apache-2.0
#include "agent/probe.h"

namespace tetrarch::agent {

std::string_view to_string(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::startup:
      return "Startup";
    case ProbeKind::readiness:
      return "Readiness";
    case ProbeKind::liveness:
      return "Liveness";
  }
  return "";
}

ProbeState::ProbeState(ProbeKind kind, ProbeThresholds thresholds)
    : kind_(kind), thresholds_(thresholds) {}

bool ProbeState::add(bool is_success) {
  run_ = run_ > 0 && last_ == is_success ? run_ + 1 : 1;
  last_ = is_success;
  const int needed = is_success ? thresholds_.successes : thresholds_.failures;
  const ProbeVerdict wanted = is_success ? ProbeVerdict::success : ProbeVerdict::failure;
  if (run_ < needed || verdict_ == wanted) {
    return false;
  }
  verdict_ = wanted;
  return true;
}

bool ProbeState::is_passing() const {
  return kind_ == ProbeKind::liveness ? verdict_ != ProbeVerdict::failure
                                      : verdict_ == ProbeVerdict::success;
}

}  // namespace tetrarch::agent
