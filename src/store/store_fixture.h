// SPDX-License-Identifier: Apache-2.0
// For tests of the store only: a store on a memory disk that can be restarted, and short ways to
// write and read.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/journal_memory.h"
#include "store/store.h"

namespace tetrarch::store {

inline DocumentPtr doc(std::string_view text) {
  return Document::from_canonical("{\"metadata\":{},\"data\":\"" + std::string(text) + "\"}");
}

inline std::string text_of(const DocumentPtr& document) {
  return document == nullptr ? "" : std::string(document->root()["data"].string());
}

inline Key pod(std::string name, std::string ns = "default") {
  return {"pods", std::move(ns), std::move(name)};
}

inline Mutation put(Key key, std::string_view text, std::string tag = "") {
  return {.key = std::move(key), .document = doc(text), .tag = std::move(tag)};
}

inline Mutation remove(Key key) {
  return {.key = std::move(key), .document = nullptr};
}

inline Transaction change(Mutation mutation) {
  Transaction transaction;
  transaction.mutations.push_back(std::move(mutation));
  return transaction;
}

inline Transaction volatile_put(Key key, std::string_view text) {
  Transaction transaction = change(put(std::move(key), text));
  transaction.is_volatile = true;
  return transaction;
}

/// Commits from a plain thread and waits for the answer.
inline Committing commit(Store& store, Transaction transaction) {
  auto answer = std::make_shared<std::promise<Committing>>();
  auto future = answer->get_future();
  store.commit(std::move(transaction),
               [answer](Committing committing) { answer->set_value(std::move(committing)); });
  return future.get();
}

/// Commits what must succeed; the revision of its last mutation.
inline Revision must_commit(Store& store, Transaction transaction) {
  Committing committing = commit(store, std::move(transaction));
  EXPECT_TRUE(committing.ok()) << (committing.ok() ? "" : committing.error().message);
  return committing.ok() ? committing->objects.back().revision : Revision{};
}

inline Revision must_put(Store& store, Key key, std::string_view text, std::string tag = "") {
  return must_commit(store, change(put(std::move(key), text, std::move(tag))));
}

/// "ADDED default/a one", as tests compare events.
inline std::string to_text(const Event& event) {
  constexpr std::string_view kTypes[] = {"ADDED", "MODIFIED", "DELETED"};
  std::string text(kTypes[static_cast<std::size_t>(event.type)]);
  text +=
      " " + (event.object.key.ns.empty() ? "" : event.object.key.ns + "/") + event.object.key.name;
  return text + " " + text_of(event.object.document);
}

inline std::vector<std::string> poll(Subscription& subscription, std::size_t max = 1000) {
  std::vector<std::string> texts;
  auto events = subscription.poll(max);
  if (!events.ok()) {
    return {std::string(to_string(events.error().code))};
  }
  for (const Event& event : *events) {
    texts.push_back(to_text(event));
  }
  return texts;
}

inline std::vector<std::string> names(const Snapshot& snapshot,
                                      std::string_view resource,
                                      std::string_view ns = "") {
  std::vector<std::string> found;
  snapshot.scan(resource, ns, {}, [&](const Stored& stored) {
    found.push_back((stored.key.ns.empty() ? "" : stored.key.ns + "/") + stored.key.name);
    return true;
  });
  return found;
}

class StoreTest : public testing::Test {
 protected:
  /// Ends the store in an orderly way, if it runs, and starts it again.
  Store& start(Options options = {}) {
    store_.reset();
    auto opened = Store::open(make_memory_journal(disk_), std::move(options));
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    store_ = std::move(opened).value();
    return *store_;
  }

  void stop() { store_.reset(); }

  /// Starts on what a kill -9 at this moment would leave.
  Store& kill_and_start(Options options = {}) {
    return start_on(disk_->after_kill(), std::move(options));
  }

  Store& lose_power_and_start(Options options = {}) {
    return start_on(disk_->after_power_loss(), std::move(options));
  }

  /// Why the store does not open; empty where it does.
  std::string why_not(Options options = {}) {
    store_.reset();
    const auto opened = Store::open(make_memory_journal(disk_), std::move(options));
    return opened.ok() ? "" : opened.error().message;
  }

  std::unique_ptr<Subscription> watch(WatchFilter filter, Revision from) {
    auto watching = store_->watch(std::move(filter), from);
    EXPECT_TRUE(watching.ok()) << (watching.ok() ? "" : watching.error().message);
    return watching.ok() ? std::move(watching).value() : nullptr;
  }

  Store& start_on(std::shared_ptr<MemoryDisk> disk, Options options) {
    disk_ = std::move(disk);
    return start(std::move(options));
  }

  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  std::unique_ptr<Store> store_;
};

}  // namespace tetrarch::store
