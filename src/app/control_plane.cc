// SPDX-License-Identifier: Apache-2.0
#include "app/control_plane.h"

#include <filesystem>
#include <optional>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "api/distribution/distribution.h"
#include "api/kubernetes/api.h"
#include "app/aggregation.h"
#include "app/audit_setup.h"
#include "app/config_values.h"
#include "app/fleet_server.h"
#include "app/image_visits.h"
#include "app/keys.h"
#include "app/machine.h"
#include "app/rotation.h"
#include "app/token_secret.h"
#include "base/log.h"
#include "base/time_zone.h"
#include "control/controller_manager.h"
#include "control/scheduler_loop.h"
#include "net/server.h"
#include "reach/hub.h"
#include "reach/requests.h"
#include "reconcile/every_controller.h"
#include "registry/flow_policy.h"
#include "registry/registry.h"
#include "schema/catalog.h"
#include "store/backup.h"
#include "store/journal_rocksdb.h"
#include "store/store.h"
#include "trust/at_rest.h"
#include "trust/attempt_limit.h"
#include "trust/bearer_tokens.h"
#include "trust/kubeconfig.h"
#include "trust/secret_file.h"
#include "trust/service_account_token.h"

namespace tetrarch::app {
namespace {

constexpr std::string_view kRoom = "server";
constexpr std::string_view kFleetUser = "system:fleet";
constexpr std::chrono::seconds kSilentMax{8};              // as long as its agent counts as there
constexpr std::chrono::milliseconds kRenewalPatience{50};  // nobody waits for a lease

trust::Identity acting_as(std::string user) {
  return {.user = std::move(user),
          .groups = {std::string(trust::kMasters), std::string(trust::kAuthenticated)}};
}

/// Roles hold for it as for anybody.
trust::Identity plain(std::string_view user) {
  return {.user = std::string(user), .groups = {std::string(trust::kAuthenticated)}};
}

/// What the registry begins a cluster with is kept while it runs.
std::vector<reconcile::KeptFlow> kept_flows() {
  std::vector<reconcile::KeptFlow> out;
  for (auto& object : registry::flow_policy()) {
    auto document = Document::from_canonical(std::move(object.json));
    const std::string name(document->root()["metadata"]["name"].string());
    out.push_back(
        {Key{object.resource, "", name}, std::move(document), registry::is_mandatory_flow(name)});
  }
  return out;
}

}  // namespace

struct ControlPlane::Impl {
  Impl(const Config& given, async::IoPool& io, async::BlockingPool& threads, Metrics& series)
      : config(given), pool(io), blocking(threads), metrics(series) {}

  std::filesystem::path directory() const {
    return std::filesystem::path(config.data_dir) / "server";
  }

  Status open_trust();
  Status expect_store(const std::filesystem::path& place) const;
  Status open_store();

  std::string token_issuer() const {
    return "https://kubernetes.default.svc." + config.cluster_domain;
  }

  Result<registry::Options> registry_options() const;
  Status make_registry();
  Result<net::TlsMaterial> server_material() const;
  Result<std::string> show_certificate();
  Status make_aggregation();
  Status listen();
  void make_control();
  void follow_flows();
  api::kubernetes::Parts api_parts();
  api::distribution::Parts image_parts();
  Task<void> attach(NodeName node, net::Peer peer, std::unique_ptr<net::Stream> stream);
  Result<trust::Identity> identify(const net::Peer& peer, const std::string& token) const;
  Task<Result<trust::Identity>> authenticate(net::Peer peer, std::string token) const;
  Task<Status> check_join_token(std::string token, std::string address);
  Result<std::string> write_kubeconfig() const;
  Task<Status> write_join_token();

  const Config& config;
  async::IoPool& pool;
  async::BlockingPool& blocking;
  Metrics& metrics;
  std::string advertise;
  std::uint16_t port = 0;
  std::unique_ptr<schema::Catalog> catalog;
  std::optional<trust::CertificateAuthority> ca;
  std::shared_ptr<RestKeys> rest_keys;
  std::optional<trust::TokenKeys> token_keys;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<client::Client> controller_client;
  std::unique_ptr<client::Client> scheduler_client;
  std::unique_ptr<client::Client> aggregator_client;
  trust::AttemptLimit join_attempts;
  reach::Hub hub;
  std::unique_ptr<Aggregation> aggregation;
  std::unique_ptr<AuditSetup> audit;
  std::unique_ptr<api::kubernetes::Fairness> fairness;
  bool has_new_flows = false;  // on the control strand
  std::unique_ptr<api::kubernetes::Api> api;
  std::unique_ptr<api::distribution::Distribution> images;
  std::shared_ptr<net::TlsContext> tls;
  std::unique_ptr<net::Server> server;
  std::unique_ptr<async::TaskGroup> agents;  // their connections
  std::unique_ptr<FleetServer> fleet;
  asio::any_io_executor control_strand;
  std::unique_ptr<control::ControllerManager> manager;
  std::unique_ptr<control::EventRecorder> scheduler_events;
  std::unique_ptr<control::SchedulerLoop> scheduler;
  std::unique_ptr<async::TaskGroup> scheduler_group;
  Rotation rotation;  // on the strand of what follows
  std::unique_ptr<async::TaskGroup> background;
};

Status ControlPlane::Impl::open_trust() {
  TRY_STATUS(make_directory(config.data_dir));
  TRY_STATUS(make_directory(directory()));
  const auto place = directory().string();
  TRY(auto authority,
      trust::CertificateAuthority::load_or_create(place, "ca", system_clock().now()));
  ca.emplace(std::move(authority));
  TRY(auto keys, trust::KeyRing::load_or_create(encryption_key_file(config), system_random()));
  rest_keys = std::make_shared<RestKeys>(std::move(keys));
  TRY(auto tokens, trust::TokenKeys::load_or_create(token_key_file(config)));
  token_keys.emplace(std::move(tokens));
  return ok();
}

/// Whoever has a join token has run before: an empty store would be a loss, not a beginning.
Status ControlPlane::Impl::expect_store(const std::filesystem::path& place) const {
  const auto token = std::filesystem::path(config.data_dir) / "join-token";
  if (std::filesystem::exists(place) || !std::filesystem::exists(token)) {
    return ok();
  }
  return Error{Code::internal,
               fmt::format("the store {} is missing, though a cluster has run from here. `tetrarch "
                           "store restore BACKUP --data-dir {} --force` brings it back; to begin "
                           "an empty one remove {}",
                           place.string(),
                           config.data_dir,
                           token.string())};
}

Status ControlPlane::Impl::open_store() {
  const auto place = directory() / "store";
  TRY_STATUS(expect_store(place));
  TRY(auto journal, store::open_rocksdb_journal({.directory = place.string()}));
  store::Options options;
  options.sealing = sealing_with(rest_keys);
  options.history_events_max = static_cast<std::size_t>(config.watch_history);
  options.volatile_patience = kRenewalPatience;
  options.metrics = &metrics;
  TRY(store, store::Store::open(std::move(journal), std::move(options)));
  return ok();
}

Result<registry::Options> ControlPlane::Impl::registry_options() const {
  registry::Options options;
  options.service_cidr = config.service_cidr;
  options.token_issuer = token_issuer();
  options.certificate_validity_max = std::chrono::seconds(config.certificate_seconds);
  TRY(const auto ports, parse_port_range(config.service_node_ports));
  options.node_port_min = ports.min;
  options.node_port_max = ports.max;
  return options;
}

Status ControlPlane::Impl::make_registry() {
  TRY(catalog, schema::Catalog::load_builtin());
  TRY(auto options, registry_options());
  registry = registry::make_registry({.catalog = *catalog,
                                      .store = *store,
                                      .clock = system_clock(),
                                      .random = system_random(),
                                      .token_keys = &*token_keys,
                                      .ca = &*ca},
                                     std::move(options));
  controller_client = registry->client(acting_as("system:kube-controller-manager"));
  scheduler_client = registry->client(acting_as("system:kube-scheduler"));
  aggregator_client = registry->client(acting_as("system:kube-aggregator"));
  fleet = std::make_unique<FleetServer>(pool, registry->client(plain(kFleetUser)), metrics);
  return ok();
}

Result<trust::Identity> ControlPlane::Impl::identify(const net::Peer& peer,
                                                     const std::string& token) const {
  registry::Credentials shown;
  shown.certificate_user = peer.certificate_common_name;
  shown.certificate_groups = peer.certificate_organizations;
  shown.authorization = token.empty() ? "" : "Bearer " + token;
  return registry->authenticate(shown);
}

Task<Result<trust::Identity>> ControlPlane::Impl::authenticate(net::Peer peer,
                                                               std::string token) const {
  co_return identify(peer, token);
}

/// A join token carries the CA's fingerprint in front of the part that we know.
Task<Status> ControlPlane::Impl::check_join_token(std::string token, std::string address) {
  const auto now = system_clock().now();
  const auto from = trust::without_port(address);
  if (const auto wait = join_attempts.wait_of(from, now); wait.count() > 0) {
    Error error{Code::exhausted,
                fmt::format("too many wrong join tokens came from {}: try again later", from)};
    error.retry_after_s = static_cast<int>(wait.count());
    co_return error;
  }
  const auto join = trust::JoinToken::parse(token);
  if (join.ok()) {
    token = join->bootstrap.text();
  }
  const auto who = identify({}, token);
  if (!who.ok() || !who->is_in("system:bootstrappers")) {
    join_attempts.note_failure(from, now);
    co_return Error{Code::unauthenticated, "this join token is not known or has expired"};
  }
  co_return ok();
}

api::kubernetes::Parts ControlPlane::Impl::api_parts() {
  api::kubernetes::NodeAccess nodes;
  nodes.check_join_token = [this](std::string token, std::string address) {
    return check_join_token(std::move(token), std::move(address));
  };
  nodes.sign = [this](std::string_view csr, const NodeName& node) {
    const trust::Subject subject{std::string(trust::kNodeUserPrefix) + node.text,
                                 {std::string(trust::kNodes)}};
    return ca->sign(
        csr, subject, {}, system_clock().now(), std::chrono::seconds(config.certificate_seconds));
  };
  nodes.ca_pem = ca->certificate_pem();
  nodes.settings = cluster_settings(config);
  nodes.open = [this](NodeName node, std::string request) {
    return hub.open_checked(std::move(node), std::move(request));
  };
  nodes.attach = [this](NodeName node, net::Peer peer, std::unique_ptr<net::Stream> stream) {
    return attach(std::move(node), std::move(peer), std::move(stream));
  };
  api::kubernetes::Parts parts{.registry = *registry,
                               .catalog = *catalog,
                               .metrics = metrics,
                               .fairness = *fairness,
                               .clock = system_clock(),
                               .random = system_random(),
                               .authenticate =
                                   [this](net::Peer peer, std::string token) {
                                     return authenticate(std::move(peer), std::move(token));
                                   },
                               .nodes = std::move(nodes)};
  parts.checks.push_back(
      {"controllers", false, [this] { return manager && manager->cache().is_synced(); }});
  parts.token_issuer = {token_issuer(), [this] { return token_keys->jwks(); }};
  parts.audit = audit ? &audit->log : nullptr;
  parts.begin_backup = [this]() -> api::kubernetes::NextPiece {
    const auto source = std::make_shared<store::BackupSource>(  // shared by copies of the function
        store->snapshot(),
        sealing_with(rest_keys),
        system_clock().now());
    return [source] { return source->next(); };
  };
  parts.options.advertise_address = fmt::format("{}:{}", advertise, port);
  parts.aggregator = &aggregation->aggregator();
  return parts;
}

/// What an agent asks over its connection is asked of the same server, by whoever dialled.
Task<void> ControlPlane::Impl::attach(NodeName node,
                                      net::Peer peer,
                                      std::unique_ptr<net::Stream> stream) {
  const auto strand = co_await asio::this_coro::executor;
  auto take = [this, strand, peer](std::string_view wanted, std::unique_ptr<net::Stream> opened) {
    if (wanted == reach::kApiStream) {
      server->take(strand, std::move(opened), peer);
    }  // else closed, which refuses it
  };
  reach::Mux::OnOpen on_open = std::move(take);
  agents->spawn_on(strand, hub.attach(std::move(node), std::move(stream), std::move(on_open)));
}

api::distribution::Parts ControlPlane::Impl::image_parts() {
  api::distribution::Parts parts{
      .registry = *registry,
      .clock = system_clock(),
      .random = system_random(),
      .authenticate =
          [this](net::Peer peer, std::string token) {
            return authenticate(std::move(peer), std::move(token));
          },
      .open =
          [this](NodeName node, std::string request) {
            return hub.open_checked(std::move(node), std::move(request));
          },
      .nodes =
          [this] {
            std::vector<std::string> out;
            for (auto& sign : hub.signs()) {
              if (sign.silence < kSilentMax) {
                out.push_back(std::move(sign.node));
              }
            }
            return out;
          },
      .visits = make_image_visits(
          {*fairness, audit ? &audit->log : nullptr, system_clock(), system_random()}),
      .relayed = metrics.counter("tetrarch_image_relayed_bytes_total",
                                 "Bytes of images that passed through this server.")};
  for (const auto& name : {advertise,
                           host_name(),
                           local_host(config),
                           std::string("127.0.0.1"),
                           std::string("localhost")}) {
    parts.own_names.push_back(fmt::format("{}:{}", name, port));
  }
  return parts;
}

Result<net::TlsMaterial> ControlPlane::Impl::server_material() const {
  trust::ServerNames names;
  names.dns = {"kubernetes",
               "kubernetes.default",
               "kubernetes.default.svc",
               "kubernetes.default.svc." + config.cluster_domain,
               "localhost",
               host_name()};
  names.ips = {"127.0.0.1", advertise, kubernetes_service_address(config), local_host(config)};
  TRY(auto pair, ca->issue_server({"tetrarch-server", {}}, names, system_clock().now()));
  // The CA goes along in the chain: a joining machine knows only its fingerprint.
  const auto chain = pair.certificate_pem + ca->certificate_pem();
  net::TlsMaterial material{chain, pair.key_pem, ca->certificate_pem()};
  material.speaks_http2 = true;
  return material;
}

/// A new certificate, on every connection from now on.
Result<std::string> ControlPlane::Impl::show_certificate() {
  TRY(const auto material, server_material());
  if (tls) {
    TRY_STATUS(tls->reload(material));
  } else {
    TRY(tls, net::TlsContext::for_server(material));
  }
  return material.certificate_pem;
}

Status ControlPlane::Impl::make_aggregation() {
  TRY(aggregation,
      Aggregation::make({.catalog = *catalog,
                         .client = *aggregator_client,
                         .open_node =
                             [this](NodeName node, std::string request) {
                               return hub.open_checked(std::move(node), std::move(request));
                             },
                         .advertise_address = fmt::format("{}:{}", advertise, port)},
                        directory().string()));
  return rotation.add("the front proxy's certificate", [this] { return aggregation->issue(); });
}

Status ControlPlane::Impl::listen() {
  TRY(const auto where, parse_listen(config.api_listen));
  TRY_STATUS(rotation.add("the server's certificate", [this] { return show_certificate(); }));
  port = where.port;
  TRY(audit, open_audit(config, blocking, metrics));
  api::kubernetes::FairnessLimits limits;
  limits.seats = static_cast<std::size_t>(config.max_requests_inflight);
  fairness = std::make_unique<api::kubernetes::Fairness>(limits, metrics);
  TRY_STATUS(make_aggregation());
  api = api::kubernetes::make_kubernetes_api(api_parts());
  net::ServerOptions options;
  options.name = "api";
  images = api::distribution::make_distribution(image_parts());
  options.uploads = {images.get(), api.get()};
  agents = std::make_unique<async::TaskGroup>(pool.strand(), "agents");
  server = std::make_unique<net::Server>(pool, *api, std::move(options));
  TRY(port, server->listen(where.host, where.port, tls));
  server->run();
  return ok();
}

/// Who is served when follows the objects that say it, through the controllers' cache.
void ControlPlane::Impl::follow_flows() {
  auto& cache = manager->cache();
  cache.listen([this](const reconcile::Observed& change) {
    const auto& resource = change.any().key.resource;
    has_new_flows = has_new_flows || resource == registry::kFlowSchemas ||
                    resource == registry::kPriorityLevels;
  });
  cache.on_progress([this, &cache] {
    const auto objects_of = [&cache](std::string_view resource) {
      std::vector<Stored> out;
      for (const auto* object : cache.mirror().list(resource)) {
        out.push_back(*object);
      }
      return out;
    };
    if (!has_new_flows) {
      return;
    }
    api::kubernetes::FlowObjects objects{objects_of(registry::kFlowSchemas),
                                         objects_of(registry::kPriorityLevels)};
    if (objects.schemas.empty() || objects.levels.empty()) {
      return;  // one of the two is not listed yet
    }
    has_new_flows = false;
    fairness->configure(objects);
  });
}

void ControlPlane::Impl::make_control() {
  reconcile::ClusterSettings settings;
  settings.ca_pem = ca->certificate_pem();
  settings.advertise_address = advertise;
  settings.advertise_port = port;
  settings.kubernetes_service_ip = kubernetes_service_address(config);
  settings.pod_cidr = config.pod_cidr;
  settings.time_zones = &load_time_zone;
  settings.kept_flows = kept_flows();
  settings.images.grace = std::chrono::seconds(config.registry_gc_grace);
  aggregation->add_settings(settings, ca->certificate_pem());
  control::ControllerManager::Options options;
  options.resources = control::mirrored_resources(*catalog);
  options.election.identity = "server-" + config.node_name;
  options.signs = [this] {
    std::vector<std::pair<std::string, std::chrono::nanoseconds>> out;
    for (auto& sign : hub.signs()) {
      out.emplace_back(std::move(sign.node), sign.silence);
    }
    return out;
  };
  control_strand = pool.strand();
  manager = std::make_unique<control::ControllerManager>(
      control::ControllerManager::Parts{
          *controller_client, system_clock(), system_random(), metrics},
      std::move(options),
      reconcile::every_controller(*catalog, settings),
      control_strand);
  scheduler_events = std::make_unique<control::EventRecorder>(
      *scheduler_client, system_clock(), system_random(), metrics, "default-scheduler");
  scheduler = std::make_unique<control::SchedulerLoop>(control::SchedulerLoop::Parts{
      *scheduler_client, manager->cache(), *scheduler_events, system_clock(), metrics});
  scheduler_group = std::make_unique<async::TaskGroup>(control_strand, "scheduler");
  follow_flows();
  aggregation->follow(manager->cache());
  manager->run();
  scheduler->run(*scheduler_group);
  aggregation->run(*scheduler_group);
  scheduler_group->spawn(scheduler_events->run());
}

Result<std::string> ControlPlane::Impl::write_kubeconfig() const {
  const auto path = std::filesystem::path(config.data_dir) / "admin.kubeconfig";
  TRY(auto pair,
      ca->issue_client({"kubernetes-admin", {std::string(trust::kMasters)}}, system_clock().now()));
  auto certificate = pair.certificate_pem;
  const auto text = trust::make_kubeconfig({.server = local_url(config, port),
                                            .ca_pem = ca->certificate_pem(),
                                            .user = "kubernetes-admin",
                                            .credentials = std::move(pair)});
  TRY_STATUS(write_private_file(path, text));
  return certificate;
}

/// The first start leaves a token with which further machines join.
Task<Status> ControlPlane::Impl::write_join_token() {
  const auto path = std::filesystem::path(config.data_dir) / "join-token";
  if (std::filesystem::exists(path)) {
    co_return ok();
  }
  const auto token = trust::BootstrapToken::make(system_random());
  auto document = Document::from_canonical(token_secret(token));
  client::WriteOptions options;
  const auto made = co_await controller_client->create(
      "secrets", "kube-system", std::move(document), std::move(options));
  if (!made.ok()) {
    co_return made.error();
  }
  co_return write_private_file(path, trust::JoinToken{ca->fingerprint(), token}.text() + "\n");
}

ControlPlane::ControlPlane(const Config& config,
                           async::IoPool& pool,
                           async::BlockingPool& blocking,
                           Metrics& metrics)
    : impl_(std::make_unique<Impl>(config, pool, blocking, metrics)) {}

ControlPlane::~ControlPlane() = default;

Task<Status> ControlPlane::start() {
  Impl& impl = *impl_;
  impl.advertise = advertised_host(impl.config);
  if (impl.advertise.empty()) {
    impl.advertise = default_address();
  }
  CO_TRY_STATUS(impl.open_trust());
  CO_TRY_STATUS(impl.open_store());
  CO_TRY_STATUS(impl.make_registry());
  CO_TRY_STATUS(co_await impl.registry->bootstrap());
  CO_TRY_STATUS(impl.listen());
  impl.make_control();
  CO_TRY_STATUS(impl.fleet->start(impl.config));
  CO_TRY_STATUS(impl.rotation.add("admin.kubeconfig", [&impl] { return impl.write_kubeconfig(); }));
  CO_TRY_STATUS(co_await impl.write_join_token());
  impl.background = std::make_unique<async::TaskGroup>(impl.pool.strand(), "background");
  impl.background->spawn(impl.rotation.run(system_clock()));
  impl.background->spawn(impl.images->keep());
  if (impl.rest_keys->has_seen_old()) {
    impl.background->spawn(reseal(*impl.store));  // a rotation that was cut off goes on
  }
  log::info(kRoom, "the API answers at https://{}:{}", impl.advertise, impl.port);
  co_return ok();
}

Task<void> ControlPlane::stop() {
  Impl& impl = *impl_;
  if (impl.background) {
    co_await impl.background->stop();
  }
  if (impl.scheduler_group) {
    co_await impl.scheduler_group->stop();
  }
  if (impl.manager) {
    co_await impl.manager->stop();
  }
  if (impl.fleet) {
    co_await impl.fleet->stop();
  }
  impl.hub.close_all();
  if (impl.server) {
    co_await impl.server->stop();
  }
  if (impl.agents) {
    co_await impl.agents->stop();
  }
}

Status ControlPlane::reload_keys() {
  Impl& impl = *impl_;
  TRY(const auto text, trust::read_file(encryption_key_file(impl.config)));
  TRY(auto ring, trust::KeyRing::from_text(text));
  TRY(const auto pem, trust::read_file(token_key_file(impl.config)));
  TRY(auto tokens, trust::TokenKeys::from_pem(pem));
  impl.token_keys->replace(std::move(tokens));
  if (impl.rest_keys->replace(std::move(ring))) {
    impl.background->spawn(reseal(*impl.store));
  }
  log::info(kRoom, "the keys are read again");
  return ok();
}

std::string ControlPlane::ca_pem() const {
  return impl_->ca->certificate_pem();
}

std::uint16_t ControlPlane::port() const {
  return impl_->port;
}

Result<trust::KeyPair> ControlPlane::node_credentials(const std::string& node_name) const {
  return impl_->ca->issue_client(
      {std::string(trust::kNodeUserPrefix) + node_name, {std::string(trust::kNodes)}},
      system_clock().now(),
      std::chrono::seconds(impl_->config.certificate_seconds));
}

}  // namespace tetrarch::app
