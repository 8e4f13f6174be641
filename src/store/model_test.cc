// SPDX-License-Identifier: Apache-2.0
// Property test: random transactions, restarts, kills and watches against a model that is a
// std::map and a list.
#include <map>
#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store_fixture.h"

namespace tetrarch::store {
namespace {

struct State {
  std::string text;
  std::string tag;
  Revision revision;
};

struct LoggedChange {
  Key key;
  Revision revision;
  std::optional<State> before;
  std::optional<State> now;
};

/// What the store should be.
struct Model {
  std::map<Key, State> objects;
  std::vector<LoggedChange> log;

  void apply(const Mutation& mutation, Revision revision) {
    LoggedChange change{mutation.key, revision, std::nullopt, std::nullopt};
    if (const auto found = objects.find(mutation.key); found != objects.end()) {
      change.before = found->second;
    }
    if (mutation.document == nullptr) {
      objects.erase(mutation.key);
    } else {
      change.now = State{text_of(mutation.document), mutation.tag, revision};
      objects[mutation.key] = *change.now;
    }
    log.push_back(std::move(change));
  }

  /// Whether a transaction must be taken.
  bool takes(const Transaction& transaction) const {
    for (const Compare& compare : transaction.compares) {
      const auto found = objects.find(compare.key);
      if ((found == objects.end() ? Revision{} : found->second.revision) != compare.expected) {
        return false;
      }
    }
    for (std::size_t i = 0; i < transaction.mutations.size(); ++i) {
      const Mutation& mutation = transaction.mutations[i];
      for (std::size_t j = 0; j < i; ++j) {
        if (transaction.mutations[j].key == mutation.key) {
          return false;
        }
      }
      if (mutation.document == nullptr && !objects.contains(mutation.key)) {
        return false;
      }
    }
    return true;
  }

  std::vector<std::string> events(const WatchFilter& filter, Revision from) const {
    std::vector<std::string> texts;
    for (const LoggedChange& change : log) {
      const Key& key = change.key;
      if (change.revision <= from || key.resource != filter.resource ||
          (!filter.ns.empty() && key.ns != filter.ns) ||
          (!filter.name.empty() && key.name != filter.name)) {
        continue;
      }
      const bool was = change.before && (filter.tag.empty() || change.before->tag == filter.tag);
      const bool is = change.now && (filter.tag.empty() || change.now->tag == filter.tag);
      if (was || is) {
        const std::string type = !is ? "DELETED " : was ? "MODIFIED " : "ADDED ";
        texts.push_back(type + key.ns + "/" + key.name + " " +
                        (is ? change.now : change.before)->text + " @" +
                        std::to_string(change.revision.number));
      }
    }
    return texts;
  }
};

struct Watching {
  WatchFilter filter;
  Revision from;
  std::unique_ptr<Subscription> subscription;
  std::vector<std::string> seen;
};

class ModelTest : public StoreTest, public testing::WithParamInterface<unsigned> {
 protected:
  std::size_t any(std::size_t below) { return random_() % below; }

  std::string word(std::string_view prefix, std::size_t below) {
    return std::string(prefix) + std::to_string(any(below));
  }

  Key any_key() { return {word("r", 3), word("ns", 3), word("name", 8)}; }

  Transaction any_transaction() {
    Transaction transaction;
    for (std::size_t i = 1 + any(3); i > 0; --i) {
      Key key = any_key();
      const auto found = model_.objects.find(key);
      if (any(3) == 0) {
        const Revision actual = found == model_.objects.end() ? Revision{} : found->second.revision;
        transaction.compares.push_back({key, any(8) == 0 ? Revision{actual.number + 1} : actual});
      }
      transaction.mutations.push_back(
          any(3) == 0 ? remove(std::move(key))
                      : put(std::move(key), word("text", 1000), any(2) == 0 ? word("tag", 3) : ""));
    }
    transaction.is_volatile = any(3) == 0;
    return transaction;
  }

  void write() {
    const Transaction transaction = any_transaction();
    const bool must_take = model_.takes(transaction);
    const Committing committing = commit(*store_, transaction);
    ASSERT_EQ(committing.ok(), must_take);
    if (!must_take) {
      return;
    }
    for (std::size_t i = 0; i < transaction.mutations.size(); ++i) {
      const Revision revision = committing->objects[i].revision;
      ASSERT_GT(revision, newest_);
      newest_ = revision;
      model_.apply(transaction.mutations[i], revision);
    }
  }

  void begin_watch() {
    WatchFilter filter{word("r", 3),
                       any(3) == 0 ? word("ns", 3) : "",
                       any(3) == 0 ? word("tag", 3) : "",
                       any(3) == 0 ? word("name", 8) : ""};
    const std::uint64_t now = store_->snapshot().revision().number;
    const Revision from =
        any(10) == 0 ? store_->compacted() : Revision{now - any(now - began_at_.number + 1)};
    auto subscription = watch(filter, from);
    ASSERT_NE(subscription, nullptr);
    watching_.push_back({std::move(filter), from, std::move(subscription), {}});
  }

  void read(Watching& watching, std::size_t max) {
    auto events = watching.subscription->poll(max);
    ASSERT_TRUE(events.ok());
    for (const Event& event : *events) {
      watching.seen.push_back(to_text(event) + " @" + std::to_string(event.object.revision.number));
    }
  }

  void check_watches() {
    for (Watching& watching : watching_) {
      read(watching, 100'000);
      ASSERT_EQ(watching.seen, model_.events(watching.filter, watching.from));
      ASSERT_EQ(watching.subscription->position(), store_->snapshot().revision());
    }
  }

  void check_objects() {
    const Snapshot snapshot = store_->snapshot();
    std::size_t found = 0;
    for (const std::string& resource : snapshot.resources()) {
      snapshot.scan(resource, "", {}, [&](const Stored& stored) {
        ++found;
        const auto expected = model_.objects.find(stored.key);
        EXPECT_TRUE(expected != model_.objects.end() &&
                    expected->second.revision == stored.revision &&
                    expected->second.text == text_of(stored.document))
            << stored.key.name;
        return true;
      });
    }
    ASSERT_EQ(found, model_.objects.size());
  }

  void end_and_start() {
    check_watches();
    watching_.clear();
    if (any(2) == 0) {
      start();
    } else {
      kill_and_start();
    }
    began_at_ = store_->snapshot().revision();
    check_objects();
  }

  std::mt19937 random_{GetParam()};
  Model model_;
  Revision newest_;
  Revision began_at_;  // between the last change before the start and this, no watch can begin
  std::vector<Watching> watching_;
};

TEST_P(ModelTest, TheStoreIsWhatTheModelSays) {
  start();
  began_at_ = store_->snapshot().revision();
  for (int step = 0; step < 2'000 && !HasFatalFailure(); ++step) {
    const std::size_t dice = any(100);
    if (dice < 80) {
      write();
    } else if (dice < 90) {
      begin_watch();
    } else if (dice < 99 && !watching_.empty()) {
      read(watching_[any(watching_.size())], 1 + any(20));
    } else if (dice == 99 && any(5) == 0) {
      end_and_start();
    }
  }
  check_watches();
  check_objects();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range(1U, 9U));

}  // namespace
}  // namespace tetrarch::store
