// SPDX-License-Identifier: Apache-2.0
#include "kill_child.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <random>
#include <semaphore>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "async/io_pool.h"
#include "store/journal_rocksdb.h"
#include "store/store.h"

namespace tetrarch::store_kill {
namespace {

constexpr std::ptrdiff_t kOutstanding = 8;  // writes of one thread under way
constexpr int kNames = 40;

std::string digest_of(const DocumentPtr& document) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a: nothing of the store's own
  for (const char c : document->bytes()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return fmt::format("{:016x}", hash);
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

class Child {
 public:
  Child(store::Store& store, int fd) : store_(store), fd_(fd) {}

  void report(const std::string& line) const {
    const std::string text = line + "\n";
    if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      ::_exit(3);  // nobody listens any more
    }
  }

  void report_found() const {
    const store::Snapshot snapshot = store_.snapshot();
    report(fmt::format("H {}", snapshot.revision().number));
    for (const std::string& resource : snapshot.resources()) {
      snapshot.scan(resource, "", {}, [&](const Stored& stored) {
        report(fmt::format("L {} {} {} {} {} {}",
                           resource,
                           stored.key.ns,
                           stored.key.name,
                           tag_of(stored),
                           stored.revision.number,
                           digest_of(stored.document)));
        return true;
      });
    }
    report("R");
  }

  /// Hands in the mutations as one transaction; reports before and, through `done`, after.
  void write(store::Transaction transaction, std::function<void()> done) {
    std::vector<std::uint64_t> ids;
    for (const store::Mutation& mutation : transaction.mutations) {
      ids.push_back(++next_id_);
      const Key& key = mutation.key;
      report(fmt::format("I {} {} {} {} {} {}",
                         ids.back(),
                         key.resource,
                         key.ns,
                         key.name,
                         or_dash(mutation.tag),
                         mutation.document == nullptr ? "-" : digest_of(mutation.document)));
    }
    store_.commit(std::move(transaction), [this, ids, done](store::Committing committing) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        report(committing.ok()
                   ? fmt::format("A {} {}", ids[i], committing->objects[i].revision.number)
                   : fmt::format("N {}", ids[i]));
      }
      done();
    });
  }

  /// The tag is in the document too, so that it can be reported from what is found.
  DocumentPtr document(const std::string& tag, std::mt19937_64& random) {
    const std::string padding(random() % 4 == 0 ? random() % 8'000 : random() % 400, 'p');
    return Document::from_canonical(
        fmt::format(R"({{"metadata":{{}},"tag":"{}","unique":"{}-{}","padding":"{}"}})",
                    tag,
                    random(),
                    next_id_.load(),
                    padding));
  }

  static std::string tag_of(const Stored& stored) {
    return or_dash(std::string(stored.root()["tag"].string()));
  }

  store::Store& store() { return store_; }

 private:
  store::Store& store_;
  const int fd_;
  std::atomic<std::uint64_t> next_id_{0};
};

/// Creates, updates (half of them with a compare) and deletes, several under way at a time.
void write_pods(Child& child, std::uint64_t seed, const std::string& resource, bool is_volatile) {
  std::mt19937_64 random(seed);
  const auto slots = std::make_shared<std::counting_semaphore<kOutstanding>>(kOutstanding);
  while (true) {
    slots->acquire();
    const Key key{
        resource, fmt::format("ns{}", random() % 2), fmt::format("object{}", random() % kNames)};
    const std::string tag = random() % 2 == 0 ? fmt::format("node{}", random() % 3) : "";
    store::Transaction transaction;
    if (random() % 2 == 0) {
      const auto stored = child.store().snapshot().get(key);
      transaction.compares.push_back({key, stored ? stored->revision : Revision{}});
    }
    if (random() % 4 == 0) {
      transaction.mutations.push_back({.key = key, .document = nullptr});
    } else {
      transaction.mutations.push_back(
          {.key = key, .document = child.document(tag, random), .tag = tag});
    }
    transaction.is_volatile = is_volatile;
    child.write(std::move(transaction), [slots] { slots->release(); });
  }
}

/// Always two objects together, with the same text.
void write_pairs(Child& child, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto slots = std::make_shared<std::counting_semaphore<kOutstanding>>(kOutstanding);
  while (true) {
    slots->acquire();
    const std::string name = fmt::format("pair{}", random() % 10);
    const Key left{"pairs", "ns0", name + "-left"};
    const Key right{"pairs", "ns0", name + "-right"};
    const DocumentPtr document = random() % 5 == 0 ? nullptr : child.document("", random);
    store::Transaction transaction;
    transaction.mutations.push_back({.key = right, .document = document});
    transaction.mutations.push_back({.key = left, .document = document});
    child.write(std::move(transaction), [slots] { slots->release(); });
  }
}

/// One thread that follows many watches, and begins further ones in the past as time goes on.
class Follower {
 public:
  explicit Follower(Child& child) : child_(child), start_(child.store().snapshot().revision()) {
    for (const char* resource : {"pods", "leases", "pairs"}) {
      begin({resource});
    }
    begin({.resource = "pods", .ns = "ns1"});
    begin({.resource = "pods", .tag = "node1"});
    begin({.resource = "pods", .ns = "ns0", .tag = "node2"});
  }

  void run() {
    for (std::uint64_t round = 1;; ++round) {
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return is_ready_; });
        is_ready_ = false;
      }
      for (Watch& watch : watches_) {
        follow(watch);
      }
      if (round % 100 == 0 && watches_.size() < 20) {
        begin({.resource = "pods", .tag = round % 200 == 0 ? "node0" : ""});
      }
    }
  }

 private:
  struct Watch {
    std::string name;
    std::unique_ptr<store::Subscription> subscription;
  };

  void begin(store::WatchFilter filter) {
    std::string name = fmt::format("w{}", watches_.size());
    child_.report(fmt::format("W {} {} {} {} {}",
                              name,
                              filter.resource,
                              or_dash(filter.ns),
                              or_dash(filter.tag),
                              start_.number));
    auto subscription = child_.store().watch(std::move(filter), start_);
    if (!subscription.ok()) {
      return;  // expired: the history has moved on; the ledger then sees a watch without events or
               // position
    }
    (*subscription)->on_ready([this] {
      const std::lock_guard lock(mutex_);
      is_ready_ = true;
      ready_.notify_one();
    });
    watches_.push_back({std::move(name), std::move(subscription).value()});
  }

  void follow(Watch& watch) {
    constexpr const char* kTypes[] = {"added", "modified", "deleted"};
    while (true) {
      const auto events = watch.subscription->poll(64);
      if (!events.ok() || events->empty()) {
        break;
      }
      for (const store::Event& event : *events) {
        child_.report(fmt::format("E {} {} {} {} {} {}",
                                  watch.name,
                                  event.object.revision.number,
                                  kTypes[static_cast<std::size_t>(event.type)],
                                  event.object.key.ns,
                                  event.object.key.name,
                                  digest_of(event.object.document)));
      }
    }
    child_.report(fmt::format("B {} {}", watch.name, watch.subscription->position().number));
  }

  Child& child_;
  const Revision start_;
  std::mutex mutex_;
  std::condition_variable ready_;
  bool is_ready_ = true;
  std::vector<Watch> watches_;
};

}  // namespace

int run_child(const std::string& directory, int fd, std::uint64_t seed, bool only_looks) {
  auto journal = store::open_rocksdb_journal(
      {.directory = directory, .write_buffer_bytes = std::size_t{1} << 20});
  if (!journal.ok()) {
    fmt::print(stderr, "{}\n", journal.error().message);
    return 1;
  }
  store::Options options;
  options.revision_block = 500;  // so that blocks begin and end while it runs
  auto opened = store::Store::open(std::move(journal).value(), options);
  if (!opened.ok()) {
    fmt::print(stderr, "{}\n", opened.error().message);
    return 1;
  }
  Child child(**opened, fd);
  child.report_found();
  if (only_looks) {
    return 0;
  }
  Follower follower(child);
  async::BlockingPool pool(6);
  for (std::uint64_t i = 0; i < 3; ++i) {
    pool.post([&child, seed, i] { write_pods(child, seed + i, "pods", false); });
  }
  pool.post([&child, seed] { write_pods(child, seed + 3, "leases", true); });
  pool.post([&child, seed] { write_pairs(child, seed + 4); });
  pool.post([&follower] { follower.run(); });
  return 0;  // not before the kill: the pool waits for its threads
}

}  // namespace tetrarch::store_kill
