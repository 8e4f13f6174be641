// SPDX-License-Identifier: Apache-2.0
#include "app/node.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "agent/agent.h"
#include "app/config_values.h"
#include "app/machine.h"
#include "app/node_certificate.h"
#include "async/task_group.h"
#include "base/log.h"
#include "client/http/http_client.h"
#include "net/client.h"
#include "net/server.h"
#include "object/document.h"
#include "object/quantity.h"
#include "object/writer.h"
#include "reach/dialer.h"
#include "reach/requests.h"
#include "schema/catalog.h"
#include "trust/bearer_tokens.h"
#include "trust/ca.h"

namespace tetrarch::app {
namespace {

// Ours: the server counts a node as unreachable after four beats (reconcile/node_lifecycle.h).
constexpr std::chrono::seconds kBeat{2};
constexpr std::uint64_t kBlobMax = std::uint64_t{1} << 50U;

/// The folder of images that comes with the binary: beside it in a build tree, under share when
/// installed.
std::vector<std::filesystem::path> image_directories() {
  std::error_code ignored;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return {binary.parent_path().parent_path() / "images",
          binary.parent_path().parent_path() / "share" / "tetrarch" / "images"};
}

/// Clusters that share a network do not hear each other's frames.
Result<std::uint32_t> vni_of(std::string_view ca_pem) {
  TRY(const auto fingerprint, trust::public_key_fingerprint(ca_pem));
  std::uint32_t number = 0;
  std::from_chars(fingerprint.data(), fingerprint.data() + 6, number, 16);
  return std::max(number, 1U);
}

Result<agent::Options> agent_options(const Config& config, std::string_view ca_pem) {
  agent::Options options;
  options.node_name = config.node_name;
  options.data_directory = config.data_dir;
  options.image_directories = image_directories();
  options.node_address = config.advertise_address;
  options.pods_max = config.max_pods;
  TRY(const auto log_size, object::Quantity::parse(config.container_log_max_size));
  options.log_size_max_bytes = log_size.value();
  options.log_files_max = config.container_log_max_files;
  options.image_gc_high_percent = config.image_gc_high_threshold;
  options.image_gc_low_percent = config.image_gc_low_threshold;
  options.image_age_min = std::chrono::seconds(config.image_gc_minimum_age);
  options.image_age_max = std::chrono::seconds(config.image_gc_maximum_age);
  options.static_pods = config.static_pods;
  options.eviction_hard = config.eviction_hard;
  TRY(options.shutdown_grace, agent::parse_shutdown_grace(config.shutdown_grace));
  options.pressure_transition = std::chrono::seconds(config.eviction_pressure_transition_period);
  options.pod_cidr = config.pod_cidr;
  options.pod_transport = config.pod_transport;
  TRY(options.vni, vni_of(ca_pem));
  options.service_cidr = config.service_cidr;
  options.cluster_domain = config.cluster_domain;
  options.dns_address = dns_service_address(config);
  TRY(options.labels, parse_labels(config.node_labels));
  options.systemd_bus = config.systemd_bus;
  TRY(const auto metadata, parse_metadata(config.metadata));
  for (const auto& [key, value] : metadata) {
    options.metadata += fmt::format("{}{}={}", options.metadata.empty() ? "" : ",", key, value);
  }
  TRY(options.taints, parse_taints(config.node_taints));
  TRY(options.registry_mirrors, parse_mirrors(config.registry_mirrors));
  options.registry_logins = options.data_directory / "registry-credentials.json";
  options.blob_port = config.blob_port;
  return options;
}

net::TlsMaterial material_of(const trust::KeyPair& pair, const std::string& ca_pem) {
  return {pair.certificate_pem, pair.key_pem, ca_pem};
}

/// What commands on this machine ask of the agent, over a unix socket that only root may open.
class LocalHandler final : public net::Handler {
 public:
  LocalHandler(agent::Agent& agent, Metrics& metrics) : agent_(agent), metrics_(metrics) {}

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    if (request.path == "/metrics" && request.method == "GET") {
      co_await exchange.respond(200, {}, metrics_.text());
      co_return;
    }
    if (request.path == "/pods/end" && request.method == "POST") {
      co_await agent_.end_pods();
      co_await exchange.respond(200, {}, std::string());
      co_return;
    }
    if (request.path != "/images/load" || request.method != "POST") {
      co_await exchange.respond(404, {}, std::string("unknown request\n"));
      co_return;
    }
    const auto names = co_await agent_.load_image(request.body);
    std::string text;
    if (names.ok()) {
      for (const auto& name : *names) {
        text += name + "\n";
      }
    } else {
      text = names.error().message + "\n";
    }
    co_await exchange.respond(names.ok() ? 200 : 422, {}, std::move(text));
  }

 private:
  agent::Agent& agent_;
  Metrics& metrics_;
};

}  // namespace

reach::Dialer::Options dialer_options() {
  reach::Dialer::Options beats;
  beats.mux.ping_interval = kBeat;
  beats.mux.silence_limit = 4 * kBeat;
  beats.backoff_max = std::chrono::seconds(5);
  return beats;
}

std::string agent_socket(const std::string& data_dir) {
  return data_dir + "/agent.sock";
}

struct Node::Impl {
  Impl(const Config& given,
       NodeAccessKeys access,
       async::IoPool& io,
       async::BlockingPool& pool,
       Metrics& series)
      : config(given), keys(std::move(access)), io_pool(io), blocking(pool), metrics(series) {}

  Status make();
  Status make_tls();
  /// What every connection from now on shows.
  Status use_pair(const trust::KeyPair& pair);

  const Config& config;
  NodeAccessKeys keys;
  async::IoPool& io_pool;
  async::BlockingPool& blocking;
  Metrics& metrics;
  std::function<void(bool is_forced)> told_to_leave;
  std::unique_ptr<schema::Catalog> catalog;
  std::shared_ptr<net::TlsContext> tls;
  agent::PeerTls peers;
  std::unique_ptr<net::Client> connection;
  std::unique_ptr<net::Client> images;  ///< blobs have no limit of size
  std::unique_ptr<reach::Dialer> dialer;
  std::unique_ptr<reach::Requests> requests;
  std::unique_ptr<client::Client> client;
  std::unique_ptr<agent::Agent> agent;
  std::unique_ptr<CertificateRenewal> renewal;
  std::unique_ptr<async::TaskGroup> renewal_group;
  std::unique_ptr<LocalHandler> local;
  std::unique_ptr<net::Server> local_server;
};

Status Node::Impl::make_tls() {
  const auto shown = material_of(keys.credentials, keys.ca_pem);
  TRY(tls, net::TlsContext::for_client(shown));
  TRY(peers.server, net::TlsContext::for_server(shown));
  peers.client = tls;
  return ok();
}

Status Node::Impl::use_pair(const trust::KeyPair& pair) {
  const auto shown = material_of(pair, keys.ca_pem);
  TRY_STATUS(tls->reload(shown));
  return peers.server->reload(shown);
}

Status Node::Impl::make() {
  TRY(catalog, schema::Catalog::load_builtin());
  TRY_STATUS(make_tls());
  TRY(connection, net::Client::make({.url = keys.server_url}, tls));
  TRY(images, net::Client::make({.url = keys.server_url, .response_bytes_max = kBlobMax}, tls));
  auto answer = [this](std::string request, std::unique_ptr<reach::OpenedStream> stream) {
    auto dropped = stream->until_dropped();
    return agent->serve_reach(std::move(request), std::move(stream), std::move(dropped));
  };
  dialer = std::make_unique<reach::Dialer>(
      io_pool, *connection, NodeName(config.node_name), std::move(answer), dialer_options());
  requests = std::make_unique<reach::Requests>(*dialer, *connection);
  client = client::make_http_client(*requests, *catalog);
  TRY(auto options, agent_options(with_cluster_settings(config, keys.settings), keys.ca_pem));
  agent::Dependencies with{*client, io_pool, blocking, system_clock(), system_random(), metrics};
  with.catalog = catalog.get();
  with.images = images.get();
  with.peers = peers;
  with.on_leave = told_to_leave;
  options.is_control_plane = !keys.is_joined;
  agent = std::make_unique<agent::Agent>(std::move(options), with);
  const auto files = keys.is_joined ? std::optional(JoinFiles(config)) : std::nullopt;
  renewal = std::make_unique<CertificateRenewal>(
      CertificateRenewal::Parts{*client,
                                [this](const trust::KeyPair& pair) { return use_pair(pair); },
                                system_clock(),
                                system_random()},
      config.node_name,
      keys.credentials,
      files);
  renewal_group = std::make_unique<async::TaskGroup>(io_pool.strand(), "node certificate");
  local = std::make_unique<LocalHandler>(*agent, metrics);
  local_server =
      std::make_unique<net::Server>(io_pool, *local, net::ServerOptions{.name = "agent"});
  return local_server->listen_unix(agent_socket(config.data_dir), 0600);
}

Node::Node(const Config& config,
           NodeAccessKeys keys,
           async::IoPool& pool,
           async::BlockingPool& blocking,
           Metrics& metrics)
    : impl_(std::make_unique<Impl>(config, std::move(keys), pool, blocking, metrics)) {}

Node::~Node() = default;

void Node::on_leave(std::function<void(bool is_forced)> told) {
  impl_->told_to_leave = std::move(told);
}

Task<Status> Node::start() {
  CO_TRY_STATUS(impl_->make());
  CO_TRY_STATUS(co_await impl_->agent->run());
  impl_->dialer->run();
  impl_->renewal_group->spawn(impl_->renewal->run());
  impl_->local_server->run();
  co_return ok();
}

Task<void> Node::stop() {
  if (impl_->local_server) {
    co_await impl_->local_server->stop();
  }
  if (impl_->renewal_group) {
    co_await impl_->renewal_group->stop();
  }
  if (impl_->dialer) {
    co_await impl_->dialer->stop();
  }
  if (impl_->agent) {
    co_await impl_->agent->stop();
  }
}

namespace {

/// Of a machine that has joined, with its certificate.
Result<NodeAccessKeys> read_joined(const Config& config,
                                   const JoinFiles& files,
                                   trust::KeyPair pair) {
  NodeAccessKeys keys;
  keys.server_url = config.server;
  TRY(keys.ca_pem, read_file(files.ca()));
  keys.credentials = std::move(pair);
  keys.is_joined = true;
  // Not there where a version before joined.
  keys.settings = read_file(files.settings()).value_or("");
  if (read_file(files.server()).value_or("") != config.server) {
    TRY_STATUS(write_private_file(files.server(), config.server));
  }
  return keys;
}

}  // namespace

Task<Result<NodeAccessKeys>> join(const Config& config) {
  const JoinFiles files(config);
  CO_TRY(auto kept, read_pair(files));
  CO_TRY(const bool is_needed, needs_to_join(kept, config.token, system_clock().now()));
  if (!is_needed) {
    auto keys = read_joined(config, files, *std::move(kept));
    co_return keys;
  }
  CO_TRY(const auto token, trust::JoinToken::parse(config.token));
  CO_TRY(const auto request,
         trust::make_signing_request({"system:node:" + config.node_name, {"system:nodes"}}));
  // The server shows its chain up to the CA; the token says which CA that must be.
  net::TlsMaterial trusted;
  trusted.ca_fingerprint = token.ca_fingerprint;
  CO_TRY(auto tls, net::TlsContext::for_client(trusted));
  net::ClientOptions to;
  to.url = config.server;
  CO_TRY(const auto connection, net::Client::make(std::move(to), std::move(tls)));
  net::ClientRequest ask;
  ask.method = "POST";
  ask.target = "/tetrarch/v1/join";
  ask.headers.add("Content-Type", "application/json");
  object::Writer(ask.body)
      .begin_object()
      .field("node", config.node_name)
      .field("csr", request.csr_pem)
      .field("token", config.token)
      .end_object();
  CO_TRY(const auto answer, co_await connection->request(std::move(ask)));
  CO_TRY(const auto body, object::Document::parse(answer.body));
  if (answer.status != 200) {
    co_return Error{Code::forbidden,
                    fmt::format("the server refused: {}", body->root()["message"].string())};
  }
  const std::string ca(body->root()["ca"].string());
  CO_TRY(const auto fingerprint, trust::public_key_fingerprint(ca));
  if (fingerprint != token.ca_fingerprint) {
    co_return Error{Code::forbidden, "the server's CA is not the one that the token names"};
  }
  CO_TRY_STATUS(make_directory(files.folder));
  CO_TRY_STATUS(write_private_file(files.ca(), ca));
  CO_TRY_STATUS(write_private_file(files.settings(), std::string(body->root()["settings"].raw())));
  trust::KeyPair pair{std::string(body->root()["certificate"].string()), request.key_pem};
  CO_TRY_STATUS(write_pair(files, pair));
  log::info("agent", "joined {} as {}", config.server, config.node_name);
  auto keys = read_joined(config, files, std::move(pair));
  co_return keys;
}

}  // namespace tetrarch::app
