// SPDX-License-Identifier: Apache-2.0
// The audit log: which requests came, from whom, and how they ended, as JSON lines of
// audit.k8s.io/v1. A trail follows one request and lives in its handler's frame; nothing of this
// exists where no log is wanted.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/kubernetes/audit_policy.h"
#include "api/kubernetes/routes.h"
#include "base/clock.h"
#include "net/http.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

struct AuditLog {
  AuditPolicy policy;
  /// Takes one line without its end, and never waits.
  std::function<void(std::string line)> write;
};

class AuditTrail {
 public:
  AuditTrail(const AuditLog& log, const Clock& clock, std::string id)
      : log_(log), clock_(clock), id_(std::move(id)), received_(clock.now()) {}

  /// Once it is known who asks, and for what: an event of RequestReceived.
  void begin(const trust::Identity& asker, const Match& match, const net::Request& request);
  void note_impersonated(const trust::Identity& as);
  /// The body of the request as JSON; the last one counts.
  void note_request(std::string_view json);
  /// The answer stays open: an event of ResponseStarted.
  void started(int status);
  /// The answer's body, which is JSON; empty where it was streamed, or too large to be kept.
  void complete(int status, std::string_view body);

  /// Whether complete() has use for the body of an answer of that status.
  bool wants_body(int status) const;

 private:
  bool is_wanted() const { return rule_ != nullptr && rule_->level != AuditLevel::none; }

  bool wants(AuditStage stage) const;
  void emit(AuditStage stage, int status, std::string_view body);
  std::string pruned(std::string_view json) const;

  const AuditLog& log_;
  const Clock& clock_;
  const std::string id_;
  const TimePoint received_;
  const AuditRule* rule_ = nullptr;  // null until begun
  trust::Identity user_;
  std::optional<trust::Identity> impersonated_;
  std::string verb_;
  std::string uri_;
  std::string agent_;
  std::string address_;
  std::string request_body_;
  Match match_;
  bool is_resource_ = false;
};

}  // namespace tetrarch::api::kubernetes
