// SPDX-License-Identifier: Apache-2.0
// For the tests of this room: a registry over a store in memory, with a clock and chance of the
// test's own.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "registry/registry.h"
#include "store/journal_memory.h"
#include "trust/bearer_tokens.h"
#include "trust/ca.h"
#include "trust/service_account_token.h"

namespace tetrarch::registry {

class FakeClock final : public Clock {
 public:
  TimePoint now() const override { return start_ + passed(); }

  SteadyPoint steady() const override { return SteadyPoint(passed()); }

  void advance(std::chrono::seconds by) { seconds_ += by.count(); }

 private:
  std::chrono::seconds passed() const { return std::chrono::seconds(seconds_.load()); }

  const TimePoint start_ = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);
  std::atomic<std::int64_t> seconds_{0};
};

/// The same sequence in every run.
class CountingRandom final : public Random {
 public:
  std::uint64_t next() override {
    auto x = counter_.fetch_add(0x9E3779B97F4A7C15ULL) + 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
  }

 private:
  std::atomic<std::uint64_t> counter_{1};
};

inline trust::Identity masters() {
  return {"admin", "", {std::string(trust::kMasters)}, {}};
}

inline trust::Identity plain_user(std::string name) {
  return {std::move(name), "", {std::string(trust::kAuthenticated)}, {}};
}

inline const schema::Catalog& builtin_catalog() {
  static const auto loaded = schema::Catalog::load_builtin();
  EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().message);
  return **loaded;
}

template <class T>
std::string text_of(const Result<T>& result) {
  return result.ok() ? "ok"
                     : std::string(to_string(result.error().code)) + ": " + result.error().message;
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    auto opened = store::Store::open(store::make_memory_journal(disk_), store::Options());
    EXPECT_TRUE(opened.ok());
    store_ = *std::move(opened);
    keys_ = std::make_unique<trust::TokenKeys>(*trust::TokenKeys::create());
    ca_ = std::make_unique<trust::CertificateAuthority>(
        *trust::CertificateAuthority::create("test-ca", clock_.now()));
    static_tokens_.add("secret-of-ann", plain_user("ann"));
    restart(Options());
    EXPECT_TRUE(run(registry_->bootstrap()).ok());
  }

  ~RegistryTest() override { group_.stop_and_wait(); }

  void restart(Options options) { restart_on(*store_, options); }

  void restart_on(store::Store& store, Options options) {
    registry_ = make_registry(
        {builtin_catalog(), store, clock_, random_, keys_.get(), &static_tokens_, ca_.get()},
        options);
  }

  /// Runs a coroutine to its end and gives its answer.
  template <class T>
  T run(Task<T> task) {
    std::promise<T> promise;
    auto future = promise.get_future();
    group_.spawn_on(pool_.strand(), keep(std::move(task), std::move(promise)));
    return future.get();
  }

  template <class T>
  static Task<void> keep(Task<T> task, std::promise<T> promise) {
    promise.set_value(co_await std::move(task));
  }

  /// `resource` as in Key: "pods", "deployments.apps".
  Call call(std::string_view resource, std::string ns = "", std::string name = "") {
    Call out;
    out.identity = who_;
    out.kind = builtin_catalog().by_resource(resource);
    EXPECT_NE(out.kind, nullptr) << resource;
    out.ns = std::move(ns);
    out.name = std::move(name);
    return out;
  }

  Result<Stored> create(std::string_view resource, std::string ns, std::string json) {
    return run(registry_->create(call(resource, std::move(ns)), std::move(json), {}));
  }

  Result<Stored> create_in(Call where, std::string json) {
    return run(registry_->create(std::move(where), std::move(json), {}));
  }

  Result<Stored> update(std::string_view resource,
                        std::string ns,
                        std::string name,
                        std::string json) {
    return run(
        registry_->update(call(resource, std::move(ns), std::move(name)), std::move(json), {}));
  }

  Result<Stored> merge(std::string_view resource,
                       std::string ns,
                       std::string name,
                       std::string json) {
    return run(registry_->patch(call(resource, std::move(ns), std::move(name)),
                                client::PatchType::merge,
                                std::move(json),
                                {}));
  }

  Result<Stored> get(std::string_view resource, std::string ns, std::string name) {
    return run(registry_->get(call(resource, std::move(ns), std::move(name)), {}));
  }

  Result<Stored> remove(std::string_view resource,
                        std::string ns,
                        std::string name,
                        client::DeleteOptions options = {}) {
    return run(
        registry_->remove(call(resource, std::move(ns), std::move(name)), std::move(options)));
  }

  Result<client::ListPage> list(std::string_view resource,
                                std::string ns,
                                ListOptions options = {}) {
    return run(registry_->list(call(resource, std::move(ns)), std::move(options)));
  }

  Result<std::unique_ptr<client::Watch>> watch(std::string_view resource,
                                               std::string ns,
                                               WatchOptions options = {}) {
    return run(registry_->watch(call(resource, std::move(ns)), std::move(options)));
  }

  /// The next `count` events as `told` says them, or fewer and the error that ended the watch.
  template <class Told>
  std::vector<std::string> next_events(client::Watch& watch, std::size_t count, Told told) {
    std::vector<std::string> out;
    while (out.size() < count) {
      auto events = run(watch.next());
      if (!events.ok()) {
        out.push_back(text_of(events));
        return out;
      }
      for (const auto& event : *events) {
        out.push_back(told(event));
      }
    }
    return out;
  }

  /// The default service account, which a controller makes in a live cluster.
  void open_namespace(const std::string& ns) {
    if (ns != "default") {
      ASSERT_TRUE(create("namespaces", "", R"({"metadata":{"name":")" + ns + R"("}})").ok());
    }
    ASSERT_TRUE(create("serviceaccounts", ns, R"({"metadata":{"name":"default"}})").ok());
  }

  static std::string pod_json(const std::string& name, const std::string& spec = "") {
    return R"({"metadata":{"name":")" + name +
           R"(","labels":{"app":"x"}},"spec":{"containers":[{"name":"c","image":"i"}])" + spec +
           "}}";
  }

  /// With the revision, as a client gets it and sends it back.
  static std::string printed(const Stored& stored) {
    std::string out;
    append_spliced(out, *stored.document, stored.revision);
    return out;
  }

  std::shared_ptr<store::MemoryDisk> disk_ = std::make_shared<store::MemoryDisk>();
  async::IoPool pool_{2};
  async::TaskGroup group_{pool_.strand(), "test"};
  FakeClock clock_;
  CountingRandom random_;
  std::unique_ptr<trust::TokenKeys> keys_;
  std::unique_ptr<trust::CertificateAuthority> ca_;
  trust::StaticTokens static_tokens_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Registry> registry_;
  trust::Identity who_ = masters();
};

}  // namespace tetrarch::registry
