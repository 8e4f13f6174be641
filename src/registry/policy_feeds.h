// SPDX-License-Identifier: Apache-2.0
// PolicyFeeds: the part of node feeds that carries network policies. One PolicyIndex for all feeds,
// kept up to date from the store's events by whichever feed is awake, so that no feed waits for
// another and the committer for none. Without policies it watches nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "client/client.h"
#include "registry/policy_index.h"
#include "store/store.h"

namespace tetrarch::registry {

/// Thread-safe; outlives its views.
class PolicyFeeds {
 public:
  class View;

  explicit PolicyFeeds(store::Store& store) : store_(store) {}

  ~PolicyFeeds();
  PolicyFeeds(const PolicyFeeds&) = delete;
  PolicyFeeds& operator=(const PolicyFeeds&) = delete;

  /// `wake` is called, from any thread, when take() may have something; it must not block.
  std::unique_ptr<View> open(std::string node, std::function<void()> wake);

 private:
  void close(View& view);
  void refresh();
  void reload();
  bool drain(store::Subscription& changes);
  void changed(const std::string& node, const Key& document);
  void want_all(View& view);
  std::vector<client::WatchEvent> take(View& view);
  void wait(View& view);
  void note_news();

  store::Store& store_;
  std::mutex mutex_;  ///< guards what follows; taken before `waiting_mutex_`
  std::unique_ptr<PolicyIndex> index_;
  Revision revision_;
  std::vector<std::unique_ptr<store::Subscription>> changes_;
  bool has_policies_ = false;  ///< pods and namespaces are watched too
  std::map<std::string, std::set<View*>, std::less<>> views_;  ///< by node

  std::mutex waiting_mutex_;
  std::set<View*> waiting_;
  bool has_news_ = true;  ///< in the store's events, or nothing has been read yet
};

/// What one feed has been given. One caller at a time.
class PolicyFeeds::View {
 public:
  View(PolicyFeeds& feeds, std::string node, std::function<void()> wake)
      : feeds_(feeds), node_(std::move(node)), wake_(std::move(wake)) {}

  ~View() { feeds_.close(*this); }

  View(const View&) = delete;
  View& operator=(const View&) = delete;

  /// What has changed for the node since the last call, at least as new as every commit that was
  /// announced before: policies, then pods, then what it need no longer have.
  std::vector<client::WatchEvent> take() { return feeds_.take(*this); }

  /// Before the feed sleeps: from now on it may be woken to read the store's events for all.
  void wait() { feeds_.wait(*this); }

 private:
  friend class PolicyFeeds;

  PolicyFeeds& feeds_;
  const std::string node_;
  const std::function<void()> wake_;
  std::set<Key> dirty_;
  std::set<Key> given_;
};

}  // namespace tetrarch::registry
