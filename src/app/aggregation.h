// SPDX-License-Identifier: Apache-2.0
// Aggregation: what the control plane needs so that other API servers can serve behind its own: the
// front proxy's CA and certificate, the API's Aggregator, and the loop that says whom it reaches.
// Made, started and stopped by ControlPlane.
#pragma once

#include <memory>
#include <string>

#include "api/kubernetes/aggregator.h"
#include "async/task_group.h"
#include "base/result.h"
#include "control/availability_loop.h"
#include "control/cache.h"
#include "reconcile/every_controller.h"
#include "trust/ca.h"

namespace tetrarch::app {

class Aggregation {
  struct Private {};  // only make() makes one

 public:
  struct Parts {
    const schema::Catalog& catalog;
    client::Client& client;  ///< of the aggregator itself
    std::function<api::kubernetes::Aggregator::Streaming(NodeName node, std::string request)>
        open_node;
    std::string advertise_address;  ///< host:port, for discovery
  };

  /// The front proxy's CA is in `directory`, made there at the first start.
  Aggregation(Private, Parts parts, trust::CertificateAuthority authority);
  static Result<std::unique_ptr<Aggregation>> make(Parts parts, const std::string& directory);

  api::kubernetes::Aggregator& aggregator() { return aggregator_; }

  /// What controllers keep: APIServices of ours, and what other servers know us and our users by.
  void add_settings(reconcile::ClusterSettings& settings, const std::string& client_ca_pem) const;
  /// Before the cache runs, on its strand from then on.
  void follow(control::Cache& cache);
  void run(async::TaskGroup& group);
  /// A new certificate of the front proxy, in use from now on; before any request.
  Result<std::string> issue();

 private:
  const Parts parts_;
  const trust::CertificateAuthority authority_;
  api::kubernetes::Aggregator aggregator_;
  std::unique_ptr<control::AvailabilityLoop> loop_;
  bool has_news_ = false;  // on the control strand
};

}  // namespace tetrarch::app
