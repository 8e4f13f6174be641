// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share: objects in memory, an exchange that records, a clock that
// tests move.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/fleet/fleet_api.h"

namespace tetrarch::api::fleet {

class FakeClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }

  SteadyPoint steady() const override { return steady_; }

  void advance(std::chrono::milliseconds by) {
    now_ += by;
    steady_ += by;
  }

 private:
  TimePoint now_ = *parse_time("2026-11-28T12:00:00Z");
  SteadyPoint steady_{};
};

/// Keeps objects as a server would, with revisions. The dialect needs no more of a client.
class MemoryClient final : public client::Client {
 public:
  std::map<Key, Stored> objects;
  std::optional<Error> failure;  ///< of every call
  int lists = 0;                 ///< how often one was asked for

  Stored put(const Key& key, std::string json) {
    auto& stored = objects[key];
    stored = {key, Revision{++revision_}, Document::from_canonical(std::move(json))};
    return stored;
  }

  Task<Result<Stored>> get(Key key) override {
    if (failure) {
      co_return *failure;
    }
    const auto at = objects.find(key);
    if (at == objects.end()) {
      co_return Error{Code::not_found, "not found"};
    }
    co_return at->second;
  }

  Task<Result<client::ListPage>> list(client::ListQuery query) override {
    ++lists;
    if (failure) {
      co_return *failure;
    }
    client::ListPage page;
    for (const auto& [key, stored] : objects) {
      const bool is_named =
          query.select.fields.empty() ||
          query.select.fields == "unit=" + std::string(stored.root()["unit"].string());
      if (key.resource == query.resource && is_named) {
        page.items.push_back(stored);
      }
    }
    co_return page;
  }

  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery /*query*/) override {
    co_return Error{Code::unimplemented, "watch"};
  }

  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              client::WriteOptions /*options*/) override {
    if (failure) {
      co_return *failure;
    }
    const Key key{resource, ns, std::string(document->root()["metadata"]["name"].string())};
    if (objects.contains(key)) {
      co_return Error{Code::already_exists, "already there"};
    }
    co_return put(key, document->bytes());
  }

  Task<Result<Stored>> update(Key key,
                              DocumentPtr document,
                              client::WriteOptions options) override {
    const auto at = objects.find(key);
    if (at == objects.end()) {
      co_return Error{Code::not_found, "not found"};
    }
    if (options.expected != at->second.revision) {
      co_return Error{Code::conflict, "another revision"};
    }
    co_return put(key, document->bytes());
  }

  Task<Result<Stored>> patch(Key /*key*/,
                             client::PatchType /*type*/,
                             std::string /*body*/,
                             client::WriteOptions /*options*/) override {
    co_return Error{Code::unimplemented, "patch"};
  }

  Task<Result<Stored>> remove(Key key, client::DeleteOptions /*options*/) override {
    if (failure) {
      co_return *failure;
    }
    const auto node = objects.extract(key);
    if (node.empty()) {
      co_return Error{Code::not_found, "not found"};
    }
    co_return node.mapped();
  }

  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> /*changes*/) override {
    co_return std::vector<Result<Stored>>{};
  }

  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName /*node*/) override {
    co_return Error{Code::unimplemented, "feed"};
  }

 private:
  std::uint64_t revision_ = 0;
};

class RecordingExchange final : public net::Exchange {
 public:
  int status = 0;
  net::Headers headers;
  std::string body;

  Task<Status> respond(int code, net::Headers with, std::string text) override {
    status = code;
    headers = std::move(with);
    body = std::move(text);
    co_return ok();
  }

  Task<Status> respond(int /*code*/, net::Headers /*with*/, net::Body /*pieces*/) override {
    co_return unused();
  }

  Task<Status> start(int /*code*/, net::Headers /*with*/) override { co_return unused(); }

  Task<Status> write(net::Body /*pieces*/) override { co_return unused(); }

  Task<Status> finish() override { co_return unused(); }

  bool is_client_gone() const override { return false; }

  void on_client_gone(std::function<void()> /*notice*/) override {}

  Task<Result<std::unique_ptr<net::Stream>>> upgrade_raw(net::Headers /*with*/) override {
    co_return unused();
  }

  Task<Result<std::unique_ptr<net::WebSocket>>> upgrade_websocket(std::string /*name*/) override {
    co_return unused();
  }

 private:
  static Error unused() { return {Code::unimplemented, "fleet answers whole"}; }
};

/// Runs one request through the handler.
class FleetFixture : public testing::Test {
 protected:
  struct Reply {
    int status;
    std::string body;
  };

  Reply ask(std::string method, const std::string& target, std::string body = "") {
    net::Request request;
    request.method = std::move(method);
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    request.query = question == std::string::npos ? "" : target.substr(question + 1);
    if (request.method == "PUT" && !body.empty()) {
      request.headers.add("Content-Type", content_type_);
    }
    request.body = std::move(body);
    RecordingExchange exchange;
    asio::io_context context;
    auto done =
        asio::co_spawn(context, api_.handle(std::move(request), exchange), asio::use_future);
    context.run();
    done.get();
    EXPECT_EQ(exchange.headers.get("Server"), "fleetd/1.0.0");
    return {exchange.status, std::move(exchange.body)};
  }

  Reply put(const std::string& name, const std::string& json) {
    return ask("PUT", "/fleet/v1/units/" + name + "?alt=json", json + "\n");
  }

  /// What the controllers would say of a unit.
  void tell(const std::string& name, const std::string& status) {
    const Key key{kUnits, "fleet", name};
    const auto& old = client_.objects.at(key);
    std::string json = R"({"metadata":)" + std::string(old.root()["metadata"].raw()) +
                       R"(,"spec":)" + std::string(old.root()["spec"].raw()) + R"(,"status":)" +
                       status + "}";
    client_.put(key, std::move(json));
  }

  std::string current(const std::string& name) {
    const auto reply = ask("GET", "/fleet/v1/units/" + name);
    const auto parsed = Document::parse(reply.body);
    return parsed ? std::string((*parsed)->root()["currentState"].string()) : reply.body;
  }

  std::string content_type_ = "application/json";
  MemoryClient client_;
  FakeClock clock_;
  FleetApi api_{client_, clock_, {}};
};

inline constexpr const char* kHelloOptions =
    R"("options":[{"section":"Service","name":"ExecStart","value":"/bin/sleep 9"}])";

}  // namespace tetrarch::api::fleet
