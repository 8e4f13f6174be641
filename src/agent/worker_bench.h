// SPDX-License-Identifier: Apache-2.0
// WorkerBench: one pod's worker with everything around it that is real, except the runtime, the
// server and time. A script's commands go in, everything that the worker did comes out as lines.
// Only tests include it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "agent/fake_runtime.h"
#include "agent/worker.h"
#include "async/virtual_time.h"

namespace tetrarch::agent {

/// A server with one pod and what it refers to. What is written to it is told to a listener.
class FakeServer final : public client::Client {
 public:
  std::function<void(const std::string&)> on_write = [](const std::string&) {};
  std::function<void(const client::WatchEvent&)> on_change = [](const client::WatchEvent&) {};
  bool is_away = false;
  int reads = 0;                          ///< calls of get
  int tokens = 0;                         ///< issued so far; each is another: "token-1" …
  std::vector<std::string> patches = {};  ///< as they came

  void put(Key key, DocumentPtr document);
  void erase(const Key& key);
  const Stored* find(const Key& key) const;
  std::vector<Stored> all() const;

  Task<Result<Stored>> get(Key key) override;
  Task<Result<client::ListPage>> list(client::ListQuery query) override;
  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery query) override;
  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              client::WriteOptions options) override;
  Task<Result<Stored>> update(Key key, DocumentPtr document, client::WriteOptions options) override;
  Task<Result<Stored>> patch(Key key,
                             client::PatchType type,
                             std::string body,
                             client::WriteOptions options) override;
  Task<Result<Stored>> remove(Key key, client::DeleteOptions options) override;
  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> changes) override;
  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName node) override;

 private:
  Result<Stored> update_now(const Key& key, DocumentPtr document, Revision expected);
  Result<Stored> remove_now(const Key& key);

  std::map<Key, Stored> objects_;
  std::uint64_t revision_ = 1;
};

class WorkerBench {
 public:
  WorkerBench();
  ~WorkerBench();
  WorkerBench(const WorkerBench&) = delete;
  WorkerBench& operator=(const WorkerBench&) = delete;

  /// One command of a script ("advance 10s"); what happened because of it.
  std::string run(const std::string& command);

 private:
  struct Parts;  // of one agent process

  void command(const std::string& verb, const std::vector<std::string>& words);
  void control_pod(const std::string& verb, const std::vector<std::string>& words);
  void control_file(const std::string& verb, const std::vector<std::string>& words);
  void put_pod(const std::string& json);
  void note_images(object::View containers);
  void merge_into_pod(const std::string& patch);
  void advance(std::chrono::nanoseconds time);
  std::size_t take_turns();
  void settle();
  void start_agent();
  void stop_agent();
  void take(const client::WatchEvent& event);
  void take_object(const Key& key, const DocumentPtr& document);
  void take_event(const runtime::Event& event);
  void say(const std::string& text);
  std::string elapsed() const;
  void say_status(object::View status);

  std::filesystem::path place_;
  asio::io_context context_;
  async::VirtualTime& time_;
  TimePoint start_;
  async::BlockingPool blocking_{1};
  FakeServer server_;
  FakeRuntime runtime_;
  std::set<std::string> absent_images_;
  std::unique_ptr<Parts> parts_;
  std::string out_;
};

}  // namespace tetrarch::agent
