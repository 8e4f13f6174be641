// SPDX-License-Identifier: Apache-2.0
// One gRPC call as a task: with a deadline, cancelled when its coroutine unwinds. Heavy header:
// only the .cc files of this room that speak to containerd include it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

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

/// The calls of one channel that gRPC has not ended yet.
///
/// gRPC ends a call on a thread of its own, and a ClientContext keeps its channel alive. Were
/// gRPC's callback to drop the last reference, the channel would be destroyed on the very thread
/// that its destruction joins, and gRPC aborts. So gRPC is handed plain pointers only; what they
/// point to is kept here and freed on a thread of ours. Thread-safe; destroyed by none of gRPC's
/// threads.
class Calls {
 public:
  /// One call or stream: what gRPC reads and writes until its last word.
  struct Pending {
    virtual ~Pending() = default;
    grpc::ClientContext context;
    bool is_attended = true;  ///< false: it is worth a moment of waiting when the channel is closed
  };

  Calls() = default;
  /// Cancels what is under way and waits until gRPC has let go of it.
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  /// Before gRPC gets it. False: the channel is being closed, it must not begin.
  bool add(std::shared_ptr<Pending> call);
  /// The last thing that gRPC's callback does: `call` may be freed at once.
  void finish(Pending* call);

 private:
  bool has_unattended() const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<Pending*, std::shared_ptr<Pending>> under_way_;  // shared with who waits
  std::vector<std::shared_ptr<Pending>> ended_;  ///< to be freed by a thread of ours
  bool is_closing_ = false;
};

template <class Request, class Response>
struct CallState final : Calls::Pending {
  Request request;
  Response response;
  grpc::Status status;
  async::Event done;
  std::function<void()> then;  ///< on gRPC's thread, after a call that nobody waits for
};

/// The callback form of a verb on a stub.
template <class Stub, class Request, class Response>
using Method = void (Stub::*)(grpc::ClientContext*,
                              const Request*,
                              Response*,
                              std::function<void(grpc::Status)>);

template <class Response, class Request>
std::shared_ptr<CallState<Request, Response>> make_call(Request request,
                                                        std::chrono::milliseconds deadline) {
  auto state = std::make_shared<CallState<Request, Response>>();
  state->request = std::move(request);
  set_deadline(state->context, deadline);
  state->context.AddMetadata("containerd-namespace", kContainerdNamespace);
  return state;
}

/// False: the channel is being closed.
template <class Request, class Response, class Stub>
bool begin_call(Calls& calls,
                Stub* stub,
                Method<Stub, Request, Response> method,
                const std::shared_ptr<CallState<Request, Response>>& state) {
  if (!calls.add(state)) {
    return false;
  }
  auto* raw = state.get();
  std::function<void(grpc::Status)> done = [raw, &calls](grpc::Status status) {
    raw->status = std::move(status);
    raw->done.raise();
    if (raw->then) {
      raw->then();
    }
    calls.finish(raw);
  };
  (stub->*method)(&raw->context, &raw->request, &raw->response, std::move(done));
  return true;
}

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

/// `method` is a verb of `stub`, which `owner` keeps alive together with its `calls`. No lambda in
/// the co_await expression: g++ 12 destroys a closure twice that is made there.
template <class Response, class Request, class Owner, class Stub>
Task<Result<Response>> call(std::shared_ptr<Owner> owner,
                            Stub* stub,
                            Method<Stub, Request, Response> method,
                            Request request,
                            std::chrono::milliseconds deadline) {
  const auto state = make_call<Response>(std::move(request), deadline);
  CancelOnUnwind guard(state->context);
  if (!begin_call(owner->calls, stub, method, state)) {
    co_return Error{Code::cancelled, "the connection is being closed"};
  }
  co_await state->done.wait();
  guard.disarm();
  if (!state->status.ok()) {
    co_return to_error(state->status);
  }
  co_return std::move(state->response);
}

/// Begins a call that nobody waits for; `then` follows it on gRPC's thread, however it ended.
template <class Response, class Request, class Stub>
void post_call(Calls& calls,
               Stub* stub,
               Method<Stub, Request, Response> method,
               Request request,
               std::chrono::milliseconds deadline,
               std::function<void()> then) {
  const auto state = make_call<Response>(std::move(request), deadline);
  state->is_attended = false;
  state->then = std::move(then);
  static_cast<void>(begin_call(calls, stub, method, state));
}

}  // namespace tetrarch::agent::runtime
