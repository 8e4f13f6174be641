// SPDX-License-Identifier: Apache-2.0
// What happens to calls and streams that are under way when the one who made them goes away:
// against a gRPC server in this process, on a unix socket.
#include "agent/runtime/grpc_call.h"

#include <filesystem>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/grpc_health.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/random.h"

namespace tetrarch::agent::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class QuickPods final : public cri::RuntimeService::Service {
  grpc::Status Version(grpc::ServerContext*,
                       const cri::VersionRequest*,
                       cri::VersionResponse* reply) override {
    reply->set_runtime_name("quick");
    return grpc::Status::OK;
  }

  /// Answers nothing until the client has gone.
  grpc::Status Status(grpc::ServerContext* context,
                      const cri::StatusRequest*,
                      cri::StatusResponse*) override {
    while (!context->IsCancelled()) {
      std::this_thread::yield();
    }
    return grpc::Status::OK;
  }
};

/// Streams until the client has gone.
class EndlessEvents final : public native_events::Events::Service {
  grpc::Status Subscribe(grpc::ServerContext* context,
                         const native_events::SubscribeRequest*,
                         grpc::ServerWriter<native_events::Envelope>* out) override {
    native_events::Envelope envelope;
    envelope.set_topic("/tasks/start");
    while (!context->IsCancelled() && out->Write(envelope)) {
    }
    return grpc::Status::OK;
  }
};

class GrpcCallTest : public testing::Test {
 protected:
  explicit GrpcCallTest(bool has_health = false) {
    directory_ = fs::temp_directory_path() / ("tetrarch-grpc-" + make_suffix(system_random(), 8));
    fs::create_directories(directory_);
    // With the health service the server itself would keep gRPC's callback threads alive.
    grpc::EnableDefaultHealthCheckService(has_health);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
    builder.RegisterService(&pods_);
    builder.RegisterService(&events_);
    server_ = builder.BuildAndStart();
  }

  ~GrpcCallTest() override {
    server_->Shutdown();
    server_.reset();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  std::string socket() const { return (directory_ / "s").string(); }

  std::unique_ptr<Runtime> connect(const std::string& path) {
    return make_containers({path, directory_, "ctr"}, blocking_);
  }

  fs::path directory_;
  QuickPods pods_;
  EndlessEvents events_;
  std::unique_ptr<grpc::Server> server_;
  async::IoPool pool_{2};
  async::BlockingPool blocking_{1};
};

Task<void> ask(Runtime* runtime) {
  while (true) {
    static_cast<void>(co_await runtime->version());
  }
}

Task<void> ask_in_vain(Runtime* runtime) {
  static_cast<void>(co_await runtime->ready());
}

Task<void> listen(Runtime* runtime) {
  while (true) {
    const auto events = co_await runtime->events();
    for (int i = 0; i < 3 && events.ok(); ++i) {
      static_cast<void>(co_await (*events)->next());
    }
  }
}

Task<std::optional<bool>> ask_once(Runtime* runtime) {
  const auto version = co_await runtime->version();
  co_return version.ok();
}

TEST_F(GrpcCallTest, ARuntimeMayGoWhileItsCallsAndStreamsAreUnderWay) {
  for (int round = 0; round < 60; ++round) {
    auto runtime = connect(socket());
    async::TaskGroup group(pool_.strand(), "test");
    for (int i = 0; i < 4; ++i) {
      group.spawn(ask(runtime.get()));
      group.spawn(ask_in_vain(runtime.get()));
      group.spawn(listen(runtime.get()));
    }
    EXPECT_TRUE(*asio::co_spawn(pool_.strand(), ask_once(runtime.get()), asio::use_future).get());
    group.stop_and_wait();
    runtime.reset();
  }
}

TEST_F(GrpcCallTest, ARuntimeMayGoAsSoonAsItsLastCallHasAnswered) {
  for (int round = 0; round < 200; ++round) {
    auto runtime = connect(socket());
    EXPECT_TRUE(*asio::co_spawn(pool_.strand(), ask_once(runtime.get()), asio::use_future).get());
  }
}

TEST_F(GrpcCallTest, ARuntimeMayGoThatNeverReachedItsDaemon) {
  for (int round = 0; round < 60; ++round) {
    auto runtime = connect((directory_ / "nobody").string());
    EXPECT_FALSE(*asio::co_spawn(pool_.strand(), ask_once(runtime.get()), asio::use_future).get());
  }
}

Task<std::optional<Status>> check(std::string address, std::chrono::milliseconds limit) {
  co_return std::optional(co_await check_grpc_health(std::move(address), "", limit));
}

class GrpcHealthTest : public GrpcCallTest {
 protected:
  GrpcHealthTest() : GrpcCallTest(true) {}
};

TEST_F(GrpcHealthTest, ChecksLeaveNothingBehind) {
  for (int round = 0; round < 60; ++round) {
    const auto healthy =
        asio::co_spawn(pool_.strand(), check("unix:" + socket(), seconds(20)), asio::use_future)
            .get();
    EXPECT_TRUE(healthy->ok()) << healthy->error().message;
  }
  const auto late = asio::co_spawn(pool_.strand(),
                                   check("unix:" + (directory_ / "nobody").string(), seconds(20)),
                                   asio::use_future)
                        .get();
  EXPECT_EQ(late->error().code, Code::unavailable);
}

}  // namespace
}  // namespace tetrarch::agent::runtime
