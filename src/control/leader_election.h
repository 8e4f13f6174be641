// SPDX-License-Identifier: Apache-2.0
// LeaderElection: at most one server runs the controllers. Whoever holds the Lease leads; the lease
// is renewed while we run, taken over when its holder was silent for its duration (by our own
// clock), and given back at an orderly end. A server that starts again under its old identity leads
// at once.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "async/task.h"
#include "base/clock.h"
#include "client/client.h"

namespace tetrarch::control {

class LeaderElection {
 public:
  struct Options {
    Key lease = {"leases.coordination.k8s.io", "kube-system", "tetrarch-controllers"};
    std::string identity;  ///< of this server; the same after a restart
    // Source: kube-controller-manager flags, defaults.
    std::chrono::seconds duration{15};
    std::chrono::seconds renew_deadline{10};
    std::chrono::seconds retry{2};
  };

  /// What one look at the lease led to.
  enum class Outcome : std::uint8_t { leading, following, unknown };

  LeaderElection(client::Client& client, const Clock& clock, Options options);

  /// One attempt to acquire or renew.
  Task<Outcome> attempt();
  /// We no longer hold it, if we did: another server need not wait.
  Task<void> release();

  /// How long to wait before the next attempt.
  std::chrono::milliseconds pause() const { return options_.retry; }

  /// True until the renew deadline after the last renewal: then another may lead.
  bool is_leading() const;

 private:
  Task<Result<Stored>> read_or_create();
  DocumentPtr claim(const Stored& lease, bool is_ours) const;
  bool is_silent(const Stored& lease);

  client::Client& client_;
  const Clock& clock_;
  const Options options_;
  std::optional<SteadyPoint> renewed_;  // when we last held it for sure
  Revision seen_revision_;              // of another's lease
  SteadyPoint seen_at_;                 // when we saw that revision first
};

}  // namespace tetrarch::control
