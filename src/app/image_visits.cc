// SPDX-License-Identifier: Apache-2.0
#include "app/image_visits.h"

#include <optional>

#include "object/writer.h"

namespace tetrarch::app {
namespace {

using api::distribution::Purpose;
using api::kubernetes::AuditTrail;
using api::kubernetes::Fairness;
using api::kubernetes::FlowRequest;

FlowRequest flow_request(const Purpose& purpose) {
  FlowRequest out{purpose.who, purpose.about.verb};
  out.is_resource = !purpose.about.resource.empty();
  out.group = purpose.about.group;
  out.resource = purpose.about.resource;
  out.path = purpose.request.path;
  return out;
}

/// As the audit log has failures: the members of a Status that it keeps.
std::string failure(std::string_view code, std::string_view message) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("status", "Failure").field("message", message);
  writer.field("reason", code).end_object();
  return out;
}

/// As a path of the Kubernetes API says the same. What changes an image by PUT is an update of it.
api::kubernetes::Match match_of(const registry::Attributes& about) {
  static constexpr api::kubernetes::Route kList{"", "", api::kubernetes::Action::collection};
  static constexpr api::kubernetes::Route kOne{"", "", api::kubernetes::Action::object};
  api::kubernetes::Match out;
  if (!about.resource.empty()) {
    out.route = about.verb == "list" ? &kList : &kOne;
    out.group = about.group;
    out.version = about.version;
    out.resource = about.resource;
  }
  return out;
}

class ImageVisit final : public api::distribution::Visit {
 public:
  explicit ImageVisit(const VisitParts& parts) : fairness_(parts.fairness) {
    if (parts.audit != nullptr) {
      trail_.emplace(*parts.audit, parts.clock, make_uuid(parts.random));
    }
  }

  void note_stranger(const Purpose& purpose) override { begin(purpose); }

  Task<Status> enter(const Purpose& purpose) override {
    begin(purpose);
    const auto asked = flow_request(purpose);
    const auto flow = fairness_.classify(asked);
    if (purpose.moves_blob) {
      CO_TRY(stream_, fairness_.open_stream(purpose.who.user));
    }
    if (!fairness_.try_enter(flow, seat_)) {
      auto distinguisher = distinguisher_of(flow.schema(), asked);
      CO_TRY(seat_, co_await fairness_.wait(flow, std::move(distinguisher)));
    }
    if (purpose.moves_blob) {
      seat_.release();
    }
    co_return ok();
  }

  void started(int status) override {
    if (trail_) {
      trail_->started(status);
    }
  }

  void complete(int status, std::string_view code, std::string_view message) override {
    if (trail_) {
      trail_->complete(status, code.empty() ? "" : failure(code, message));
    }
  }

 private:
  void begin(const Purpose& purpose) {
    if (trail_) {
      trail_->begin(purpose.who, match_of(purpose.about), purpose.request);
    }
  }

  Fairness& fairness_;
  std::optional<AuditTrail> trail_;
  Fairness::Stream stream_;
  Fairness::Seat seat_;
};

}  // namespace

api::distribution::Visits make_image_visits(VisitParts parts) {
  return [parts] { return std::make_unique<ImageVisit>(parts); };
}

}  // namespace tetrarch::app
