// SPDX-License-Identifier: Apache-2.0
// Aggregator: what other API servers serve behind this one. It knows them from APIServices, which
// app hands on as they change; opens connections to them, each of which shows the front proxy's
// certificate; asks each what it has; and keeps the discovery documents of everything together.
// Made by app, outlives the API's handler. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/kubernetes/api.h"
#include "api/kubernetes/documents.h"
#include "api/kubernetes/remote_api.h"
#include "async/task.h"
#include "client/client.h"
#include "net/client.h"
#include "schema/openapi.h"
#include "trust/ca.h"

namespace tetrarch::api::kubernetes {

struct Endpoint;

class Aggregator {
 public:
  using Streaming = Task<Result<std::unique_ptr<net::Stream>>>;

  struct Parts {
    client::Client& client;  ///< may read services, endpoint slices and pods
    const schema::Catalog& catalog;
    const Clock& clock;
    Random& random;
    /// As NodeAccess::open.
    std::function<Streaming(NodeName node, std::string request_json)> open_node;
    /// To what is no pod of the cluster.
    std::function<Streaming(std::string host, std::uint16_t port)> dial;
    Options options = {};
  };

  explicit Aggregator(Parts parts);
  ~Aggregator();
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  /// What connections show from now on. Before configure().
  void use_credentials(trust::KeyPair credentials);
  /// All APIServices that there are.
  void configure(const std::vector<Stored>& api_services);

  /// Who serves that version; null: this server does, or nobody.
  std::shared_ptr<const RemoteApi> find(std::string_view group, std::string_view version) const;

  bool has_remotes() const { return has_remotes_.load(std::memory_order_acquire); }

  std::vector<std::shared_ptr<const RemoteApi>> remotes() const;
  /// Discovery with theirs in it; null: there are none.
  std::shared_ptr<const Documents> documents() const;

  /// A connection to one of the endpoints, TLS included. Code::unavailable, Code::timeout.
  Streaming open(std::shared_ptr<const RemoteApi> api) const;
  /// A GET in the aggregator's own name.
  Task<Result<net::Response>> ask(std::shared_ptr<const RemoteApi> api, std::string target) const;

  /// What others say in OpenAPI 2, and documents made of that and ours.
  struct Described {
    SteadyPoint asked;
    std::vector<schema::ForeignApi> apis;
    std::shared_ptr<KeptDocuments> kept;  // shared by those who were told the same
  };

  /// Null: there are no others. Asks them, where that was not done lately.
  Task<std::shared_ptr<const Described>> describe();
  /// Asks what it has; discovery says what was answered. An error says in Kubernetes' words why the
  /// server cannot be used.
  Task<Status> probe(std::string name);

 private:
  struct Snapshot {
    std::map<std::pair<std::string, std::string>, std::shared_ptr<const RemoteApi>, std::less<>>
        apis;
    std::shared_ptr<const Documents> documents;
  };

  std::shared_ptr<net::TlsContext> tls_for(const RemoteApi& api) const;
  std::shared_ptr<const RemoteApi> by_name(std::string_view name) const;
  void note_probe(const RemoteApi& asked, DocumentPtr resources, std::string openapi_url);
  void publish(Snapshot next);
  Task<Result<std::vector<Endpoint>>> endpoints_of(std::shared_ptr<const RemoteApi> api) const;
  Streaming open_endpoint(std::shared_ptr<const RemoteApi> api, Endpoint endpoint) const;
  Streaming open_any(std::shared_ptr<const RemoteApi> api) const;
  Task<Result<net::Response>> ask_at_leisure(std::shared_ptr<const RemoteApi> api,
                                             net::ClientRequest request) const;
  Task<std::vector<schema::ForeignApi>> ask_descriptions() const;
  Task<std::string> find_openapi(std::shared_ptr<const RemoteApi> api) const;

  const Parts parts_;
  mutable std::mutex mutex_;  // guards all below but has_remotes_
  trust::KeyPair credentials_;
  Snapshot now_;
  std::shared_ptr<const Described> described_;
  std::atomic<bool> has_remotes_ = false;
};

}  // namespace tetrarch::api::kubernetes
