// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/task_list.h"

#include "agent/runtime/containers_impl.h"

namespace tetrarch::agent::runtime {
namespace {

constexpr std::chrono::milliseconds kDeadline = std::chrono::seconds(20);

}  // namespace

TaskList::TaskList(const std::string& socket)
    : services_(std::make_shared<Services>(
          grpc::CreateChannel("unix://" + socket, grpc::InsecureChannelCredentials()))) {}

Task<Result<bool>> TaskList::has(std::string id) const {
  native_tasks::GetRequest request;
  request.set_container_id(std::move(id));
  const auto reply = co_await call<native_tasks::GetResponse>(
      TETRARCH_RPC(tasks, Get), std::move(request), kDeadline);
  if (!reply.ok() && reply.error().code != Code::not_found) {
    co_return reply.error();
  }
  co_return reply.ok();
}

}  // namespace tetrarch::agent::runtime
