// SPDX-License-Identifier: Apache-2.0
// The real Network: bridge by netlink, service tables in nftables, DNS on the node.
#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "agent/network/affinity.h"
#include "agent/network/bridge.h"
#include "agent/network/client_map.h"
#include "agent/network/cni_config.h"
#include "agent/network/dns_server.h"
#include "agent/network/flows.h"
#include "agent/network/netlink.h"
#include "agent/network/network.h"
#include "agent/network/nft.h"
#include "agent/network/policy_table.h"
#include "agent/network/routes.h"
#include "agent/network/service_rules.h"
#include "agent/network/side_network.h"
#include "agent/network/torn_files.h"
#include "async/blocking.h"
#include "base/log.h"

namespace tetrarch::agent::network {
namespace {

constexpr std::string_view kRoom = "network";
// Ours: a try fails where a client has been led elsewhere since it was listed.
constexpr int kForgetTries = 3;

std::string bridge_name(const Options& options) {
  return "tet-" + options.instance;
}

std::string table_name(const Options& options) {
  return "tetrarch_" + options.instance;
}

/// Apart from the other: what fails in one is not in the other's way.
std::string policy_table_name(const Options& options) {
  return table_name(options) + "_policies";
}

std::string vxlan_name(const Options& options) {
  return "tetv-" + options.instance;
}

/// Which routes of this machine may be ours, for tear_down.
std::filesystem::path routes_note(const Options& options) {
  return options.directory / "routes-within";
}

SideOptions side_options(const Options& options, const std::string& node_address) {
  return {options.instance, options.directory / "side", parse_ipv4(node_address).value_or(0)};
}

std::filesystem::path switches_note(const Options& options) {
  return options.directory / "switches-before";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// By rename, so that the runtime never reads half a file. Unchanged content is left alone:
/// containerd reloads on every write.
Status write_file(const std::filesystem::path& path, const std::string& content) {
  if (read_file(path) == content) {
    return ok();
  }
  const auto fresh = path.string() + ".new";
  {
    std::ofstream file(fresh);
    file << content;
    if (!file.flush()) {
      return Error{Code::internal, fmt::format("cannot write {}", fresh)};
    }
  }
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  return error ? Status(Error{Code::internal,
                              fmt::format("cannot rename {}: {}", fresh, error.message())})
               : ok();
}

Result<NftOptions> nft_options(const Options& options, const std::string& node_pod_cidr) {
  NftOptions out;
  TRY(out.pod_cidr, Ipv4Range::parse(node_pod_cidr));
  TRY(out.cluster_pod_cidr, Ipv4Range::parse(options.cluster_pod_cidr));
  TRY(out.service_cidr, Ipv4Range::parse(options.service_cidr));
  out.table = table_name(options);
  out.bridge = bridge_name(options);
  out.dns_address = options.dns_address;
  out.vxlan = vxlan_name(options);
  return out;
}

ZoneOptions zone_options(const Options& options) {
  const auto pods = Ipv4Range::parse(options.cluster_pod_cidr);
  const auto services = Ipv4Range::parse(options.service_cidr);
  return {options.cluster_domain, pods.value_or({}), services.value_or({}), options.dns_address};
}

class NodeNetwork final : public Network {
 public:
  NodeNetwork(Options options, async::BlockingPool& blocking, const Clock& clock)
      : options_(std::move(options)),
        blocking_(blocking),
        clock_(clock),
        table_(options_.node_name),
        routes_(options_.node_name),
        policies_("ip " + policy_table_name(options_)),
        zone_(zone_options(options_), table_) {}

  Task<Status> set_up(std::string node_pod_cidr, std::string node_address) override;
  Task<Status> apply(std::vector<Change> changes, bool is_whole) override;
  Task<Status> keep_routes() override;
  Task<void> stop() override;

  bool admit(const LocalPod& pod) override { return policies_.admit(pod); }

  void release(const std::string& uid) override { policies_.release(uid); }

  bool is_limited(const std::string& uid) const override { return policies_.is_limited(uid); }

  const HealthPortsByService& health_ports() const override { return table_.health_ports(); }

  std::filesystem::path cni_conf_directory() const override { return options_.directory / "cni"; }

  std::filesystem::path cni_bin_directory() const override { return options_.cni_bin_directory; }

  std::string dns_address() const override { return options_.dns_address; }

 private:
  Status set_up_links();
  void remove_torn_records() const;
  void restore_side();
  Status write_cni();
  Status sync_peers();
  Status start_dns(asio::any_io_executor strand);
  Task<Status> render();
  Status run_services(const std::string& text, bool is_replacing);
  void hold_clients();
  Status forget_strays(const std::string& protocol);
  Task<Status> render_policies();
  Task<void> forget_flows();

  const Options options_;
  async::BlockingPool& blocking_;
  const Clock& clock_;
  Nft nft_;           // used on the blocking pool, one call at a time: the strand awaits each
  HeldClients held_;  // likewise
  ClientReader client_reader_;  // likewise
  ServiceTable table_;
  RouteTable routes_;
  PolicyTable policies_;
  DnsZone zone_;
  std::unique_ptr<DnsServer> dns_;
  NftOptions rules_;
  std::optional<ServiceRules> services_;  // once rules_ is known
  std::string node_address_;
  std::optional<SideNetworks> side_;  // used on the blocking pool, as nft_
  bool are_routes_wanted_ = false;    // others than the kernel's
  bool is_set_up_ = false;
  bool is_filled_ = false;         // apply() has been called
  bool has_frame_ = false;         // the table in the kernel is ours, of this process
  bool has_policy_frame_ = false;  // the same of policies
};

Status NodeNetwork::set_up_links() {
  std::error_code error;
  std::filesystem::create_directories(cni_conf_directory(), error);
  remove_torn_records();
  const auto gateway = fmt::format("{}/{}", ipv4_text(rules_.pod_cidr.at(1)), rules_.pod_cidr.bits);
  TRY_STATUS(ensure_bridge({rules_.bridge, {gateway, options_.dns_address + "/32"}}));
  TRY_STATUS(ensure_switches(rules_.bridge, switches_note(options_)));
  restore_side();
  return write_cni();
}

/// What an earlier process left; one that cannot be made must not keep the node from its own.
void NodeNetwork::restore_side() {
  side_.emplace(side_options(options_, node_address_));
  if (const auto done = side_->restore(); !done.ok()) {
    log::error(kRoom, "further networks of pods: {}", done.error().message);
  }
}

void NodeNetwork::remove_torn_records() const {
  // Source: libcni, CacheDir; host-local, "Files": <dataDir>/<network>/<address>.
  const auto boot = boot_time(read_file("/proc/stat"));
  const auto leases = options_.directory / "leases" / rules_.bridge;
  const auto first = rules_.pod_cidr.text();
  const auto count = remove_torn_files("/var/lib/cni/results", rules_.bridge + "-", boot) +
                     remove_torn_files(leases, first.substr(0, first.find('.') + 1), boot);
  if (count > 0) {
    log::warning(kRoom, "removed {} records that a power cut had left empty", count);
  }
}

/// Blocking; reads routes_, which the strand leaves alone while it awaits this.
Status NodeNetwork::sync_peers() {
  TRY_STATUS(write_file(routes_note(options_), rules_.cluster_pod_cidr.text() + "\n"));
  TRY(const auto segments, read_segments({rules_.bridge, rules_.vxlan}));
  const auto peers = routes_.peers(segments);
  RouteOptions routes;
  routes.vxlan = rules_.vxlan;
  routes.vni = options_.vni;
  routes.own_pods = rules_.pod_cidr;
  routes.own_address = routes_.own_address().value_or(0);
  routes.cluster_pods = rules_.cluster_pod_cidr;
  return sync_routes(routes, peers, segments);
}

Status NodeNetwork::write_cni() {
  TRY(const auto segments, read_segments({rules_.bridge, rules_.vxlan}));
  CniOptions cni{rules_.bridge, rules_.pod_cidr, options_.directory / "leases"};
  for (const auto& segment : segments) {
    if (ipv4_text(segment.address) == node_address_) {
      cni.mtu = segment.mtu;
    }
  }
  return write_file(cni_conf_directory() / "10-tetrarch.conflist", render_conflist(cni));
}

Status NodeNetwork::start_dns(asio::any_io_executor strand) {
  if (dns_) {
    return ok();
  }
  auto upstreams = read_upstreams(read_file("/etc/resolv.conf"), options_.dns_address);
  auto server = std::make_unique<DnsServer>(
      DnsOptions{options_.dns_address, 53, std::move(upstreams)}, zone_, system_random());
  TRY_STATUS(server->start(std::move(strand)));
  dns_ = std::move(server);
  return ok();
}

Task<Status> NodeNetwork::set_up(std::string node_pod_cidr, std::string node_address) {
  node_address_ = std::move(node_address);
  CO_TRY(auto rules, nft_options(options_, node_pod_cidr));
  rules_ = std::move(rules);
  services_.emplace(rules_);
  table_.touch_all();
  auto links = [this] { return set_up_links(); };
  CO_TRY_STATUS(co_await async::run_blocking(blocking_, std::move(links)));
  CO_TRY_STATUS(start_dns(co_await asio::this_coro::executor));
  is_set_up_ = true;
  has_frame_ = false;
  are_routes_wanted_ = true;
  log::info(
      kRoom, "bridge {} with {}, DNS on {}", rules_.bridge, node_pod_cidr, options_.dns_address);
  // What an earlier process left in the kernel serves on until we know the services: replacing it
  // by an empty frame would refuse connections meanwhile.
  if (!is_filled_) {
    co_return ok();
  }
  co_return co_await apply({}, false);
}

/// A whole list after a relist mostly equals what is in force: only differences are written.
Task<Status> NodeNetwork::render() {
  services_->update(table_, table_.take_touched());
  const bool is_replacing = !has_frame_;
  auto text = is_replacing ? services_->take_whole() : services_->take_change();
  if (!text.empty()) {
    has_frame_ = false;  // until it is done; after an error the next call replaces everything
    auto run = [this, text = std::move(text), is_replacing] {
      return run_services(text, is_replacing);
    };
    CO_TRY_STATUS(co_await async::run_blocking(blocking_, std::move(run)));
    has_frame_ = true;
    services_->clear_parted();
  }
  if (services_->take_moved_datagrams() || is_replacing) {
    co_await forget_flows();
  }
  co_return ok();
}

/// Blocking; reads services_, which the strand leaves alone while it awaits this.
Status NodeNetwork::run_services(const std::string& text, bool is_replacing) {
  if (is_replacing) {
    hold_clients();
  }
  const auto clients = held_.put_back(rules_.table, text, clock_.steady());
  TRY_STATUS(nft_.run(clients.empty() ? text : text + clients.front()));
  for (std::size_t i = 1; i < clients.size(); ++i) {
    // Of so many, some may have come back meanwhile, and not to where they were.
    if (const auto done = nft_.run(clients[i]); !done.ok()) {
      log::warning(kRoom, "clients of a service may be led anew: {}", done.error().message);
    }
  }
  for (const auto& protocol : services_->parted()) {
    if (const auto done = forget_strays(protocol); !done.ok()) {
      // Each that is still led there is forgotten by the packet filter when it comes.
      log::warning(kRoom, "clients of endpoints that are gone: {}", done.error().message);
    }
  }
  return ok();
}

/// The table is replaced whether or not its clients can be read.
void NodeNetwork::hold_clients() {
  StickyClients clients;
  for (const char* const protocol : kProtocols) {
    auto read = client_reader_.read(rules_.table, protocol);
    if (read.ok()) {
      clients[protocol] = std::move(*read);
    } else {
      log::warning(kRoom, "clients of services are led anew: {}", read.error().message);
    }
  }
  held_.hold(std::move(clients), clock_.steady());
}

/// Who was led to an endpoint that is gone; all others stay where they are.
Status NodeNetwork::forget_strays(const std::string& protocol) {
  Status done = ok();
  for (int i = 0; i < kForgetTries; ++i) {
    TRY(const auto clients, client_reader_.read(rules_.table, protocol));
    const auto strays = stray_clients(*services_, protocol, clients);
    done = ok();
    for (const auto& batch : forget_clients(rules_.table, protocol, strays)) {
      auto run = nft_.run(batch);
      done = done.ok() ? std::move(run) : std::move(done);
    }
    if (done.ok()) {
      break;
    }
  }
  return done;
}

/// The rules are in force already: what cannot be forgotten only expires later.
Task<void> NodeNetwork::forget_flows() {
  auto run = [this] { return forget_stale_flows(*services_); };
  const auto done = co_await async::run_blocking(blocking_, std::move(run));
  if (!done.ok()) {
    log::warning(kRoom, "{}", done.error().message);
  }
}

Task<Status> NodeNetwork::render_policies() {
  const auto table = policy_table_name(options_);
  auto text = has_policy_frame_ ? policies_.book().take_change()
                                : render_policy_frame("ip " + table, policies_.book());
  if (text.empty()) {
    co_return ok();
  }
  const bool is_first = !std::exchange(has_policy_frame_, false);
  auto run = [this, is_first, table, text = std::move(text)]() -> Status {
    TRY_STATUS(nft_.run(text));
    const auto closed = is_first ? nft_.run(render_closed_ipv6(table, rules_.bridge)) : ok();
    if (!closed.ok()) {
      log::warning(kRoom, "IPv6 between pods is not closed: {}", closed.error().message);
    }
    return ok();
  };
  CO_TRY_STATUS(co_await async::run_blocking(blocking_, std::move(run)));
  has_policy_frame_ = true;
  co_return ok();
}

Task<Status> NodeNetwork::apply(std::vector<Change> changes, bool is_whole) {
  policies_.apply(changes, is_whole);
  table_.apply(changes, is_whole);
  are_routes_wanted_ = routes_.apply(changes, is_whole) || are_routes_wanted_;
  is_filled_ = true;
  if (!is_set_up_) {
    co_return ok();
  }
  CO_TRY_STATUS(co_await render_policies());
  if (are_routes_wanted_) {
    auto sync = [this] { return sync_peers(); };
    CO_TRY_STATUS(co_await async::run_blocking(blocking_, std::move(sync)));
    are_routes_wanted_ = false;
  }
  co_return co_await render();
}

Task<Status> NodeNetwork::keep_routes() {
  if (!is_set_up_ || !is_filled_) {
    co_return ok();
  }
  auto sync = [this] { return sync_peers(); };
  co_return co_await async::run_blocking(blocking_, std::move(sync));
}

Task<void> NodeNetwork::stop() {
  if (dns_) {
    co_await dns_->stop();
    dns_.reset();
  }
}

}  // namespace

std::unique_ptr<Network> make_network(Options options,
                                      async::IoPool& pool,
                                      async::BlockingPool& blocking,
                                      const Clock& clock) {
  static_cast<void>(pool);
  return std::make_unique<NodeNetwork>(std::move(options), blocking, clock);
}

Status tear_down(const Options& options) {
  Nft nft;
  Status table = ok();
  if (nft.has_table(table_name(options))) {
    table = nft.run("delete table ip " + table_name(options));
  }
  Status policies = ok();
  if (nft.has_table(policy_table_name(options))) {
    policies = nft.run("delete table ip " + policy_table_name(options));
  }
  // A machine without IPv6 has none of the other.
  static_cast<void>(nft.run("delete table ip6 " + policy_table_name(options)));
  // Each step is taken, whatever becomes of the others.
  const auto pods = Ipv4Range::parse(first_line(read_file(routes_note(options))));
  const Status routes = pods.ok() ? remove_routes(vxlan_name(options), *pods) : ok();
  const Status side = tear_down_side_networks(side_options(options, ""));
  const Status bridge = remove_link(bridge_name(options));
  Status switches = restore_switches(switches_note(options));
  for (const auto& step : {table, policies, routes, side, bridge}) {
    TRY_STATUS(step);
  }
  return switches;
}

}  // namespace tetrarch::agent::network
