// SPDX-License-Identifier: Apache-2.0
// Strategy: what is particular about one kind, as data and a few hooks. Generic code asks it; a
// kind without an entry gets what its schema says. A kind with behaviour has a file
// strategy_<kind>.cc and a line in strategies.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "client/client.h"
#include "registry/draft.h"
#include "registry/errors.h"
#include "registry/registry.h"
#include "schema/catalog.h"
#include "store/store.h"

namespace tetrarch::registry {

class Authorizer;

/// What the whole registry shares; everything in it outlives every request.
struct Surroundings {
  const schema::Catalog& catalog;
  store::Store& store;
  const Clock& clock;
  Random& random;
  const Options& options;
  const Authorizer& authorizer;
  /// Signs certificates; null: nothing is signed here.
  const trust::CertificateAuthority* ca = nullptr;
};

/// One write being planned, against one snapshot. A hook may add compares and mutations (claims) to
/// the transaction.
struct Write {
  const Surroundings& here;
  const Call& call;
  const store::Snapshot& snapshot;
  store::Transaction& transaction;
  /// RFC 3339, of this write.
  std::string now;

  void warn(std::string text) const {
    if (call.warnings != nullptr) {
      call.warnings->push_back(std::move(text));
    }
  }
};

/// A field that selectors of a kind may name.
struct SelectableField {
  std::string_view label;        ///< "spec.nodeName"
  std::string_view path = {};    ///< where it is, if not at `label`
  std::string_view absent = {};  ///< what an absent value counts as
};

struct Strategy {
  bool has_status = false;  ///< main updates keep status, status updates keep the rest
  bool counts_generation =
      false;  ///< metadata.generation counts changes of what is not metadata or status
  bool creates_on_update = false;            ///< PUT to a free name creates
  bool updates_unconditionally = true;       ///< PUT without a resourceVersion overwrites
  bool orphans_by_default = false;           ///< a delete that says nothing lets dependents go
  std::string_view orphan_warning = {};      ///< said to who relies on that
  std::vector<SelectableField> fields = {};  ///< beyond metadata.name and metadata.namespace

  /// Admission and defaults of a new object.
  Status (*on_create)(Write& write, Draft& draft) = nullptr;
  /// Before a main-resource update; `old` is what is stored.
  Status (*on_update)(Write& write, object::View old, Draft& draft) = nullptr;
  /// Before a status update.
  Status (*on_status)(Write& write, object::View old, Draft& draft) = nullptr;
  /// Takes from `fresh` what the subresource of the call may change; the rest of the draft is what
  /// is stored. Null: the kind has no such subresource.
  Status (*on_part)(Write& write, object::View fresh, Draft& draft) = nullptr;
  /// Rules that the schema does not state; `old` is absent on create.
  void (*check)(object::View fresh, object::View old, FieldErrors& faults) = nullptr;
  /// The same, of what does not come from within: our own controllers may more.
  void (*check_from_outside)(object::View fresh, object::View old, FieldErrors& faults) = nullptr;
  /// Seconds that a delete leaves it; null: none. `asked` is what the caller wants.
  std::int64_t (*grace)(object::View old, std::optional<std::int64_t> asked) = nullptr;
  /// When it begins to end.
  void (*on_end)(Draft& draft) = nullptr;
  /// Whether this may be removed at all.
  Status (*on_remove)(Write& write, object::View old) = nullptr;
  /// In the transaction that removes it for good.
  void (*on_gone)(Write& write, object::View old) = nullptr;
};

/// The strategy of a storage kind.
Strategy strategy_for(const schema::Kind& kind);

Strategy pods_strategy();
Strategy services_strategy();
Strategy endpoints_strategy();
Strategy endpoint_slices_strategy();
Strategy namespaces_strategy();
Strategy nodes_strategy();
Strategy secrets_strategy();
Strategy events_strategy();
Strategy deployments_strategy();
Strategy replica_sets_strategy();
Strategy controller_revisions_strategy();
Strategy daemon_sets_strategy();
Strategy replication_controllers_strategy();
Strategy jobs_strategy();
Strategy cron_jobs_strategy();
Strategy roles_strategy();
Strategy role_bindings_strategy();
Strategy runtime_classes_strategy();
Strategy priority_classes_strategy();
Strategy leases_strategy();
Strategy disruption_budgets_strategy();
Strategy resource_quotas_strategy();
Strategy limit_ranges_strategy();
Strategy signing_requests_strategy();
Strategy flow_schemas_strategy();
Strategy priority_levels_strategy();
Strategy ingress_classes_strategy();
Strategy ingresses_strategy();
Strategy network_policies_strategy();
Strategy ip_addresses_strategy();
Strategy service_cidrs_strategy();
Strategy device_classes_strategy();
Strategy resource_slices_strategy();
Strategy api_services_strategy();
Strategy units_strategy();
Strategy unit_states_strategy();

}  // namespace tetrarch::registry
