// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <atomic>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "async/io_pool.h"
#include "store/committer.h"
#include "store/hub.h"
#include "store/journal.h"
#include "store/queue.h"
#include "store/recovery.h"

namespace tetrarch::store {
namespace {

using AnswerAll = std::function<void(std::vector<Committing>)>;

/// Gathers the answers of transactions that were handed in together.
struct Gathering {
  std::vector<Committing> answers;
  std::size_t missing = 0;
  AnswerAll done;
};

/// A call that ends in one answer, as a coroutine's await: resumes it on its own executor. A
/// cancelled coroutine is resumed by the answer all the same (a commit takes milliseconds) and
/// unwinds at its next await.
template <class Answer, class Start>
Task<Answer> await_answer(Start start) {
  auto initiate = [](auto handler, Start begin) {
    auto executor = asio::get_associated_executor(handler);
    auto guard = asio::make_work_guard(executor);
    auto shared = std::make_shared<decltype(handler)>(
        std::move(handler));  // std::function wants a copyable one
    begin([executor, guard, shared](Answer answer) {
      asio::post(executor, [shared, kept = std::move(answer)]() mutable {
        std::move (*shared)(std::move(kept));
      });
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Answer)>(
      std::move(initiate), asio::use_awaitable, std::move(start));
}

class LiveStore : public Store {
 public:
  LiveStore(std::unique_ptr<Journal> journal, Options options, const Recovered& recovered)
      : options_(std::move(options)),
        journal_(std::move(journal)),
        hub_(std::make_shared<Hub>(options_, recovered.last, recovered.root->revision)),
        published_(recovered.root),
        queue_(options_.queue_max, options_.volatile_patience),
        committer_({.journal = *journal_, .queue = queue_, .hub = *hub_, .published = published_},
                   options_,
                   recovered.root->revision) {
    for (const auto& table : recovered.root->tables) {
      hub_->begin(*table.resource, table.tree.size());
    }
    if (!options_.turns) {
      thread_.emplace(1);
      thread_->post([this] { committer_.run(); });
    }
  }

  /// With a thread, that one drains the queue, and is waited for.
  ~LiveStore() override {
    queue_.close();
    if (options_.turns) {
      committer_.run();
    }
  }

  LiveStore(const LiveStore&) = delete;
  LiveStore& operator=(const LiveStore&) = delete;

  Snapshot snapshot() const override { return Snapshot(published_.get()); }

  void commit(Transaction transaction, std::function<void(Committing)> done) override {
    std::vector<Request> requests;
    requests.push_back({std::move(transaction), std::move(done)});
    push(std::move(requests));
  }

  Task<Committing> commit(Transaction transaction) override {
    return await_answer<Committing>(
        [this, t = std::move(transaction)](std::function<void(Committing)> done) mutable {
          commit(std::move(t), std::move(done));
        });
  }

  Task<std::vector<Committing>> commit_each(std::vector<Transaction> transactions) override {
    return await_answer<std::vector<Committing>>(
        [this, all = std::move(transactions)](AnswerAll done) mutable {
          gather(std::move(all), std::move(done));
        });
  }

  Result<std::unique_ptr<Subscription>> watch(WatchFilter filter, Revision from) override {
    return hub_->watch(std::move(filter), from, published_.get()->revision);
  }

  Revision compacted() const override { return hub_->compacted(); }

 private:
  void push(std::vector<Request> requests) {
    const Queue::Push pushed = queue_.push(requests);
    if (pushed == Queue::Push::taken) {
      ask_for_turn();
      return;
    }
    Error refusal(Code::unavailable, "the store is closing");
    if (pushed == Queue::Push::full) {
      refusal = Error(Code::exhausted, "too many writes are waiting; try again");
      refusal.retry_after_s = 1;
    }
    for (const Request& request : requests) {
      request.done(refusal);
    }
  }

  /// On the one thread that uses a store without a thread of its own.
  void ask_for_turn() {
    if (!options_.turns || has_asked_) {
      return;
    }
    has_asked_ = true;
    options_.turns([this, life = std::weak_ptr<int>(life_)] {
      if (life.expired()) {
        return;
      }
      has_asked_ = false;
      committer_.turn();
      if (!queue_.is_empty()) {
        ask_for_turn();
      }
    });
  }

  void gather(std::vector<Transaction> transactions, AnswerAll done) {
    if (transactions.empty()) {
      done({});
      return;
    }
    // Answered by one thread only: the committer's, or this one where all are refused.
    auto gathering = std::make_shared<Gathering>();
    gathering->answers.assign(transactions.size(), Committing{Committed{}});
    gathering->missing = transactions.size();
    gathering->done = std::move(done);
    std::vector<Request> requests;
    requests.reserve(transactions.size());
    for (std::size_t i = 0; i < transactions.size(); ++i) {
      requests.push_back({std::move(transactions[i]), [gathering, i](Committing answer) {
                            gathering->answers[i] = std::move(answer);
                            if (--gathering->missing == 0) {
                              gathering->done(std::move(gathering->answers));
                            }
                          }});
    }
    push(std::move(requests));
  }

  const Options options_;
  const std::unique_ptr<Journal> journal_;
  const std::shared_ptr<Hub> hub_;  // shared with the subscriptions
  PublishedRoot published_;
  Queue queue_;
  Committer committer_;
  const std::shared_ptr<int> life_ = std::make_shared<int>();  // gone: a turn comes too late
  bool has_asked_ = false;                                     // for a turn that has not come
  std::optional<async::BlockingPool> thread_;                  // last: ends first
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(std::unique_ptr<Journal> journal, Options options) {
  TRY(const Recovered recovered, recover(*journal, options.sealing));
  return std::unique_ptr<Store>(
      std::make_unique<LiveStore>(std::move(journal), std::move(options), recovered));
}

}  // namespace tetrarch::store
