// SPDX-License-Identifier: Apache-2.0
// CertificateSigningRequests that are answered, or that nobody answers, are cleared away.
// Source: kube-controller-manager, csrcleaner (1.35): how long each is kept.
#include "reconcile/pod_state.h"
#include "reconcile/sweeps.h"

namespace tetrarch::reconcile {

namespace {

using std::chrono::hours;

constexpr hours kAnswered{1};
constexpr hours kPending{24};

/// When the condition was last looked at; nothing: it is not there.
std::optional<TimePoint> told_at(const Stored& request, std::string_view type) {
  for (const auto condition : request.root()["status"]["conditions"].elements()) {
    if (condition["type"].string() == type) {
      const auto time = parse_time(condition["lastUpdateTime"].string());
      return time.ok() ? *time : created_at(request);
    }
  }
  return std::nullopt;
}

/// When it may go. Ours: an issued one goes after its hour whether or not its certificate has
/// ended.
TimePoint end_of(const Stored& request) {
  for (const auto* type : {"Denied", "Failed"}) {
    if (const auto told = told_at(request, type)) {
      return *told + kAnswered;
    }
  }
  const auto approved = told_at(request, "Approved");
  const bool is_issued = !request.root()["status"]["certificate"].string().empty();
  return approved && is_issued ? *approved + kAnswered : created_at(request) + kPending;
}

class SigningRequestExpiry final : public Controller {
 public:
  std::string_view name() const override { return "signing-request-expiry"; }

  std::vector<Watching> watches() const override {
    return {{"certificatesigningrequests.certificates.k8s.io", own_key()}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* request = asked.seen.get(asked.key);
    if (request == nullptr || is_terminating(*request)) {
      return plan;
    }
    const auto end = end_of(*request);
    if (end <= asked.now) {
      plan.changes.push_back(removal_of(*request));
    } else {
      plan.look_again_at(end);
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> signing_request_expiry_controller() {
  return std::make_unique<SigningRequestExpiry>();
}

}  // namespace tetrarch::reconcile
