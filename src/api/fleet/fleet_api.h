// SPDX-License-Identifier: Apache-2.0
// fleet's HTTP API v1 over the cluster's objects, for an unmodified fleetctl. It translates and
// never decides: units are objects, and controllers, the scheduler and agents do the rest. Source:
// fleet reference, sections 2, 3 and 8.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/fleet/kept_list.h"
#include "api/fleet/machine_document.h"
#include "api/fleet/unit_document.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "client/client.h"
#include "net/http.h"

namespace tetrarch::api::fleet {

struct Options {
  std::string ns = "fleet";  ///< where the units are
  std::string version = "1.0.0";
  /// All that /metrics shows, from this room's own; empty: those alone.
  std::function<std::string(const Metrics& own)> metrics = {};
};

/// Thread-safe: it has no state but what the client keeps, counters, and the lists that are being
/// read page by page.
class FleetApi final : public net::Handler {
 public:
  /// `client` acts as the dialect's own identity. It and `clock` outlive the handler.
  FleetApi(client::Client& client, const Clock& clock, Options options);

  Task<void> handle(net::Request request, net::Exchange& exchange) override;
  net::ErrorBody error_body(int status, std::string_view message) const override;

  /// Frees the lists that nobody reads on. Whoever serves the API calls it now and then.
  void drop_old_lists();

 private:
  struct Answer {
    int status = 200;
    std::string body = {};
  };

  Task<Answer> answer(const net::Request& request);
  Task<Answer> answer_units(const net::Request& request, std::string_view name);
  Task<Answer> answer_machines(const net::Request& request);
  Task<Answer> answer_states(const net::Request& request, std::string_view name);

  Task<Answer> list_units(const net::Request& request);
  Task<Answer> get_unit(std::string_view name);
  Task<Answer> put_unit(const net::Request& request, std::string_view name);
  Task<Answer> delete_unit(std::string_view name);
  Task<Answer> list_states(const net::Request& request);
  Task<Answer> get_state(std::string_view name);
  Task<Answer> list_machines(const net::Request& request);
  Task<Answer> patch_machines(const net::Request& request);

  /// One try of a PUT; nothing: somebody else wrote first, and it is to be tried again.
  Task<std::optional<Answer>> try_put(const UnitBody& body, std::string_view name);
  Task<std::optional<Answer>> create(const UnitBody& body, std::string_view name);
  Task<std::optional<Answer>> replace(const UnitBody& body, const Stored& unit);
  Task<std::optional<Answer>> set_state(const UnitBody& body, const Stored& unit);
  Task<std::optional<Answer>> write(const Stored& unit, UnitSpec spec, int status);

  Key unit_key(std::string_view name) const { return {kUnits, options_.ns, std::string(name)}; }

  Task<Result<std::vector<Stored>>> all(const char* resource);
  Task<Result<std::vector<Stored>>> all_states(std::string machine, std::string unit);
  Task<Result<std::vector<Machine>>> machines();
  Task<Result<Stored>> write_overlay(const MetadataChange& change);
  Task<Status> change_metadata(const MetadataChange& change);

  static Answer refuse(int status, std::string_view message);
  static Answer refuse(const Error& error);
  std::string metrics_text() const;
  void count(const Answer& answer, SteadyPoint begun);

  client::Client& client_;
  const Clock& clock_;
  const Options options_;
  KeptList units_;
  KeptList states_;
  Metrics metrics_;
  Counter& operations_;
  Counter& failures_;
  Histogram& seconds_;
};

/// The service's own description, as Google's clients read it. `host` is what the client calls us.
std::string discovery_document(std::string_view host);

}  // namespace tetrarch::api::fleet
