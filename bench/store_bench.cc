// SPDX-License-Identifier: Apache-2.0
// The store alone: durable commits by batch, lists, watch fan-out, memory per object. Objects
// of 2.2 KB on RocksDB in $TMPDIR (which should be a disk, not tmpfs). Figures:
// docs/performance.md.
#include <atomic>
#include <filesystem>
#include <malloc.h>
#include <memory>
#include <semaphore>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/check.h"
#include "store/journal_memory.h"
#include "store/journal_rocksdb.h"
#include "store/store.h"

namespace tetrarch::store {
namespace {

constexpr std::size_t kObjectBytes = 2'200;

DocumentPtr make_document(std::size_t unique) {
  return Document::from_canonical(
      fmt::format(R"({{"metadata":{{}},"unique":"{:016}","padding":"{}"}})",
                  unique,
                  std::string(kObjectBytes - 60, 'x')));
}

Key make_key(std::size_t i) {
  return {"pods", "default", fmt::format("web-7d4b9c6f5d-{:07}", i)};
}

Transaction make_put(std::size_t key, std::size_t unique, std::string tag = "") {
  Transaction transaction;
  transaction.mutations.push_back(
      {.key = make_key(key), .document = make_document(unique), .tag = std::move(tag)});
  return transaction;
}

/// A store on RocksDB in a directory that goes with it.
class OnDisk {
 public:
  OnDisk() {
    directory_ = (std::filesystem::temp_directory_path() / "tetrarch-bench-XXXXXX").string();
    CHECK(::mkdtemp(directory_.data()) != nullptr);
    store_ =
        Store::open(open_rocksdb_journal({.directory = directory_ + "/store"}).value(), {}).value();
  }

  ~OnDisk() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  OnDisk(const OnDisk&) = delete;
  OnDisk& operator=(const OnDisk&) = delete;

  Store& store() { return *store_; }

 private:
  std::string directory_;
  std::unique_ptr<Store> store_;
};

/// As many writers as the argument, each with one write under way: what they hand in together
/// shares an fsync.
void durable_commits_by_writers(benchmark::State& state) {
  OnDisk disk;
  std::counting_semaphore<4096> slots(state.range(0));
  std::size_t i = 0;
  for (auto _ : state) {
    slots.acquire();
    ++i;
    disk.store().commit(make_put(i % 10'000, i), [&slots](Committing answer) {
      CHECK(answer.ok());
      slots.release();
    });
  }
  for (std::int64_t writer = 0; writer < state.range(0); ++writer) {
    slots.acquire();
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(durable_commits_by_writers)
    ->Arg(1)
    ->Arg(8)
    ->Arg(32)
    ->Arg(128)
    ->Arg(1000)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->MinTime(2);

void volatile_commits(benchmark::State& state) {
  OnDisk disk;
  std::binary_semaphore done(0);
  std::size_t i = 0;
  for (auto _ : state) {
    ++i;
    Transaction transaction = make_put(i % 1'000, i);
    transaction.is_volatile = true;
    disk.store().commit(std::move(transaction), [&done](Committing) { done.release(); });
    done.acquire();
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(volatile_commits)->MeasureProcessCPUTime()->UseRealTime();

std::unique_ptr<Store> filled(std::size_t objects) {
  auto store = Store::open(make_memory_journal(std::make_shared<MemoryDisk>()), {}).value();
  std::binary_semaphore done(0);
  for (std::size_t i = 0; i < objects; ++i) {
    store->commit(make_put(i * 7919 % objects, i), [&done](Committing) { done.release(); });
    done.acquire();
  }
  return store;
}

void list_scan(benchmark::State& state) {
  const auto objects = static_cast<std::size_t>(state.range(0));
  const std::unique_ptr<Store> store = filled(objects);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    std::size_t count = 0;
    store->snapshot().scan("pods", "", {}, [&](const Stored& stored) {
      sum += stored.revision.number;
      ++count;
      return true;
    });
    benchmark::DoNotOptimize(sum);
    CHECK(count == objects);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(list_scan)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

void get(benchmark::State& state) {
  const std::unique_ptr<Store> store = filled(100'000);
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store->snapshot().get(make_key(++i * 104'729 % 100'000)));
  }
}

BENCHMARK(get);

/// One write that concerns one watcher, among as many watchers of other nodes as the argument.
void watch_by_tag(benchmark::State& state) {
  auto store = Store::open(make_memory_journal(std::make_shared<MemoryDisk>()), {}).value();
  std::vector<std::unique_ptr<Subscription>> watches;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    watches.push_back(
        store->watch({.resource = "pods", .tag = fmt::format("node-{}", i)}, Revision{1}).value());
  }
  std::binary_semaphore done(0);
  std::size_t i = 0;
  for (auto _ : state) {
    store->commit(make_put(7, ++i, "node-7"), [&done](Committing) { done.release(); });
    done.acquire();
    benchmark::DoNotOptimize(watches[7]->poll(16));
  }
}

BENCHMARK(watch_by_tag)->Arg(10)->Arg(5'000)->UseRealTime();

/// One write that concerns all: the committer's cost and that of reading it, per watcher.
void watch_fan_out(benchmark::State& state) {
  auto store = Store::open(make_memory_journal(std::make_shared<MemoryDisk>()), {}).value();
  std::vector<std::unique_ptr<Subscription>> watches;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    watches.push_back(store->watch({"pods"}, Revision{1}).value());
  }
  std::binary_semaphore done(0);
  std::size_t i = 0;
  for (auto _ : state) {
    store->commit(make_put(i % 100, i), [&done](Committing) { done.release(); });
    ++i;
    done.acquire();
    for (const auto& watch : watches) {
      CHECK(watch->poll(16).value().size() == 1);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(watch_fan_out)->Arg(1)->Arg(100)->Arg(1'000)->UseRealTime();

std::size_t heap_bytes() {
  return ::mallinfo2().uordblks;
}

void memory_per_object(benchmark::State& state) {
  constexpr std::size_t kObjects = 100'000;
  double beyond = 0;
  for (auto _ : state) {
    const std::string directory =
        (std::filesystem::temp_directory_path() / "tetrarch-bench-memory").string();
    {
      auto store = Store::open(open_rocksdb_journal({.directory = directory}).value(), {}).value();
      std::counting_semaphore<1000> slots(1000);
      for (std::size_t i = 0; i < kObjects; ++i) {
        slots.acquire();
        store->commit(make_put(i, i, fmt::format("node-{}", i % 500)),
                      [&slots](Committing) { slots.release(); });
      }
    }
    const std::size_t before = heap_bytes();
    auto journal = open_rocksdb_journal({.directory = directory}).value();
    CHECK(journal->load([](std::string_view, std::string_view) { return ok(); }).ok());
    const std::size_t with_journal = heap_bytes();
    auto store = Store::open(std::move(journal), {}).value();
    const std::size_t loaded = heap_bytes();
    std::size_t documents = 0;
    store->snapshot().scan("pods", "", {}, [&](const Stored& stored) {
      documents += stored.document->bytes().size();
      return true;
    });
    beyond = static_cast<double>(loaded - with_journal - documents) / kObjects;
    state.counters["journal_bytes"] = static_cast<double>(with_journal - before);
    store.reset();
    std::filesystem::remove_all(directory);
  }
  state.counters["bytes_beyond_document"] = beyond;
}

BENCHMARK(memory_per_object)->Iterations(1)->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  const std::string directory =
      (std::filesystem::temp_directory_path() / "tetrarch-bench-load").string();
  {
    auto store = Store::open(open_rocksdb_journal({.directory = directory}).value(), {}).value();
    std::counting_semaphore<1000> slots(1000);
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      slots.acquire();
      store->commit(make_put(static_cast<std::size_t>(i), 0),
                    [&slots](Committing) { slots.release(); });
    }
  }
  for (auto _ : state) {
    auto store = Store::open(open_rocksdb_journal({.directory = directory}).value(), {}).value();
    CHECK(store->snapshot().count("pods", "") == static_cast<std::size_t>(state.range(0)));
  }
  std::filesystem::remove_all(directory);
}

BENCHMARK(load)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace tetrarch::store
