// SPDX-License-Identifier: Apache-2.0
// A pod's phase. Source: Kubernetes documentation, "Pod Lifecycle".
#include <algorithm>

#include "agent/plan.h"
#include "agent/status.h"

namespace tetrarch::agent {
namespace {

using runtime::Container;
using runtime::ContainerState;

/// One call of phase_of.
class Phase {
 public:
  Phase(views::PodView pod, object::View before, const Observation& seen, const PodMemory& memory)
      : pod_(pod), before_(before), seen_(seen), memory_(memory) {}

  /// A pod is final only once nothing of it runs any more.
  std::string_view text() const {
    if (const auto old = pod_.status().phase(); (old == "Failed" || old == "Succeeded")) {
      return old;
    }
    const auto outcome = outcome_of(pod_, seen_, memory_);
    if (outcome != Outcome::open && !has_running()) {
      return outcome == Outcome::failed ? "Failed" : "Succeeded";
    }
    if (const auto end = of_deleted(); !end.empty()) {
      return end;
    }
    if (before_["phase"].string() == "Running") {
      return "Running";
    }
    bool has_all = is_initialized(pod_, seen_, memory_);
    for (const auto container : pod_.spec().containers()) {
      has_all = has_all && has_begun(container.name());
    }
    return has_all ? "Running" : "Pending";
  }

 private:
  const Container* current(std::string_view name) const {
    const auto at = seen_.containers.find(name);
    return at != seen_.containers.end() && at->second.current ? &*at->second.current : nullptr;
  }

  bool has_running() const {
    return std::any_of(seen_.containers.begin(), seen_.containers.end(), [](const auto& entry) {
      return entry.second.current && entry.second.current->state == ContainerState::running;
    });
  }

  bool has_begun(std::string_view name) const {
    const auto* container = current(name);
    return container != nullptr && container->state != ContainerState::created;
  }

  /// A start is under way that may have made something; one that pulls gives up by itself.
  bool is_making() const {
    constexpr std::string_view kStart = "start/";
    for (auto at = memory_.busy.lower_bound(kStart);
         at != memory_.busy.end() && at->starts_with(kStart);
         ++at) {
      const auto memory = memory_.containers.find(std::string_view(*at).substr(kStart.size()));
      if (memory == memory_.containers.end() || !memory->second.is_pulling) {
        return true;
      }
    }
    return false;
  }

  /// A deleted pod of which nothing runs is final whatever its policy: none of it begins again.
  /// What never ran has failed: whoever holds the pod until it is over (a Job) would wait for ever.
  /// Source: kubelet gives pods that are deleted while they are Pending the phase Failed (1.27).
  std::string_view of_deleted() const {
    if (pod_.metadata().deletion_timestamp().empty() || has_running() || is_making()) {
      return {};
    }
    if (const auto told = before_["phase"].string(); told == "Failed" || told == "Succeeded") {
      return told;  // the runtime may have forgotten it since
    }
    bool has_failure = false;
    for (const auto container : pod_.spec().containers()) {
      has_failure = has_failure || has_failed(container.name());
    }
    return has_failure ? "Failed" : "Succeeded";
  }

  /// Of an app container that does not run and never will; what is not there any more counts by
  /// what was told of it.
  bool has_failed(std::string_view name) const {
    if (const auto* ended = current(name)) {
      return ended->state != ContainerState::exited || ended->exit_code != 0;
    }
    for (const auto told : before_["containerStatuses"].elements()) {
      if (told["name"].string() == name) {
        const auto end = told["state"]["terminated"];
        return !end || end["exitCode"].integer() != 0;
      }
    }
    return true;
  }

  views::PodView pod_;
  object::View before_;
  const Observation& seen_;
  const PodMemory& memory_;
};

}  // namespace

std::string_view phase_of(views::PodView pod,
                          object::View before,
                          const Observation& seen,
                          const PodMemory& memory) {
  return Phase(pod, before, seen, memory).text();
}

}  // namespace tetrarch::agent
