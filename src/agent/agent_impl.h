// SPDX-License-Identifier: Apache-2.0
// The inside of Agent: all its parts, on one strand.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/blob_server.h"
#include "agent/blobs.h"
#include "agent/health_ports.h"
#include "agent/image_mirror.h"
#include "agent/logind.h"
#include "agent/places.h"
#include "agent/pressure.h"
#include "agent/pressure_measure.h"
#include "agent/registrar.h"
#include "agent/runtime/containerd.h"
#include "agent/shutdown.h"
#include "agent/static_pods.h"
#include "agent/unit_keeper.h"
#include "agent/volume_mounts.h"
#include "agent/worker.h"

namespace tetrarch::agent {

struct Agent::Impl {
  Impl(Options options, Dependencies dependencies);

  // agent.cc
  Task<Status> start();
  void make_registrar(const Machine& machine);
  void make_workshop(const Machine& machine);
  void make_units(const Machine& machine);
  Status start_mirror();
  void start_blob_server(const Machine& machine);
  Task<Status> wait_for_runtime();
  Task<void> import_archives();
  void take(const Key& key, DocumentPtr document);
  void take_pod(const Key& key, DocumentPtr document);
  void start_worker(const Stored& pod);
  std::optional<Reason> refuse_resize(const std::string& uid, views::PodView wanted) const;
  void take_node(object::View node);
  void look_for_leave(object::View node);
  Task<void> follow_feed();
  Task<void> follow_events();
  void wake_all();
  void wake_owner(const runtime::Event& event);
  Task<void> relist();
  Task<void> save_last();

  // keep_network.cc
  void note_network_change(const Key& key, const DocumentPtr& document);
  Task<void> set_up_network();
  Task<Status> admit_running();
  bool may_be_limited(const network::LocalPod& pod) const;
  /// Returns when its policies hold; an error: they do not.
  Task<Status> admit(network::LocalPod pod);
  void release_address(const std::string& uid);
  Task<void> keep_network();
  Task<void> keep_routes();
  Task<void> keep_health_ports(bool is_healthy);

  // reach_requests.cc: all but blobs.
  Task<void> serve_on_node(DocumentPtr request, net::Stream& stream);

  // housekeeping.cc: large logs, old attempts, what deleted pods left.
  Task<void> keep_logs();
  Task<void> rotate_logs();
  Task<void> keep_house();
  Task<void> remove_old_attempts(std::size_t kept_of_each);
  Task<void> remove_attempt(runtime::Container container, std::vector<std::string> kept);
  Task<void> remove_old_sandboxes(std::vector<runtime::Sandbox> sandboxes);
  Task<void> remove_leftover_files(std::vector<runtime::Sandbox> sandboxes);
  Task<void> remove_orphan(runtime::Sandbox sandbox);

  // housekeeping_images.cc
  std::filesystem::path imported_note() const { return places.agent / "imported-images"; }

  /// On the strand.
  Task<void> note_imported(std::vector<std::string> names);
  Task<void> remove_unused_images();
  Task<Result<std::set<std::string>>> images_in_use();
  Task<Result<std::vector<runtime::Image>>> unused_images();

  // evictions.cc: what to do when the machine runs short.
  Task<void> keep_pressure();
  Task<Observations> observe_machine();
  Task<bool> relieve();
  void note_pressure(const std::vector<Threshold>& wanted);
  Task<bool> free_image_space(Threshold wanted);
  Task<std::vector<Candidate>> candidates(Signal signal);
  Task<bool> evict_one(Threshold threshold, Observed observed);
  Task<void> wait_for_end(std::shared_ptr<PodWorker> worker);

  // shutdown_run.cc: what to do when the machine goes.
  Task<void> keep_logind();
  Task<Status> follow_logind(std::shared_ptr<Logind> logind);
  Task<void> end_pods();
  Task<void> end_group(EndingGroup group);
  bool is_settled(const std::string& uid) const;
  void set_shutting_down(bool is_on);

  // manifests.cc: static pods and their mirrors.
  Task<void> keep_static_pods();
  Task<Status> read_folder();
  const Stored* static_pod(std::string_view uid) const;
  void run_static_pods();
  void note_mirror(const Key& key);
  Task<void> settle_mirrors();
  Task<void> remove_mirror(Stored shown);
  Task<void> create_mirror(Stored pod);

  /// A pod that waits for the next batch of the network's changes.
  struct Admission {
    async::Event decided;
    Status outcome = ok();
  };

  /// A file as last read; without a document it is no pod.
  struct Manifest {
    std::string text = {};
    bool is_read = false;
    Stored pod = {};
  };

  const Options options;
  Dependencies with;
  const Places places;
  std::unique_ptr<network::Network> own_network;  ///< where none was handed in
  network::Network& node_network;
  asio::any_io_executor strand;
  async::TaskGroup tasks;
  runtime::Containerd containerd;
  std::unique_ptr<runtime::Runtime> runtime;
  std::optional<trust::KeyRing> keys;  ///< of the secrets on our disk
  Objects objects;
  StatusWriter statuses;
  EventRecorder events;
  Images images;
  runtime::Content content;
  std::unique_ptr<BlobSource> blob_source;  ///< null: there is no registry of the cluster
  Blobs blobs;
  std::unique_ptr<BlobServer> blob_server;  ///< null: other nodes cannot fetch from this one
  std::unique_ptr<ImageMirror> mirror;      ///< null: there is no registry of the cluster
  std::set<std::string> imported;  ///< names from archives, noted: what is removed of them is lost
  bool is_import_unnoted = false;  ///< some of them are not in the note
  bool is_noting_imports = false;
  HealthPorts health_ports;
  Tokens tokens;
  CgroupFiles cgroups;
  std::vector<Threshold> thresholds;
  PressureState pressure;
  Measured measured;
  bool is_shutting_down = false;
  bool is_told_to_leave = false;
  std::unique_ptr<Registrar> registrar;
  std::unique_ptr<UnitKeeper> units;
  std::unique_ptr<Workshop> shop;
  std::map<std::string, std::shared_ptr<PodWorker>> workers;  ///< by uid; shared with their tasks
  const std::filesystem::path static_folder;
  std::map<std::string, Manifest> manifests;     ///< by file
  async::Event static_changed;                   ///< a mirror came or went, a static pod has ended
  std::map<std::string, TimePoint> images_used;  ///< by id: last seen in use, or first seen at all
  std::map<Key, DocumentPtr> network_changes;
  async::Event has_network_changes;
  std::vector<std::shared_ptr<Admission>> admissions;  ///< shared with the pods that wait
  bool has_released = false;                           ///< an address, since the last batch
  std::string said_of_node;                            ///< what others wrote, as last seen
  std::string network_cidr;                            ///< what the network was set up with
  SteadyPoint routes_looked = {};                      ///< when they were last compared
  Status started = Error{Code::unavailable, "the agent has not been started"};
};

/// What earlier processes noted. Blocking.
std::set<std::string> read_imported(const std::filesystem::path& note);

}  // namespace tetrarch::agent
