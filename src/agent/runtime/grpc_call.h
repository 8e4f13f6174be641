// SPDX-License-Identifier: Apache-2.0
// One gRPC call as a task: with a deadline, cancelled when its coroutine unwinds. Heavy header:
// only the .cc files of this room that speak to containerd include it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "async/task.h"
#include "async/timer.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

/// Where containerd keeps what the CRI plugin makes. Source: containerd, pkg/cri/constants.
inline constexpr const char* kContainerdNamespace = "k8s.io";

inline Code to_code(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
      return Code::invalid;
    case grpc::StatusCode::NOT_FOUND:
      return Code::not_found;
    case grpc::StatusCode::ALREADY_EXISTS:
      return Code::already_exists;
    case grpc::StatusCode::PERMISSION_DENIED:
      return Code::forbidden;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Code::exhausted;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return Code::precondition;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Code::unimplemented;
    case grpc::StatusCode::UNAVAILABLE:
      return Code::unavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Code::timeout;
    case grpc::StatusCode::CANCELLED:
      return Code::cancelled;
    default:
      return Code::internal;
  }
}

inline Error to_error(const grpc::Status& status) {
  return {to_code(status.error_code()), status.error_message()};
}

inline void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds after) {
  context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                    gpr_time_from_millis(after.count(), GPR_TIMESPAN)));
}

/// Shared by the waiting coroutine and gRPC's callback: whoever is last frees it.
template <class Request, class Response>
struct CallState {
  grpc::ClientContext context;
  Request request;
  Response response;
  grpc::Status status;
  async::Event done;
};

/// Cancels the call when the coroutine is unwound before its end.
class CancelOnUnwind {
 public:
  explicit CancelOnUnwind(grpc::ClientContext& context) : context_(context) {}

  ~CancelOnUnwind() {
    if (is_armed_) {
      context_.TryCancel();
    }
  }

  CancelOnUnwind(const CancelOnUnwind&) = delete;
  CancelOnUnwind& operator=(const CancelOnUnwind&) = delete;

  void disarm() { is_armed_ = false; }

 private:
  grpc::ClientContext& context_;
  bool is_armed_ = true;
};

/// `method` is the callback form of a verb on `stub`, which `owner` keeps alive. No lambda here:
/// g++ 12 destroys a closure twice that is made inside a co_await expression.
template <class Response, class Request, class Owner, class Stub>
Task<Result<Response>> call(std::shared_ptr<Owner> owner,
                            Stub* stub,
                            void (Stub::*method)(grpc::ClientContext*,
                                                 const Request*,
                                                 Response*,
                                                 std::function<void(grpc::Status)>),
                            Request request,
                            std::chrono::milliseconds deadline) {
  auto state = std::make_shared<CallState<Request, Response>>();
  state->request = std::move(request);
  set_deadline(state->context, deadline);
  state->context.AddMetadata("containerd-namespace", kContainerdNamespace);
  CancelOnUnwind guard(state->context);
  std::function<void(grpc::Status)> done = [state, owner](grpc::Status status) {
    state->status = std::move(status);
    state->done.raise();
  };
  (stub->*method)(&state->context, &state->request, &state->response, std::move(done));
  co_await state->done.wait();
  guard.disarm();
  if (!state->status.ok()) {
    co_return to_error(state->status);
  }
  co_return std::move(state->response);
}

}  // namespace tetrarch::agent::runtime
