// SPDX-License-Identifier: Apache-2.0
#include "registry/node_feed.h"

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "async/timer.h"
#include "registry/pod_references.h"

namespace tetrarch::registry {

using client::EventType;
using client::WatchEvent;

namespace {

constexpr std::size_t kBatch = 512;
constexpr std::string_view kPods = "pods";
constexpr std::string_view kBlobs = "imageblobs.images.tetrarch.dev";
constexpr std::string_view kPolicies = "policies";  // only wakes: it has no subscription
// Every node needs all of them: its service proxy, DNS and routes are made of them.
constexpr std::array<std::string_view, 3> kForAll{
    "services", "endpointslices.discovery.k8s.io", "noderoutes.network.tetrarch.dev"};

/// Which subscriptions have something. Shared with the store's callbacks.
struct Wakeups {
  std::mutex mutex;
  std::set<Key> ready;
  async::Event event;

  void raise(const Key& key) {
    {
      const std::lock_guard lock(mutex);
      ready.insert(key);
    }
    event.raise();
  }

  std::set<Key> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(ready, {});
  }
};

class NodeFeed final : public client::Watch {
 public:
  NodeFeed(const FeedSources& sources, NodeName node, std::chrono::seconds bookmark_interval)
      : store_(sources.store),
        node_(std::move(node)),
        bookmark_interval_(bookmark_interval),
        policies_(sources.policies.open(
            node_.text, [wakeups = wakeups_] { wakeups->raise(all(kPolicies)); })) {}

  Status start(const NodePods& pods) {
    const auto snapshot = store_.snapshot();
    const Key node_key{"nodes", "", node_.text};
    TRY_STATUS(subscribe(node_key, {"nodes", "", "", node_.text}, snapshot));
    TRY_STATUS(subscribe(all(kPods), {std::string(kPods), "", node_.text}, snapshot));
    for (const auto resource : kForAll) {
      TRY_STATUS(subscribe(all(resource), {std::string(resource)}, snapshot));
    }
    TRY_STATUS(subscribe(all(kBlobs), {std::string(kBlobs)}, snapshot));
    snapshot.scan(kBlobs, "", {}, [&](const Stored& blob) {
      take_blob(EventType::added, blob);
      return true;
    });
    if (auto node = snapshot.get(node_key)) {
      out_.push_back({EventType::added, *std::move(node)});
    }
    for (const auto resource : kForAll) {
      snapshot.scan(resource, "", {}, [&](const Stored& object) {
        out_.push_back({EventType::added, object});
        return true;
      });
    }
    take_policies();
    for (auto& pod : pods_in(snapshot, pods)) {
      TRY_STATUS(take_pod(EventType::added, std::move(pod)));
    }
    out_.push_back(bookmark(snapshot.revision()));
    return ok();
  }

  Task<Result<std::vector<WatchEvent>>> next() override {
    while (out_.empty()) {
      const auto ready = wakeups_->take();
      for (const auto& key : ready) {
        CO_TRY_STATUS(drain(key));
      }
      take_policies();
      if (!ready.empty() || !out_.empty()) {
        continue;
      }
      policies_->wait();
      if (!co_await wakeups_->event.wait_for(bookmark_interval_)) {
        out_.push_back(bookmark(store_.snapshot().revision()));
      }
    }
    co_return std::exchange(out_, {});
  }

 private:
  /// Something that pods name: followed while one does.
  struct Named {
    std::size_t pods = 0;  // how many name it
    std::optional<Stored> last;
  };

  using NamedAt = std::map<Key, Named>::iterator;     // it stays where it is while a pod names it
  using PodId = std::pair<std::string, std::string>;  // namespace and name

  static PodId id_of(const Key& key) { return {key.ns, key.name}; }

  static Key all(std::string_view resource) { return {std::string(resource), "", ""}; }

  static WatchEvent bookmark(Revision revision) {
    return {EventType::bookmark,
            Stored{Key{}, revision, Document::from_canonical(R"({"metadata":{}})")}};
  }

  std::vector<Stored> pods_in(const store::Snapshot& snapshot, const NodePods& pods) const {
    std::vector<Stored> out;
    const auto take_ours = [&](const Stored& pod) {
      if (pod.root().find("spec.nodeName").string() == node_.text) {
        out.push_back(pod);
      }
      return true;
    };
    const auto ids = pods.on(node_.text, snapshot.revision());
    if (!ids) {
      snapshot.scan(kPods, "", {}, take_ours);
      return out;
    }
    // They may be newer than the snapshot: a pod that left meanwhile is not announced, and its
    // `deleted`, which follows, removes nothing.
    for (const auto& [ns, name] : *ids) {
      if (const auto pod = snapshot.get(Key{std::string(kPods), ns, name})) {
        take_ours(*pod);
      }
    }
    return out;
  }

  Status subscribe(const Key& key, store::WatchFilter filter, const store::Snapshot& snapshot) {
    TRY(auto changes, store_.watch(std::move(filter), snapshot.revision()));
    changes->on_ready([wakeups = wakeups_, key] { wakeups->raise(key); });
    changes_.insert_or_assign(key, std::move(changes));
    return ok();
  }

  /// A pod that has gone was under its policies to the end: their word on it comes after that.
  void take_policies() {
    for (auto& event : policies_->take()) {
      const Key pod{std::string(kPods), event.object.key.ns, event.object.key.name};
      const bool is_of_pod = event.object.key.resource == kPolicyPods && told_.contains(id_of(pod));
      if (is_of_pod && event.type == EventType::deleted && !store_.snapshot().get(pod)) {
        late_.insert_or_assign(pod, std::move(event));
      } else {
        late_.erase(pod);  // a next pod of that name
        out_.push_back(std::move(event));
      }
    }
  }

  Status drain(const Key& key) {
    while (true) {
      const auto found = changes_.find(key);
      if (found == changes_.end()) {
        return ok();  // no pod names it any more
      }
      TRY(auto events, found->second->poll(kBatch));
      for (auto& event : events) {
        TRY_STATUS(take(key, std::move(event)));
      }
      if (events.size() < kBatch) {
        return ok();
      }
    }
  }

  Status take(const Key& source, store::Event event) {
    const auto type = event.type == store::Event::Type::added      ? EventType::added
                      : event.type == store::Event::Type::modified ? EventType::modified
                                                                   : EventType::deleted;
    if (source.resource == kPods) {
      return take_pod(type, std::move(event.object));
    }
    if (source.resource == kBlobs) {
      take_blob(type, event.object);
      return ok();
    }
    if (const auto named = named_.find(source); named != named_.end()) {
      named->second.last = type == EventType::deleted ? std::nullopt : std::optional(event.object);
    }
    out_.push_back({type, std::move(event.object)});
    return ok();
  }

  /// Told of while this node is to keep it.
  void take_blob(EventType type, const Stored& blob) {
    bool is_ours = false;
    for (const auto node : blob.root()["spec"]["nodes"].elements()) {
      is_ours = is_ours || (type != EventType::deleted && node.string() == node_.text);
    }
    if (is_ours) {
      const bool is_new = blobs_.insert(blob.key.name).second;
      out_.push_back({is_new ? EventType::added : EventType::modified, blob});
    } else if (blobs_.erase(blob.key.name) > 0) {
      out_.push_back({EventType::deleted, blob});
    }
  }

  /// What a pod names comes before the pod, and goes after it; so do its policies.
  Status take_pod(EventType type, Stored pod) {
    const auto key = pod.key;
    if (type == EventType::added) {
      take_policies();
    }
    std::vector<NamedAt> names;
    if (type != EventType::deleted) {
      TRY(names, follow_all(pod_references(pod)));
    }
    out_.push_back({type, std::move(pod)});
    for (const auto each : note_told(type, key, std::move(names))) {
      leave(each);
    }
    return ok();
  }

  /// What the pod named before.
  std::vector<NamedAt> note_told(EventType type, const Key& pod, std::vector<NamedAt> names) {
    if (type != EventType::deleted) {
      return std::exchange(told_[id_of(pod)], std::move(names));
    }
    if (auto late = late_.extract(pod)) {
      out_.push_back(std::move(late.mapped()));
    }
    auto gone = told_.extract(id_of(pod));
    return gone ? std::move(gone.mapped()) : std::vector<NamedAt>();
  }

  Result<std::vector<NamedAt>> follow_all(const std::vector<Key>& wanted) {
    std::vector<NamedAt> out;
    out.reserve(wanted.size());
    for (const auto& key : wanted) {
      TRY(const auto at, follow(key));
      out.push_back(at);
    }
    return out;
  }

  /// By one pod more.
  Result<NamedAt> follow(const Key& key) {
    const auto at = named_.try_emplace(key).first;
    if (at->second.pods++ > 0) {
      return at;
    }
    const auto snapshot = store_.snapshot();
    TRY_STATUS(subscribe(key, {key.resource, key.ns, "", key.name}, snapshot));
    at->second.last = snapshot.get(key);
    if (at->second.last) {
      out_.push_back({EventType::added, *at->second.last});
    }
    return at;
  }

  /// By one pod less.
  void leave(NamedAt at) {
    if (--at->second.pods > 0) {
      return;
    }
    if (at->second.last) {
      out_.push_back({EventType::deleted, *std::move(at->second.last)});
    }
    changes_.erase(at->first);
    named_.erase(at);
  }

  store::Store& store_;
  const NodeName node_;
  const std::chrono::seconds bookmark_interval_;
  std::vector<WatchEvent> out_;
  std::map<Key, Named> named_;
  std::set<std::string> blobs_;  ///< names of those that this node is to keep
  std::shared_ptr<Wakeups> wakeups_ = std::make_shared<Wakeups>();
  std::map<Key, std::unique_ptr<store::Subscription>> changes_;
  std::map<PodId, std::vector<NamedAt>> told_;  ///< the pods that the node knows: what each names
  std::map<Key, WatchEvent> late_;  ///< by pod: to be said when the pod is said to have gone
  std::unique_ptr<PolicyFeeds::View> policies_;
};

}  // namespace

Result<std::unique_ptr<client::Watch>> make_node_feed(const FeedSources& sources,
                                                      NodeName node,
                                                      std::chrono::seconds bookmark_interval) {
  auto feed = std::make_unique<NodeFeed>(sources, std::move(node), bookmark_interval);
  TRY_STATUS(feed->start(sources.pods));
  return std::unique_ptr<client::Watch>(std::move(feed));
}

}  // namespace tetrarch::registry
