// SPDX-License-Identifier: Apache-2.0
// Client: how every part but the store reads and changes objects. Two real forms: in process
// (registry) and HTTP (client/http). Both act under one identity, so authorization and admission
// hold for controllers and dialects too.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "async/task.h"
#include "base/ids.h"
#include "base/result.h"
#include "object/stored.h"

namespace tetrarch::client {

enum class EventType : std::uint8_t { added, modified, deleted, bookmark };

/// A bookmark carries only object.revision. A deleted object carries its last state and the
/// deletion's revision.
struct WatchEvent {
  EventType type = EventType::added;
  Stored object;
};

/// A stream of events in revision order. Not thread-safe; belongs to the coroutine that reads it.
/// Destroying it ends the watch.
class Watch {
 public:
  virtual ~Watch() = default;
  /// At least one event. Code::expired: fell behind or the revision is compacted; list again.
  /// Code::unavailable: the connection is gone; watch again from the last revision.
  virtual Task<Result<std::vector<WatchEvent>>> next() = 0;
};

struct Selectors {
  std::string labels = {};  ///< Kubernetes label selector text; empty: everything
  std::string fields = {};  ///< Kubernetes field selector text
};

struct ListQuery {
  std::string resource;  ///< "pods", "deployments.apps"
  std::string ns = {};   ///< empty: all namespaces
  Selectors select = {};
  std::size_t limit = 0;  ///< 0: all
  std::string continue_token = {};
};

struct ListPage {
  Revision revision;  ///< of the snapshot: where a watch continues
  std::vector<Stored> items;
  std::string continue_token;  ///< empty: this was the last page
  std::size_t remaining = 0;   ///< known only without selectors
};

struct WatchQuery {
  std::string resource;
  std::string ns = {};
  Selectors select = {};
  Revision from =
      {};  ///< events after this one; 0: the present state as added events first, then a bookmark
};

struct WriteOptions {
  std::string subresource = {};   ///< "status", "scale", "binding" …; empty: the object itself
  Revision expected = {};         ///< 0: whatever is there
  std::string expected_uid = {};  ///< empty: whatever is there
  std::string field_manager = {};
  bool is_dry_run = false;
  bool is_forced = false;  ///< an applied configuration takes what other managers have set
};

enum class Propagation : std::uint8_t { unset, background, foreground, orphan };

struct DeleteOptions {
  std::optional<std::int64_t> grace_seconds = {};
  Revision expected = {};
  std::string expected_uid = {};
  Propagation propagation = Propagation::unset;
  bool is_dry_run = false;
};

/// `apply`: the body is a configuration, as YAML or JSON, and becomes the object's if there is
/// none.
enum class PatchType : std::uint8_t { json, merge, strategic, apply };

/// One change of a batch.
struct Change {
  enum class Verb : std::uint8_t { create, update, remove };
  Verb verb = Verb::update;
  Key key;
  DocumentPtr document = nullptr;  ///< the whole new object; null for remove
  WriteOptions write = {};         ///< for create and update
  DeleteOptions remove = {};       ///< for remove
};

class Client {
 public:
  virtual ~Client() = default;
  virtual Task<Result<Stored>> get(Key key) = 0;
  virtual Task<Result<ListPage>> list(ListQuery query) = 0;
  virtual Task<Result<std::unique_ptr<Watch>>> watch(WatchQuery query) = 0;
  /// `document` carries its metadata.name, or metadata.generateName; `ns` empty for cluster-scoped
  /// kinds.
  virtual Task<Result<Stored>> create(std::string resource,
                                      std::string ns,
                                      DocumentPtr document,
                                      WriteOptions options) = 0;
  virtual Task<Result<Stored>> update(Key key, DocumentPtr document, WriteOptions options) = 0;
  virtual Task<Result<Stored>> patch(Key key,
                                     PatchType type,
                                     std::string body,
                                     WriteOptions options) = 0;
  /// The object as it was last: with a deletionTimestamp while it is still ending.
  virtual Task<Result<Stored>> remove(Key key, DeleteOptions options) = 0;
  /// Independent changes, made durable together (one fsync); one answer each, in order. In process
  /// this is one store batch; over HTTP, one request each.
  virtual Task<std::vector<Result<Stored>>> apply(std::vector<Change> changes) = 0;
  /// What one node's agent needs and nothing else: its Node, its Pods, the Secrets, ConfigMaps,
  /// ServiceAccounts and RuntimeClasses that they name, all Services, EndpointSlices and
  /// NodeRoutes, its NodePolicies and PolicyPods. First all of it as `added`, then one bookmark
  /// ("synced"), then changes; `deleted` also when an object no longer concerns the node.
  virtual Task<Result<std::unique_ptr<Watch>>> feed(NodeName node) = 0;
};

}  // namespace tetrarch::client
