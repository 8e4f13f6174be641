// SPDX-License-Identifier: Apache-2.0
// Many threads at once: what holds whoever comes first. Meant for ThreadSanitizer as well.
#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "store/store_fixture.h"

namespace tetrarch::store {
namespace {

constexpr int kWriters = 4;
constexpr int kRounds = 150;

int number_in(const Stored& stored) {
  return std::stoi(text_of(stored.document));
}

/// Adds one to two counters in one transaction, again and again until nobody came between.
void increment_both(Store& store) {
  while (true) {
    const Snapshot snapshot = store.snapshot();
    const Stored left = *snapshot.get(pod("left"));
    const Stored right = *snapshot.get(pod("right"));
    const std::string next = std::to_string(number_in(left) + 1);
    Transaction transaction{.compares = {{left.key, left.revision}, {right.key, right.revision}},
                            .mutations = {put(pod("left"), next), put(pod("right"), next)}};
    const Committing committing = commit(store, std::move(transaction));
    if (committing.ok()) {
      return;
    }
    ASSERT_EQ(committing.error().code, Code::conflict);
  }
}

TEST_F(StoreTest, LosesNoUpdateAndShowsNoHalfTransactionToAnyReader) {
  Store& store = start();
  Transaction first;
  first.mutations = {put(pod("left"), "0"), put(pod("right"), "0")};
  must_commit(store, std::move(first));
  std::atomic<int> writing = kWriters;
  std::atomic<int> torn = 0;
  {
    async::BlockingPool pool(kWriters + 2);
    for (int i = 0; i < kWriters; ++i) {
      pool.post([&] {
        for (int round = 0; round < kRounds; ++round) {
          increment_both(store);
        }
        --writing;
      });
    }
    for (int i = 0; i < 2; ++i) {
      pool.post([&] {
        while (writing > 0) {
          const Snapshot snapshot = store.snapshot();
          std::map<std::string, int> seen;
          snapshot.scan("pods", "default", {}, [&](const Stored& stored) {
            seen[stored.key.name] = number_in(stored);
            return true;
          });
          torn += seen["left"] == seen["right"] ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(number_in(*store.snapshot().get(pod("left"))), kWriters * kRounds);
}

/// Lists, then watches, and keeps a copy: what every informer does.
class Follower {
 public:
  Follower(Store& store, WatchFilter filter) {
    const Snapshot snapshot = store.snapshot();
    snapshot.scan(filter.resource, filter.ns, {}, [&](const Stored& stored) {
      copy_[stored.key] = stored.revision;
      return true;
    });
    subscription_ = store.watch(std::move(filter), snapshot.revision()).value();
    subscription_->on_ready([this] { ++wakes_; });
  }

  /// Polls until everything up to `last` is in.
  void follow_until(Revision last) {
    while (subscription_->position() < last) {
      const auto events = subscription_->poll(16);
      for (const Event& event : *events) {
        is_in_order_ = is_in_order_ && event.object.revision > newest_;
        newest_ = event.object.revision;
        if (event.type == Event::Type::deleted) {
          copy_.erase(event.object.key);
        } else {
          is_in_order_ = is_in_order_ &&
                         copy_.contains(event.object.key) == (event.type == Event::Type::modified);
          copy_[event.object.key] = event.object.revision;
        }
      }
    }
  }

  const std::map<Key, Revision>& copy() const { return copy_; }

  bool is_in_order() const { return is_in_order_; }

 private:
  std::atomic<int> wakes_ = 0;
  std::map<Key, Revision> copy_;
  Revision newest_;
  bool is_in_order_ = true;
  std::unique_ptr<Subscription> subscription_;  // last: its callback uses the above
};

void churn(Store& store, int writer) {
  for (int i = 0; i < kRounds; ++i) {
    const Key key = pod(std::to_string((i * 7 + writer) % 40), "ns" + std::to_string(i % 3));
    if (i % 4 == 3) {
      (void)commit(store, change(remove(key)));
    } else {
      Transaction transaction = change(put(key, std::to_string(i)));
      transaction.is_volatile = i % 5 == 0;
      (void)commit(store, std::move(transaction));
    }
  }
}

TEST_F(StoreTest, FollowersThatBeginAtAnyTimeEndWithTheSameCopy) {
  Store& store = start();
  std::atomic<int> writing = kWriters;
  std::vector<std::unique_ptr<Follower>> followers;
  {
    async::BlockingPool pool(kWriters + 1);
    for (int writer = 0; writer < kWriters; ++writer) {
      pool.post([&, writer] {
        churn(store, writer);
        --writing;
      });
    }
    pool.post([&] {
      while (writing > 0 && followers.size() < 200) {
        const std::string ns = followers.size() % 2 == 0 ? "" : "ns1";
        followers.push_back(
            std::make_unique<Follower>(store, WatchFilter{.resource = "pods", .ns = ns}));
        followers.back()->follow_until(store.snapshot().revision());
      }
    });
  }
  const Snapshot last = store.snapshot();
  for (std::size_t i = 0; i < followers.size(); ++i) {
    Follower& follower = *followers[i];
    follower.follow_until(last.revision());
    std::map<Key, Revision> expected;
    last.scan("pods", i % 2 == 0 ? "" : "ns1", {}, [&](const Stored& stored) {
      expected[stored.key] = stored.revision;
      return true;
    });
    EXPECT_TRUE(follower.is_in_order());
    EXPECT_EQ(follower.copy(), expected);
  }
}

}  // namespace
}  // namespace tetrarch::store
