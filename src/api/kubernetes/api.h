// SPDX-License-Identifier: Apache-2.0
// The Kubernetes REST API over the registry, as a handler of HTTP requests. It translates and never
// decides: paths to calls, errors to Status objects, objects to the representation that the client
// asked for.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/audit.h"
#include "api/kubernetes/fairness.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "net/http.h"
#include "net/upload_handler.h"
#include "registry/registry.h"
#include "schema/catalog.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

/// Who shows this certificate or this token (`Authorization: Bearer`, empty: none)?
/// Code::unauthenticated: nobody we know. Not asked where there is neither.
using Authenticate =
    std::function<Task<Result<trust::Identity>>(net::Peer peer, std::string token)>;

/// How nodes join and are reached. app fills these from reach::Hub, trust::CertificateAuthority and
/// the registry.
struct NodeAccess {
  /// Whether a machine at that address that shows this token may join. Code::unauthenticated where
  /// not; Code::exhausted where too many wrong ones came from there.
  std::function<Task<Status>(std::string token, std::string address)> check_join_token;
  /// A client certificate (PEM) for system:node:<name> from a signing request (PEM).
  std::function<Result<std::string>(std::string_view csr_pem, const NodeName& node)> sign;
  /// What nodes trust the servers by (PEM).
  std::string ca_pem;
  /// What a joining machine must know of the cluster: a JSON object.
  std::string settings = "{}";
  /// Asks a node's agent (one JSON line) and gives the stream behind its answer, or the agent's
  /// refusal.
  std::function<Task<Result<std::unique_ptr<net::Stream>>>(NodeName node, std::string request_json)>
      open;
  /// Takes an agent's connection over, on its strand, and returns: nothing of the request that it
  /// came by is kept for as long as the node is connected. What the agent asks over it is asked by
  /// `peer`.
  std::function<Task<void>(NodeName node, net::Peer peer, std::unique_ptr<net::Stream> connection)>
      attach;
};

/// How others check the cluster's service account tokens. An empty issuer: it is not told.
struct TokenIssuer {
  std::string issuer = {};
  /// A JSON Web Key Set of the public keys of now.
  std::function<std::string()> keys = {};
};

/// One line of /readyz, /livez and /healthz.
struct HealthCheck {
  std::string name;
  bool is_for_liveness = false;  ///< else only for readiness
  std::function<bool()> is_ok;
};

/// The next piece of a body that is made while it is sent; empty: the end.
using NextPiece = std::function<Result<std::string>()>;

struct Options {
  std::string git_version = "v1.35.0+tetrarch";
  std::string build_date = "1970-01-01T00:00:00Z";
  std::string git_commit = {};
  /// host:port that discovery names as the server's address.
  std::string advertise_address = "127.0.0.1:6443";
  std::chrono::seconds watch_timeout_min{1800};  ///< without timeoutSeconds: this to twice this
  /// A client that takes longer for one batch is cut.
  std::chrono::seconds slow_client_max{60};
  /// How long the agent may take to answer the head of a log, exec or port-forward request.
  std::chrono::seconds reach_deadline{30};
};

class Aggregator;

/// All of it outlives the handler.
struct Parts {
  registry::Registry& registry;
  const schema::Catalog& catalog;
  Metrics& metrics;
  Fairness& fairness;
  const Clock& clock;
  Random& random;
  Authenticate authenticate;
  NodeAccess nodes;
  std::vector<HealthCheck> checks = {};
  Options options = {};
  TokenIssuer token_issuer = {};
  const AuditLog* audit = nullptr;  ///< null: no audit log
  /// Begins a backup of the store as it is now.
  std::function<NextPiece()> begin_backup = {};
  /// What other servers serve behind this one; null: nothing.
  Aggregator* aggregator = nullptr;
};

/// Takes in pieces what it passes on, by whatever path.
class Api : public net::Handler, public net::UploadHandler {
 public:
  using net::Handler::handle;
  using net::UploadHandler::handle;
};

std::unique_ptr<Api> make_kubernetes_api(Parts parts);

}  // namespace tetrarch::api::kubernetes
