// SPDX-License-Identifier: Apache-2.0
// For the tests of this room: a store whose commits and events come when the test wants them to.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "store/store.h"

namespace tetrarch::registry {

/// Passes all on to a real store.
class StoreDouble final : public store::Store {
 public:
  explicit StoreDouble(store::Store& real) : real_(real) {}

  std::function<void()> before_commit = {};  ///< called once, by the next commit
  bool holds_events = false;                 ///< subscriptions have nothing new for now

  store::Snapshot snapshot() const override { return real_.snapshot(); }

  void commit(store::Transaction transaction,
              std::function<void(store::Committing)> done) override {
    real_.commit(std::move(transaction), std::move(done));
  }

  Task<store::Committing> commit(store::Transaction transaction) override {
    if (const auto hook = std::exchange(before_commit, nullptr)) {
      hook();
    }
    co_return co_await real_.commit(std::move(transaction));
  }

  Task<std::vector<store::Committing>> commit_each(
      std::vector<store::Transaction> transactions) override {
    co_return co_await real_.commit_each(std::move(transactions));
  }

  Result<std::unique_ptr<store::Subscription>> watch(store::WatchFilter filter,
                                                     Revision from) override {
    TRY(auto real, real_.watch(std::move(filter), from));
    return std::unique_ptr<store::Subscription>(
        std::make_unique<Held>(*this, std::move(real), from));
  }

  Revision compacted() const override { return real_.compacted(); }

 private:
  class Held final : public store::Subscription {
   public:
    Held(const StoreDouble& owner, std::unique_ptr<store::Subscription> real, Revision from)
        : owner_(owner), real_(std::move(real)), position_(from) {}

    Result<std::vector<store::Event>> poll(std::size_t max) override {
      if (owner_.holds_events) {
        return std::vector<store::Event>();
      }
      auto events = real_->poll(max);
      position_ = real_->position();
      return events;
    }

    void on_ready(std::function<void()> callback) override { real_->on_ready(std::move(callback)); }

    Revision position() const override { return position_; }

   private:
    const StoreDouble& owner_;
    std::unique_ptr<store::Subscription> real_;
    Revision position_;
  };

  store::Store& real_;
};

}  // namespace tetrarch::registry
