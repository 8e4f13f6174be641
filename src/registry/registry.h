// SPDX-License-Identifier: Apache-2.0
// Registry: what the API does to objects, whatever protocol asked. Each call authenticates nothing
// (the caller did), authorizes, decodes and validates by the schema, runs the kind's strategy
// (defaults, generation, immutable fields, status separation, finalizers), and commits to the
// store. Thread-safe; reads never block.
#pragma once

#include <chrono>
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

namespace tetrarch::trust {
class CertificateAuthority;
class StaticTokens;
class TokenKeys;
}  // namespace tetrarch::trust

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
  /// From within the process: controllers, the scheduler, the agent beside the server. What they
  /// create is not tracked in managedFields (docs/adr/0029).
  bool is_internal = false;
  /// Filled with texts for Warning headers.
  std::vector<std::string>* warnings = nullptr;
  /// Told whether an update or an apply has created the object.
  bool* was_created = nullptr;
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
  /// Unset: as ever, what is there is told where no version is given. False: it is not told even
  /// then. True: it is told, up to an annotated bookmark, whatever version is given.
  std::optional<bool> sends_initial_events = {};
};

/// Attributes of an authorization question that is not about a verb of ours (access reviews,
/// non-resource paths).
struct Attributes {
  std::string verb;  ///< "get", "list" …; for non-resource paths the lower-case method
  std::string group = {};
  std::string version = {};
  std::string resource = {};
  std::string subresource = {};
  std::string ns = {};
  std::string name = {};
  std::string path = {};  ///< non-resource requests
  std::string fields =
      {};  ///< field selector of a list, watch or deletecollection (nodes may see their own pods)
};

/// What the operator chose. Addresses are IPv4 text.
struct Options {
  std::string service_cidr = "10.43.0.0/16";
  int node_port_min = 30000;
  int node_port_max = 32767;
  /// Snapshots kept for lists that are being paged through; the oldest goes first.
  std::size_t paged_snapshots_max = 64;
  std::chrono::seconds paged_snapshot_age_max{300};
  /// What service account tokens say of who issued them; also their audience where none is asked
  /// for.
  std::string token_issuer = "https://kubernetes.default.svc.cluster.local";
  /// Whether requests that show nothing are system:anonymous (RBAC then says what that may) or
  /// refused.
  bool allows_anonymous = true;
  /// The longest that a certificate lasts which is signed for a CertificateSigningRequest.
  std::chrono::seconds certificate_validity_max{std::chrono::hours{24 * 365}};
  /// How often a quiet watch gets a bookmark.
  std::chrono::seconds bookmark_interval{60};
};

/// What a request shows of who sends it.
struct Credentials {
  /// Subject of a client certificate that the TLS layer has verified; empty without one.
  std::string certificate_user = {};
  std::vector<std::string> certificate_groups = {};
  /// The value of the Authorization header; empty without one.
  std::string authorization = {};
  /// Whom a bearer token must be meant for; empty: the API server itself.
  std::string audience = {};
};

class Registry {
 public:
  struct Parts {
    const schema::Catalog& catalog;
    store::Store& store;
    const Clock& clock;
    Random& random;
    /// Sign and check service account tokens; null: there are none.
    const trust::TokenKeys* token_keys = nullptr;
    /// Tokens of the operator's own; null: there are none.
    const trust::StaticTokens* static_tokens = nullptr;
    /// Signs what is approved of CertificateSigningRequests; null: nothing is signed here.
    const trust::CertificateAuthority* ca = nullptr;
  };

  virtual ~Registry() = default;

  /// Makes what must exist before the first request: the system namespaces, the `kubernetes`
  /// Service, the bootstrap roles and bindings (brought back to what they grant at least), priority
  /// classes, flow schemas and priority levels. Safe to repeat.
  virtual Task<Status> bootstrap() = 0;

  virtual Task<Result<Stored>> get(Call call, ReadAt at) = 0;
  /// Code::expired for a stale continue token: then error.fields has one entry of reason
  /// "ListContinue" whose message is a token that continues inconsistently (metadata.continue of
  /// the Status). Code::timeout with a field of reason ResourceVersionTooLarge for a revision that
  /// does not exist yet.
  virtual Task<Result<client::ListPage>> list(Call call, ListOptions options) = 0;
  /// Documents are in the caller's version. An event's object carries its revision. A bookmark's
  /// document has kind, apiVersion and metadata (with the annotation k8s.io/initial-events-end
  /// where it ends the initial events), so it is printed like any other. call.name empty.
  virtual Task<Result<std::unique_ptr<client::Watch>>> watch(Call call, WatchOptions options) = 0;
  /// `json` is the body as sent: any JSON, decoded by the schema under call.field_validation. For
  /// subresources that are created (pods/binding, pods/eviction, serviceaccounts/token) the answer
  /// is that kind's object.
  virtual Task<Result<Stored>> create(Call call,
                                      std::string json,
                                      client::WriteOptions options) = 0;
  /// A metadata.resourceVersion in the body is a precondition. Of PatchType::apply the body is YAML
  /// or JSON; it creates what is not there.
  virtual Task<Result<Stored>> update(Call call,
                                      std::string json,
                                      client::WriteOptions options) = 0;
  virtual Task<Result<Stored>> patch(Call call,
                                     client::PatchType type,
                                     std::string body,
                                     client::WriteOptions options) = 0;
  /// The last state. It has a deletionTimestamp where the object is still ending (answer with the
  /// object), none where it went at once (answer with a Status of success, but for pods, which
  /// always answer with themselves).
  virtual Task<Result<Stored>> remove(Call call, client::DeleteOptions options) = 0;
  /// The objects that were deleted or are now ending.
  virtual Task<Result<client::ListPage>> remove_collection(Call call,
                                                           ListOptions which,
                                                           client::DeleteOptions options) = 0;

  /// Who sent a request: a bearer token first, else the certificate, else system:anonymous.
  /// Code::unauthenticated for a token that is wrong, expired or whose account (or pod) is gone.
  virtual Result<trust::Identity> authenticate(const Credentials& shown) const = 0;
  /// Code::forbidden with the sentence that Kubernetes prints, or ok.
  virtual Status authorize(const trust::Identity& identity, const Attributes& asked) const = 0;

  /// The in-process Client under that identity. It must not outlive the registry.
  virtual std::unique_ptr<client::Client> client(trust::Identity identity) = 0;
};

/// The parts must outlive the registry.
std::unique_ptr<Registry> make_registry(Registry::Parts parts, Options options);

}  // namespace tetrarch::registry
