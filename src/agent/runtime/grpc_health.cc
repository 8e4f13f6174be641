// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/grpc_health.h"

#include <health.grpc.pb.h>

#include "agent/runtime/grpc_call.h"

namespace tetrarch::agent::runtime {
namespace {

namespace health = ::grpc::health::v1;

struct HealthService {
  explicit HealthService(const std::string& address)
      : channel(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        stub(health::Health::NewStub(channel)) {}

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<health::Health::Stub> stub;
  Calls calls;  ///< last: ends before the channel does
};

}  // namespace

Task<Status> check_grpc_health(std::string address,
                               std::string service,
                               std::chrono::milliseconds limit) {
  const auto service_of = std::make_shared<HealthService>(address);
  health::HealthCheckRequest request;
  request.set_service(std::move(service));
  auto* verbs = service_of->stub->async();
  using Verbs = std::remove_pointer_t<decltype(verbs)>;
  const auto reply = co_await call<health::HealthCheckResponse>(
      service_of, verbs, &Verbs::Check, std::move(request), limit);
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
