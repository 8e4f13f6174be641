// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share: an exchange that records, a registry that answers as it is
// told, and a fixture that runs one request through the handler.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/kubernetes/api.h"
#include "object/document.h"
#include "schema/catalog.h"

namespace tetrarch::api::kubernetes {

/// 2026-11-23T12:00:00Z; steady time is moved by the test.
class FakeClock final : public Clock {
 public:
  TimePoint now() const override { return *parse_time("2026-11-23T12:00:00Z"); }

  SteadyPoint steady() const override { return steady_; }

  void advance(std::chrono::nanoseconds by) { steady_ += by; }

 private:
  SteadyPoint steady_{};
};

class FakeRandom final : public Random {
 public:
  std::uint64_t next() override { return ++state_; }

 private:
  std::uint64_t state_ = 0;
};

/// Records what a handler answers.
class FakeExchange final : public net::Exchange {
 public:
  Task<Status> respond(int code, net::Headers with, std::string text) override;
  Task<Status> respond(int code, net::Headers with, net::Body pieces) override;
  Task<Status> start(int code, net::Headers with) override;
  Task<Status> write(net::Body pieces) override;
  Task<Status> finish() override;

  bool is_client_gone() const override { return is_gone; }

  void on_client_gone(std::function<void()> notice) override { gone_notice = std::move(notice); }

  Task<Result<std::unique_ptr<net::Stream>>> upgrade_raw(net::Headers with) override;
  Task<Result<std::unique_ptr<net::WebSocket>>> upgrade_websocket(std::string subprotocol) override;

  /// The body as JSON; fails the test where it is none.
  DocumentPtr json() const;

  int status = 0;
  net::Headers headers;
  std::string body;
  std::size_t writes = 0;
  bool is_started = false;
  bool is_finished = false;
  bool is_gone = false;
  std::function<void()> gone_notice;
  std::unique_ptr<net::Stream> raw;            ///< given out by upgrade_raw
  std::unique_ptr<net::WebSocket> web_socket;  ///< given out by upgrade_websocket
  std::optional<std::string> subprotocol;      ///< that was chosen
};

/// Gives `input` and then the end; keeps what was written.
class FakeStream final : public net::Stream {
 public:
  FakeStream(std::string input, std::string* written)
      : input_(std::move(input)), written_(written) {}

  Task<Result<std::size_t>> read(char* into, std::size_t size) override;
  Task<Status> write(std::string_view bytes) override;
  Task<Status> shut_write() override;

  void close() override {}

 private:
  std::string input_;
  std::string* written_;
};

/// Gives out batches, then an error (or waits for ever where there is none).
class FakeWatch final : public client::Watch {
 public:
  Task<Result<std::vector<client::WatchEvent>>> next() override;
  std::deque<std::vector<client::WatchEvent>> batches;
  std::function<void()> on_drained;
  std::optional<Error> error;
};

/// Answers with what the test has put here, and keeps what it was asked.
class FakeRegistry final : public registry::Registry {
 public:
  Task<Status> bootstrap() override;
  Task<Result<Stored>> get(registry::Call call, registry::ReadAt at) override;
  Task<Result<client::ListPage>> list(registry::Call call, registry::ListOptions options) override;
  Task<Result<std::unique_ptr<client::Watch>>> watch(registry::Call call,
                                                     registry::WatchOptions options) override;
  Task<Result<Stored>> create(registry::Call call,
                              std::string json,
                              client::WriteOptions options) override;
  Task<Result<Stored>> update(registry::Call call,
                              std::string json,
                              client::WriteOptions options) override;
  Task<Result<Stored>> patch(registry::Call call,
                             client::PatchType type,
                             std::string body,
                             client::WriteOptions options) override;
  Task<Result<Stored>> remove(registry::Call call, client::DeleteOptions options) override;
  Task<Result<client::ListPage>> remove_collection(registry::Call call,
                                                   registry::ListOptions which,
                                                   client::DeleteOptions options) override;
  Result<trust::Identity> authenticate(const registry::Credentials& shown) const override;
  Status authorize(const trust::Identity& identity,
                   const registry::Attributes& asked) const override;
  std::unique_ptr<client::Client> client(trust::Identity identity) override;

  std::map<Key, Stored> objects;  ///< what a client is given by key; for others `object`
  Result<Stored> object{Error{Code::not_found, "pods \"x\" not found"}};
  Result<client::ListPage> page{client::ListPage{}};
  std::unique_ptr<FakeWatch> next_watch;
  std::optional<Error> watch_error;
  std::optional<Error> refusal;  ///< of authorize
  std::vector<std::string> warnings;
  bool creates = false;  ///< of an update or a patch

  registry::Call asked;
  std::string asked_verb;
  std::string asked_body;
  registry::ListOptions asked_list;
  registry::WatchOptions asked_watch;
  client::WriteOptions asked_write;
  client::DeleteOptions asked_delete;
  client::PatchType asked_patch = client::PatchType::json;
  trust::Identity client_identity;
  mutable registry::Attributes authorized;

 private:
  void note(std::string verb, registry::Call call);
};

Stored stored(std::string_view resource, std::string_view json, std::uint64_t revision);

class ApiTest : public testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  /// Runs one request to its end.
  FakeExchange& call(net::Request request);
  FakeExchange& get(std::string path_and_query, std::string accept = "");
  FakeExchange& send(std::string method,
                     std::string path_and_query,
                     std::string body,
                     std::string content_type = "");

  static net::Request request(std::string method, std::string path_and_query);

  /// What api_ is made of; for tests that make it otherwise.
  Parts make_parts();

  static const schema::Catalog& catalog();

  FakeRegistry registry_;
  FakeClock clock_;
  FakeRandom random_;
  Metrics metrics_;
  Fairness fairness_{{}, metrics_};
  Result<std::unique_ptr<net::Stream>> reach_stream_;  ///< what the node's agent answers with
  std::string reach_node_;
  std::string reach_request_;
  std::string attached_node_;
  std::string attached_peer_;
  std::unique_ptr<net::Handler> api_;
  std::unique_ptr<FakeExchange> exchange_;
  bool is_ready_ = true;
};

}  // namespace tetrarch::api::kubernetes
