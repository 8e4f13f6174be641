// SPDX-License-Identifier: Apache-2.0
#include "app/aggregation.h"

#include <utility>
#include <vector>

#include "api/kubernetes/groups.h"
#include "net/stream_dial.h"
#include "reconcile/api_services.h"

namespace tetrarch::app {
namespace {

// Source: kubeadm: who the front proxy is, and who alone may be one.
constexpr std::string_view kFrontProxy = "front-proxy-client";
constexpr std::string_view kAuthority = "front-proxy-ca";
constexpr std::chrono::seconds kDialMax{5};

api::kubernetes::Aggregator::Parts aggregator_parts(const Aggregation::Parts& parts) {
  api::kubernetes::Options options;
  options.advertise_address = parts.advertise_address;
  return {
      .client = parts.client,
      .catalog = parts.catalog,
      .clock = system_clock(),
      .random = system_random(),
      .open_node = parts.open_node,
      .dial = [](std::string host,
                 std::uint16_t port) { return net::dial_stream(std::move(host), port, kDialMax); },
      .options = std::move(options)};
}

}  // namespace

Aggregation::Aggregation(Private, Parts parts, trust::CertificateAuthority authority)
    : parts_(std::move(parts)),
      authority_(std::move(authority)),
      aggregator_(aggregator_parts(parts_)) {}

Result<std::unique_ptr<Aggregation>> Aggregation::make(Parts parts, const std::string& directory) {
  TRY(auto authority,
      trust::CertificateAuthority::load_or_create(directory, kAuthority, system_clock().now()));
  return std::make_unique<Aggregation>(Private{}, std::move(parts), std::move(authority));
}

Result<std::string> Aggregation::issue() {
  TRY(auto pair, authority_.issue_client({std::string(kFrontProxy), {}}, system_clock().now()));
  auto certificate = pair.certificate_pem;
  aggregator_.use_credentials(std::move(pair));
  return certificate;
}

void Aggregation::add_settings(reconcile::ClusterSettings& settings,
                               const std::string& client_ca_pem) const {
  for (auto& json : api::kubernetes::local_api_services(parts_.catalog)) {
    settings.local_api_services.push_back(Document::from_canonical(std::move(json)));
  }
  // Source: Kubernetes documentation, "Configure the Aggregation Layer".
  settings.authentication = {{"client-ca-file", client_ca_pem},
                             {"requestheader-allowed-names", R"(["front-proxy-client"])"},
                             {"requestheader-client-ca-file", authority_.certificate_pem()},
                             {"requestheader-extra-headers-prefix", R"(["X-Remote-Extra-"])"},
                             {"requestheader-group-headers", R"(["X-Remote-Group"])"},
                             {"requestheader-uid-headers", R"(["X-Remote-Uid"])"},
                             {"requestheader-username-headers", R"(["X-Remote-User"])"}};
}

void Aggregation::follow(control::Cache& cache) {
  cache.listen([this](const reconcile::Observed& change) {
    has_news_ = has_news_ || change.any().key.resource == reconcile::kApiServices;
  });
  cache.on_progress([this, &cache] {
    if (!std::exchange(has_news_, false)) {
      return;
    }
    std::vector<Stored> all;
    for (const auto* object : cache.mirror().list(reconcile::kApiServices)) {
      all.push_back(*object);
    }
    aggregator_.configure(all);
  });
  loop_ = std::make_unique<control::AvailabilityLoop>(
      control::AvailabilityLoop::Parts{parts_.client, cache, system_clock()},
      [this](std::string name) { return aggregator_.probe(std::move(name)); });
}

void Aggregation::run(async::TaskGroup& group) {
  loop_->run(group);
}

}  // namespace tetrarch::app
