// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/grpc_health.h"

#include <health.grpc.pb.h>

#include "agent/runtime/grpc_call.h"

namespace tetrarch::agent::runtime {

Task<Status> check_grpc_health(std::string address,
                               std::string service,
                               std::chrono::milliseconds limit) {
  namespace health = ::grpc::health::v1;
  auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  std::shared_ptr<health::Health::Stub> stub = health::Health::NewStub(channel);
  health::HealthCheckRequest request;
  request.set_service(std::move(service));
  auto* verbs = stub->async();
  using Verbs = std::remove_pointer_t<decltype(verbs)>;
  const auto reply = co_await call<health::HealthCheckResponse>(
      stub, verbs, &Verbs::Check, std::move(request), limit);
  if (!reply.ok()) {
    co_return reply.error();
  }
  if (reply->status() != health::HealthCheckResponse::SERVING) {
    co_return Error{Code::unavailable,
                    "service unhealthy (responded with \"" +
                        health::HealthCheckResponse::ServingStatus_Name(reply->status()) + "\")"};
  }
  co_return ok();
}

}  // namespace tetrarch::agent::runtime
