// SPDX-License-Identifier: Apache-2.0
// Registry: what the API does to objects, whatever protocol asked. Each call authenticates nothing (the caller did),
// authorizes, decodes and validates by the schema, runs the kind's strategy (defaults, generation, immutable fields,
// status separation, finalizers), and commits to the store. Thread-safe; reads never block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "client/client.h"
#include "object/stored.h"
#include "schema/catalog.h"
#include "store/store.h"
#include "trust/identity.h"

namespace tetrarch::registry {

enum class FieldValidation : std::uint8_t { ignore, warn, strict };

/// One caller's request, for all verbs.
struct Call {
  trust::Identity identity;
  const schema::Kind* kind = nullptr;  ///< the version that the caller speaks
  std::string ns = {};
  std::string name = {};
  std::string subresource = {};
  std::string field_manager = {};
  FieldValidation field_validation = FieldValidation::warn;
  bool is_dry_run = false;
  /// Filled with texts for Warning headers.
  std::vector<std::string>* warnings = nullptr;
};

/// Kubernetes resourceVersion rules of get, list and watch (resourceVersion, resourceVersionMatch).
struct ReadAt {
  std::string resource_version = {};
  std::string match = {};  ///< "", "Exact", "NotOlderThan"
};

struct ListOptions {
  client::Selectors select = {};
  ReadAt at = {};
  std::size_t limit = 0;
  std::string continue_token = {};
};

struct WatchOptions {
  client::Selectors select = {};
  ReadAt at = {};
  bool wants_bookmarks = false;
  bool sends_initial_events = false;
};

/// Attributes of an authorization question that is not about a verb of ours (access reviews, non-resource paths).
struct Attributes {
  std::string verb;
  std::string group = {};
  std::string version = {};
  std::string resource = {};
  std::string subresource = {};
  std::string ns = {};
  std::string name = {};
  std::string path = {};  ///< non-resource requests
};

class Registry {
 public:
  struct Parts {
    const schema::Catalog& catalog;
    store::Store& store;
    const Clock& clock;
    Random& random;
  };

  virtual ~Registry() = default;

  virtual Task<Result<Stored>> get(Call call, ReadAt at) = 0;
  virtual Task<Result<client::ListPage>> list(Call call, ListOptions options) = 0;
  /// Documents are in the caller's version. An event's object carries its revision.
  virtual Task<Result<std::unique_ptr<client::Watch>>> watch(Call call, WatchOptions options) = 0;
  /// `json` is the body as sent: any JSON, decoded by the schema under call.field_validation. For subresources that
  /// are created (pods/binding, pods/eviction, serviceaccounts/token) the answer is that kind's object.
  virtual Task<Result<Stored>> create(Call call, std::string json, client::WriteOptions options) = 0;
  /// A metadata.resourceVersion in the body is a precondition.
  virtual Task<Result<Stored>> update(Call call, std::string json, client::WriteOptions options) = 0;
  virtual Task<Result<Stored>> patch(Call call, client::PatchType type, std::string body, client::WriteOptions options) = 0;
  virtual Task<Result<Stored>> remove(Call call, client::DeleteOptions options) = 0;
  /// The objects that were deleted or are now ending.
  virtual Task<Result<client::ListPage>> remove_collection(Call call, ListOptions which, client::DeleteOptions options) = 0;

  /// Code::forbidden with the sentence that Kubernetes prints, or ok.
  virtual Status authorize(const trust::Identity& identity, const Attributes& asked) const = 0;

  /// The in-process Client under that identity.
  virtual std::unique_ptr<client::Client> client(trust::Identity identity) = 0;
};

}  // namespace tetrarch::registry
