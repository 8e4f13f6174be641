// SPDX-License-Identifier: Apache-2.0
// Documents that say what this server serves: discovery (plain and aggregated), version, the list
// of paths. Built once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/api.h"
#include "async/task.h"

namespace tetrarch::api::kubernetes {

struct Served {
  std::string body;
  std::string content_type;
  std::string etag;  ///< with its quotes
};

Served make_served(std::string body, std::string_view content_type);

/// Large documents that few ask for: each is built when first asked for, then kept, so that its
/// hash is computed once. Thread-safe.
class KeptDocuments {
 public:
  /// Null where `build` makes an empty one (which is not kept: names come from clients).
  const Served* get(const std::string& name, const std::function<Served()>& build);

 private:
  std::mutex mutex_;
  std::map<std::string, Served> kept_;
};

/// Immutable once built, but for what is kept; shared by all connections.
struct Documents {
  std::map<std::string, Served, std::less<>> plain;       ///< by path
  std::map<std::string, Served, std::less<>> aggregated;  ///< by path and version: "/apis v2"
  std::unique_ptr<KeptDocuments> openapi = std::make_unique<KeptDocuments>();
  const Served* find(std::string_view path) const;
};

struct Group;

/// Of groups in their order.
Documents make_documents(const std::vector<Group>& groups, const Options& options);

struct Context;
/// 200 with the document, or 304 where the client has it already. `caching` replaces what other
/// answers say of caching.
Task<Status> respond_served(Context& context, const Served& served, std::string_view caching = "");

/// Fills the maps; discovery_aggregated.cc and discovery.cc.
void add_discovery(Documents& out, const std::vector<Group>& groups, const Options& options);
void add_aggregated(Documents& out, const std::vector<Group>& groups);

}  // namespace tetrarch::api::kubernetes
