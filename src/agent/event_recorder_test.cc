// SPDX-License-Identifier: Apache-2.0
#include "agent/event_recorder.h"

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/worker_bench.h"
#include "async/task_group.h"
#include "async/virtual_time.h"

namespace tetrarch::agent {
namespace {

/// What is told of a server's events about one pod.
std::vector<std::string> told(const std::vector<std::string>& messages) {
  asio::io_context context;
  auto& time = asio::make_service<async::VirtualTime>(context);
  FakeServer server;
  std::vector<std::string> out;
  server.on_write = [&](const std::string& write) { out.push_back(write); };
  EventRecorder events(server, "n1", time, system_random());
  async::TaskGroup tasks(context.get_executor(), "test");
  const EventSubject pod{"Pod", "default", "p", "u-1"};
  for (const auto& message : messages) {
    events.warning(pod, "Unhealthy", message);
  }
  tasks.spawn(events.send());
  context.poll();
  asio::co_spawn(context, tasks.stop(), [](const std::exception_ptr&) {});
  context.restart();
  context.poll();
  return out;
}

// The server refuses an object that is no UTF-8, and a message of more than 1024 bytes.
TEST(EventRecorder, MakesTextOfWhateverAProgramPrints) {
  const std::string most(1023, 'a');

  EXPECT_THAT(told({"M\xFCll", most + "\u00e4", "so"}),
              testing::ElementsAre("event Warning Unhealthy: M\uFFFDll",
                                   "event Warning Unhealthy: " + most,
                                   "event Warning Unhealthy: so"));
}

}  // namespace
}  // namespace tetrarch::agent
