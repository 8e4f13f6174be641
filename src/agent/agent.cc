// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "agent/agent_impl.h"
#include "agent/down.h"
#include "agent/lost_shims.h"
#include "agent/runtime/containers.h"
#include "agent/runtime/on_pool.h"
#include "agent/systemd/manager.h"
#include "async/timer.h"
#include "base/log.h"
#include "unitfile/marks.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kRelist{30};

runtime::ContainerdOptions containerd_options(const Options& options,
                                              const Places& places,
                                              const network::Network& network) {
  runtime::ContainerdOptions out;
  out.binary = options.containerd_binary;
  out.directory = places.containerd;
  out.settings.root = places.containerd / "root";
  out.settings.state = places.run / "state";
  out.settings.socket = places.socket;
  out.settings.pause_image = options.pause_image;
  out.settings.cni_bin_directory = network.cni_bin_directory();
  out.settings.cni_conf_directory = network.cni_conf_directory();
  out.settings.registry_directory = places.containerd / "registries";
  return out;
}

std::unique_ptr<network::Network> make_own_network(const Options& options,
                                                   const Places& places,
                                                   const Dependencies& with) {
  network::Options out;
  out.node_name = options.node_name;
  out.instance = instance_name(options.data_directory);
  out.directory = places.network;
  out.cluster_pod_cidr = options.pod_cidr;
  out.service_cidr = options.service_cidr;
  out.cluster_domain = options.cluster_domain;
  out.dns_address = options.dns_address;
  out.vni = options.vni;
  return network::make_network(std::move(out), with.pool, with.blocking, with.clock);
}

std::unique_ptr<BlobSource> make_blob_source(const Dependencies& with) {
  if (with.images == nullptr) {
    return nullptr;
  }
  return std::make_unique<BlobSource>(
      BlobSource::Parts{*with.images, with.peers.client, with.clock, with.metrics});
}

std::string read_text(const char* path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

}  // namespace

Agent::Impl::Impl(Options given, Dependencies dependencies)
    : options(std::move(given)),
      with(dependencies),
      places(places_of(options.data_directory)),
      own_network(with.network == nullptr ? make_own_network(options, places, with) : nullptr),
      node_network(own_network ? *own_network : *with.network),
      strand(with.pool.strand()),
      tasks(strand, "agent"),
      containerd(containerd_options(options, places, node_network), with.blocking),
      runtime(runtime::make_containers(
          {places.socket, places.run / "pipes", "ctr", places.containerd / "root", &with.metrics},
          with.blocking)),
      objects(places.objects, with.blocking),
      statuses(with.client, objects),
      events(with.client, options.node_name, with.clock, with.random),
      images(*runtime, objects, options.registry_logins),
      content(places.socket, places.containerd / "root", with.blocking),
      blob_source(make_blob_source(with)),
      blobs({content,
             with.client,
             blob_source.get(),
             objects,
             with.clock,
             with.random,
             options.node_name}),
      health_ports(with.pool),
      tokens(with.client, with.clock),
      pressure(options.pressure_transition),
      measured{places.agent, places.containerd},
      static_folder(options.static_pods.empty() ? options.data_directory / "manifests"
                                                : options.static_pods) {}

Task<Status> Agent::Impl::start() {
  CO_TRY(thresholds, parse_thresholds(options.eviction_hard));
  auto prepare = [this]() -> Result<Machine> {
    std::error_code error;
    for (const auto& place : {places.objects, places.pods, places.logs, places.run / "pipes"}) {
      fs::create_directories(place, error);
    }
    fs::permissions(places.agent, fs::perms::owner_all, error);
    TRY(keys, trust::KeyRing::load_or_create((places.agent / "objects.key").string(), with.random));
    objects.set_keys(&*keys);
    objects.load();
    imported = read_imported(imported_note());
    return read_machine(options.node_address, places.agent.string());
  };
  CO_TRY(const Machine machine, co_await runtime::on_pool(with.blocking, std::move(prepare)));
  CO_TRY_STATUS(start_mirror());
  CO_TRY_STATUS(co_await containerd.start());
  tasks.spawn(containerd.supervise());
  CO_TRY_STATUS(co_await wait_for_runtime());
  co_await import_archives();
  start_blob_server(machine);
  make_units(machine);
  make_registrar(machine);
  make_workshop(machine);
  CO_TRY_STATUS(co_await admit_running());
  objects.on_change(
      [this](const Key& key, DocumentPtr document) { take(key, std::move(document)); });
  for (const auto& pod : objects.all("pods")) {
    take(pod.key, pod.document);
  }
  if (const auto looked = co_await read_folder(); !looked.ok()) {
    log::warning("agent", "{}", looked.error().message);
  }
  run_static_pods();
  co_await set_up_network();
  tasks.spawn(registrar->keep_node());
  tasks.spawn(registrar->keep_lease());
  tasks.spawn(statuses.run());
  tasks.spawn(events.send());
  tasks.spawn(objects.save_changes());
  tasks.spawn(follow_feed());
  tasks.spawn(follow_events());
  tasks.spawn(relist());
  tasks.spawn(keep_network());
  tasks.spawn(keep_logs());
  tasks.spawn(keep_house());
  tasks.spawn(keep_shims({*runtime, containerd, with.blocking, places}));
  tasks.spawn(keep_pressure());
  tasks.spawn(keep_static_pods());
  tasks.spawn(blobs.keep());
  tasks.spawn(keep_logind());
  tasks.spawn(units->run());
  log::info("agent", "node {} runs, address {}", options.node_name, machine.address);
  co_return ok();
}

/// Every image is looked for in the cluster's registry first.
Status Agent::Impl::start_mirror() {
  if (with.images == nullptr) {
    return ok();
  }
  mirror = std::make_unique<ImageMirror>(with.pool, *with.images, *blob_source, with.random);
  RegistryMirrors mirrors;
  const auto logins =
      options.registry_logins.empty() ? "" : read_text(options.registry_logins.c_str());
  for (const auto& [registry, urls] : options.registry_mirrors) {
    for (const auto& url : urls) {
      mirrors[registry].push_back({url, basic_for(url, logins)});
    }
  }
  return mirror->start(places.containerd / "registries", mirrors);
}

/// Where the port cannot be had, others fetch through a server.
void Agent::Impl::start_blob_server(const Machine& machine) {
  if (with.peers.server == nullptr || options.blob_port == 0) {
    return;
  }
  blob_server = std::make_unique<BlobServer>(with.pool, content, with.metrics);
  const auto port = static_cast<std::uint16_t>(options.blob_port);
  const auto begun = blob_server->start(machine.address, port, with.peers.server);
  if (!begun.ok()) {
    log::warning("agent",
                 "other machines fetch through a server what images this one alone has, not from "
                 "here: {}. --blob-port gives each agent of one address a port of its own; 0 says "
                 "that it is meant so",
                 begun.error().message);
    blob_server.reset();
  }
}

void Agent::Impl::make_registrar(const Machine& machine) {
  // An image is as old as the first look at it, also where it is needed when the disk is full.
  auto note = [this](const std::vector<runtime::Image>& found) {
    for (const auto& image : found) {
      images_used.try_emplace(image.id, with.clock.now());
    }
  };
  auto shown = [this] { return objects.find(Key{"nodes", "", options.node_name}); };
  registrar = std::make_unique<Registrar>(options,
                                          machine,
                                          Registrar::Parts{with.client,
                                                           *runtime,
                                                           with.clock,
                                                           pressure,
                                                           thresholds,
                                                           is_shutting_down,
                                                           std::move(note),
                                                           std::move(shown),
                                                           blob_server ? options.blob_port : 0,
                                                           [this] { return units->systemd(); }});
}

void Agent::Impl::make_units(const Machine& machine) {
  UnitKeeper::Parts parts{with.client, objects, statuses, events, with.blocking, tasks, with.clock};
  if (options.systemd_bus != "none") {
    parts.connect = [address = options.systemd_bus](std::function<void(std::string)> changed) {
      return systemd::Manager::connect(address, std::move(changed));
    };
  }
  parts.bus = options.systemd_bus;
  parts.directory = places.units;
  parts.host_ip = machine.address;
  parts.on_systemd = [this] { registrar->wake(); };
  units = std::make_unique<UnitKeeper>(std::move(parts));
}

void Agent::Impl::make_workshop(const Machine& machine) {
  NodeSettings node;
  node.instance = instance_name(options.data_directory);
  node.logs_directory = places.logs.string();
  node.cluster_domain = options.cluster_domain;
  node.dns_address = node_network.dns_address();
  node.memory_bytes = machine.memory_bytes;
  node.host_resolv_conf = read_text("/etc/resolv.conf");
  PodFacts facts;
  facts.host_ip = machine.address;
  const auto room = allocatable_of(options, machine, thresholds);
  facts.node_cpu_milli = room.cpu_milli;
  facts.node_memory = room.memory_bytes;
  facts.node_disk = machine.disk_bytes;  // all of it: see write_amounts
  shop = std::make_unique<Workshop>(Workshop{
      *runtime,
      with.client,
      objects,
      statuses,
      events,
      images,
      tokens,
      cgroups,
      with.blocking,
      tasks,
      with.clock,
      std::move(node),
      places.pods,
      std::move(facts),
      &pressure,
      [this](const std::string& uid, views::PodView wanted) { return refuse_resize(uid, wanted); },
      [this](network::LocalPod pod) { return admit(std::move(pod)); }});
}

Task<Status> Agent::Impl::wait_for_runtime() {
  Status last = ok();
  for (int tries = 0; tries < 300; ++tries) {
    const auto version = co_await runtime->version();
    if (version.ok()) {
      co_return ok();
    }
    last = version.error();
    co_await async::sleep_for(std::chrono::milliseconds(100));
  }
  co_return last;
}

Task<void> Agent::Impl::import_archives() {
  auto folders = options.image_directories;
  folders.push_back(options.data_directory / "images");
  for (const auto& folder : folders) {
    auto list = [folder] {
      std::vector<fs::path> out;
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.path().extension() == ".tar") {
          out.push_back(entry.path());
        }
      }
      return out;
    };
    for (const auto& archive : co_await runtime::on_pool(with.blocking, std::move(list))) {
      const auto names = co_await runtime->import_images(archive.string());
      if (!names.ok()) {
        log::error("agent", "{}", names.error().message);
        continue;
      }
      co_await note_imported(*names);
    }
  }
}

/// Pods and what they refer to; services and endpoints go to the network as well.
void Agent::Impl::take(const Key& key, DocumentPtr document) {
  note_network_change(key, document);
  if (key.resource == kImageBlobs) {
    blobs.wake();
  }
  if (key.resource == "pods") {
    take_pod(key, std::move(document));
    return;
  }
  if (key.resource == "nodes" && key.name == options.node_name && document != nullptr) {
    take_node(document->root());
  }
  if (key.resource == "configmaps" || key.resource == "secrets") {
    for (const auto& [uid, worker] : workers) {
      if (worker->key().ns == key.ns) {
        worker->refresh_content();
      }
    }
  }
}

std::optional<Reason> Agent::Impl::refuse_resize(const std::string& uid,
                                                 views::PodView wanted) const {
  Room used;
  for (const auto& [other, worker] : workers) {
    if (other != uid && worker->is_active()) {
      const auto asked = request_of(views::PodView(worker->document()->root()));
      used.cpu_milli += asked.cpu_milli;
      used.memory_bytes += asked.memory_bytes;
    }
  }
  const auto of_units = units->reserved();
  used.cpu_milli += of_units.cpu_milli;
  used.memory_bytes += of_units.memory_bytes;
  return resize_refusal(wanted, allocatable_of(options, registrar->machine(), thresholds), used);
}

/// It goes on saying so until the machine has left: an agent that is started anew leaves then.
void Agent::Impl::look_for_leave(object::View node) {
  const auto wanted = node["metadata"]["annotations"][kLeave].string();
  if (wanted.empty() || is_told_to_leave || !with.on_leave) {
    return;
  }
  is_told_to_leave = true;
  log::info("agent", "node {} is told to leave the cluster", options.node_name);
  with.on_leave(wanted == kLeaveForced);
}

/// Somebody else may say what more the node has, which can be allocated at once, or that it is not
/// the only one of its machine ID.
void Agent::Impl::take_node(object::View node) {
  for (const auto condition : node["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready" && condition["status"].string() == "Unknown" &&
        registrar) {
      registrar->wake();  // the control plane thinks that we are gone
    }
  }
  look_for_leave(node);
  std::string said(node["status"]["capacity"].raw());
  said += node["metadata"]["annotations"][unitfile::marks::kSameMachineId].string();
  if (std::exchange(said_of_node, said) != said && registrar) {
    registrar->wake();
  }
}

void Agent::Impl::take_pod(const Key& key, DocumentPtr document) {
  const std::string uid(document == nullptr ? std::string_view()
                                            : document->root().find("metadata.uid").string());
  // A pod of that name with another uid: the former has gone.
  for (const auto& [known, worker] : workers) {
    if (worker->key() == key && known != uid && !worker->is_static()) {
      worker->set_gone();
    }
  }
  units->lose(key, uid);
  const bool is_mirror = document != nullptr && !mirrored_uid(document->root()).empty();
  if (document == nullptr || is_mirror) {
    note_mirror(key);
    return;
  }
  const auto* stored = objects.find(key);
  if (stored == nullptr) {
    return;
  }
  if (const auto at = workers.find(uid); at != workers.end()) {
    at->second->update(*stored);
  } else if (is_unit_pod(stored->root())) {
    units->take(*stored);
  } else {
    start_worker(*stored);
  }
}

void Agent::Impl::start_worker(const Stored& pod) {
  const std::string uid(pod.uid());
  auto worker = std::make_shared<PodWorker>(*shop, pod);
  workers[uid] = worker;
  auto finished = [this, uid] {
    workers.erase(uid);
    release_address(uid);
    static_changed.raise();  // one that waits for its name may begin
  };
  tasks.spawn(PodWorker::run(worker, std::move(finished)));
}

Task<void> Agent::Impl::follow_feed() {
  seconds pause(1);
  while (true) {
    const NodeName node(options.node_name);
    auto feed = co_await with.client.feed(node);
    if (feed.ok()) {
      objects.begin_relist();
      while (true) {
        auto batch = co_await (*feed)->next();
        if (!batch.ok()) {
          log::debug("agent", "feed ended: {}", batch.error().message);
          break;
        }
        pause = seconds(1);
        for (const auto& event : *batch) {
          objects.apply(event);
        }
      }
    } else {
      log::debug("agent", "no feed: {}", feed.error().message);
    }
    co_await async::sleep_for(pause);
    pause = std::min(pause * 2, seconds(10));
  }
}

Task<void> Agent::Impl::follow_events() {
  while (true) {
    auto stream = co_await runtime->events();
    wake_all();
    while (stream.ok()) {
      const auto event = co_await (*stream)->next();
      if (!event.ok()) {
        break;
      }
      wake_owner(*event);
    }
    co_await async::sleep_for(std::chrono::milliseconds(500));
  }
}

void Agent::Impl::wake_all() {
  for (const auto& [uid, worker] : workers) {
    worker->wake();
  }
}

void Agent::Impl::wake_owner(const runtime::Event& event) {
  const bool is_exit = event.kind == runtime::EventKind::exited;
  bool has_owner = false;
  for (const auto& [uid, worker] : workers) {
    if (!worker->has_container(event.id)) {
      continue;
    }
    has_owner = true;
    if (is_exit) {
      worker->expect_exit(event.id);
    } else {
      worker->wake();
    }
  }
  if (has_owner || (!is_exit && event.kind != runtime::EventKind::lost)) {
    return;
  }
  // Nobody has seen it yet: it belongs to a worker that has just started it, so each looks.
  for (const auto& [uid, worker] : workers) {
    worker->expect_exit(event.id);
  }
}

namespace {

/// Whether the runtime shows another state than the worker knows of its newest attempt.
bool is_news(const Observation& seen, const runtime::Container& container) {
  const auto known = seen.containers.find(container.name);
  return known != seen.containers.end() && known->second.current &&
         known->second.current->id == container.id &&
         known->second.current->state != container.state;
}

bool is_news(const Observation& seen, const runtime::Sandbox& sandbox) {
  return seen.sandbox && seen.sandbox->id == sandbox.id &&
         seen.sandbox->is_ready != sandbox.is_ready;
}

void wake_owner_of(const std::map<std::string, std::shared_ptr<PodWorker>>& workers,
                   const runtime::Container& container) {
  const auto uid = container.labels.find(runtime::kLabelPodUid);
  const auto at = uid == container.labels.end() ? workers.end() : workers.find(uid->second);
  if (at != workers.end() && is_news(at->second->seen(), container)) {
    at->second->wake();
  }
}

}  // namespace

/// The safety net under the event stream: what the runtime shows against what the workers know, and
/// what nobody owns.
Task<void> Agent::Impl::relist() {
  while (true) {
    co_await async::sleep_for(kRelist);
    const auto containers = co_await runtime->containers("");
    const auto sandboxes = co_await runtime->sandboxes("");
    if (!containers.ok() || !sandboxes.ok()) {
      continue;
    }
    for (const auto& container : *containers) {
      wake_owner_of(workers, container);
    }
    for (const auto& sandbox : *sandboxes) {
      const auto at = workers.find(sandbox.uid);
      if (at != workers.end() && is_news(at->second->seen(), sandbox)) {
        at->second->wake();
      }
      if (at == workers.end() && objects.is_synced() && !sandbox.uid.empty()) {
        co_await remove_orphan(sandbox);
      }
    }
  }
}

Task<void> Agent::Impl::save_last() {
  const auto saved = co_await objects.save_now();
  if (!saved.ok()) {
    log::error("agent", "cannot save objects: {}", saved.error().message);
  }
}

Agent::Agent(Options options, Dependencies dependencies)
    : impl_(std::make_unique<Impl>(std::move(options), dependencies)) {}

Agent::~Agent() = default;

Task<Status> Agent::run() {
  auto body = [](Impl* impl) -> Task<void> { impl->started = co_await impl->start(); };
  co_await asio::co_spawn(impl_->strand, body(impl_.get()), asio::use_awaitable);
  co_return impl_->started;
}

Task<void> Agent::end_pods() {
  co_await asio::co_spawn(impl_->strand, impl_->end_pods(), asio::use_awaitable);
}

Task<void> Agent::stop() {
  co_await impl_->tasks.stop();
  // What has just been said is made true already, so the next process must know it, too.
  co_await asio::co_spawn(impl_->strand, impl_->save_last(), asio::use_awaitable);
  if (impl_->mirror) {
    co_await impl_->mirror->stop();
  }
  if (impl_->blob_server) {
    co_await impl_->blob_server->stop();
  }
  co_await impl_->health_ports.stop();
  co_await impl_->node_network.stop();
}

Task<Result<std::vector<std::string>>> Agent::load_image(std::string archive_path) {
  auto names = co_await impl_->runtime->import_images(std::move(archive_path));
  if (names.ok()) {
    auto noted = impl_->note_imported(*names);
    co_await asio::co_spawn(impl_->strand, std::move(noted), asio::use_awaitable);
  }
  co_return names;
}

}  // namespace tetrarch::agent
