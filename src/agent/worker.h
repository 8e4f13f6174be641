// SPDX-License-Identifier: Apache-2.0
// PodWorker: one pod on this node, from the moment it is known until nothing of it is left. A loop
// that observes the runtime, reports, decides (plan.h) and begins actions; each action is a task of
// its own that wakes the loop again.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/cgroup_files.h"
#include "agent/container_config.h"
#include "agent/event_recorder.h"
#include "agent/grants.h"
#include "agent/images.h"
#include "agent/network/network.h"
#include "agent/objects.h"
#include "agent/plan.h"
#include "agent/pod_state.h"
#include "agent/pressure.h"
#include "agent/probe.h"
#include "agent/runtime/runtime.h"
#include "agent/status_writer.h"
#include "agent/tokens.h"
#include "agent/volume_mounts.h"
#include "agent/volumes.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "base/clock.h"
#include "client/client.h"

namespace tetrarch::agent {

/// What all workers of an agent share; outlives them.
struct Workshop {
  runtime::Runtime& runtime;
  client::Client& client;
  Objects& objects;
  StatusWriter& statuses;
  EventRecorder& events;
  Images& images;
  Tokens& tokens;
  CgroupFiles& cgroups;
  async::BlockingPool& blocking;
  async::TaskGroup& tasks;
  const Clock& clock;
  NodeSettings node;
  std::filesystem::path pods_directory;
  PodFacts node_facts;                      ///< host address and size
  const PressureState* pressure = nullptr;  ///< null: the machine is never short
  /// Why the node cannot grant what a pod asks for now; empty: it can.
  std::function<std::optional<Reason>(const std::string& uid, views::PodView wanted)>
      refuse_resize = {};
  /// Returns when what limits the pod's connections is in force; an error: it is not, and nothing
  /// of the pod may start. Empty: nothing limits them.
  std::function<Task<Status>(network::LocalPod pod)> admit = {};
  bool is_shutting_down = false;  ///< the machine goes: no pod begins
};

/// Shared between the agent and the tasks under way. Used on the agent's strand.
class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  PodWorker(Workshop& shop, Stored pod);

  /// A newer state of the pod.
  void update(Stored pod);
  /// The API has it no longer.
  void set_gone();
  /// Something that the pod refers to, or the runtime, has changed.
  void wake();
  /// The runtime says that it has ended. Its status says so a moment later: until then the worker
  /// looks again soon.
  void expect_exit(const std::string& id);
  void refresh_content();
  /// What shows the pod in the API is another object now: its status is told again.
  void tell_again();

  /// Of a file of this node: the API does not say when it ends.
  bool is_static() const { return memory_.is_static; }

  /// The machine runs short: the pod has failed, its containers end, and what they wrote goes.
  void evict(std::string message);
  /// The machine goes: the pod has failed, and its containers have at most so long.
  void end_for_shutdown(std::chrono::seconds grace);
  /// It runs, or is about to.
  bool is_active() const;

  /// It has ended, and nothing is kept for it but its status.
  bool is_released() const { return memory_.is_released || memory_.is_finished; }

  /// Until nothing of the pod is left on this node.
  static Task<void> run(std::shared_ptr<PodWorker> self, std::function<void()> finished);

  const Key& key() const { return key_; }

  const std::string& uid() const { return uid_; }

  DocumentPtr document() const { return pod_.document; }

  const Observation& seen() const { return seen_; }

  /// Empty while it has none.
  const std::string& address() const { return memory_.facts.pod_ip; }

  std::filesystem::path directory() const { return shop_.pods_directory / uid_; }

  bool has_container(const std::string& id) const;
  /// Its root is still needed, though newer attempts may exist.
  bool keeps_root_of(const std::string& id) const;
  /// Everything about the pod has ended, though the API still has it.
  bool is_idle() const;

 private:
  /// What a container gets from the machine, to be made before it is. Blocking.
  struct ContainerFiles {
    std::filesystem::path hosts;  ///< written where it is not there
    std::string hosts_text = {};
    std::filesystem::path message = {};  ///< where the container says why it ended; may be empty
    std::vector<SubPath> sub_paths = {};
    Status make() const;
  };

  struct Making {
    runtime::ContainerConfig config;
    ContainerFiles files;
  };

  /// One volume as the blocking side needs it: no views, no references.
  struct VolumeWork {
    std::filesystem::path directory;
    VolumeKind kind = VolumeKind::empty_dir;
    Payload payload = {};
    bool is_memory = false;
    std::int64_t size_bytes = 0;
    std::filesystem::path host_path = {};
    std::string host_type = {};
    Status carry_out(std::optional<int> group) const;
  };

  views::PodView view() const { return views::PodView(pod_.document->root()); }

  EventSubject subject(std::string_view container = "") const;

  // worker.cc: the loop.
  Task<bool> observe();
  void adopt_containers();
  void note_state(views::ContainerView container, const Attempts& attempts);
  void report();
  void begin_actions(const Plan& plan);
  bool can_refresh() const;
  std::chrono::nanoseconds time_to_wait(const Plan& plan) const;
  static Task<void> execute(std::shared_ptr<PodWorker> self, Action action);
  static Task<void> refresh_task(std::shared_ptr<PodWorker> self);
  void check_admission();
  void check_deadline();
  void note_ending();
  void tell_backoff(const Plan& plan);
  void adopt_status();
  void adopt_readiness(views::ContainerView container, const runtime::Container& running);
  bool is_ending() const;
  std::chrono::seconds remaining(std::chrono::seconds grace, TimePoint begun) const;
  void forget_seen_exits();
  bool is_seen_ended(const std::string& id, int looks) const;
  void soften_pull_errors();

  // worker_observe.cc
  Task<Status> observe_sandbox();
  Task<Status> admit(runtime::Sandbox sandbox);
  Task<Status> observe_containers();
  Task<Result<runtime::Container>> full(runtime::Container listed);
  Task<void> read_termination_messages();
  Task<void> read_kept_roots();

  // worker_actions.cc
  std::filesystem::path kept_note(std::string_view container) const;
  Task<void> prepare();
  Result<VolumeWork> work_of(views::PodView pod,
                             views::VolumeView volume,
                             const PayloadSources& sources) const;
  Task<Status> write_volumes(bool is_refresh);
  Task<void> run_sandbox(Action action);
  Task<std::optional<ReadyImage>> ready_image(std::string name, std::string image);
  Task<void> run_pre_stop(Action action);
  Task<void> start_container(Action action);
  Task<ImageAnswer> image_for(std::string name, std::string image);
  Task<Status> create_and_start(Action action, ReadyImage image);
  Result<Making> making_of(DocumentPtr document, const Action& action, const ReadyImage& image);
  Result<std::string> pid_target_of(views::ContainerView container) const;
  Task<Status> undo_unstarted(std::string container);
  Task<Status> take_over_root(std::string container, std::string id);
  Task<void> note_kept_root(std::string container, std::string id);
  Task<void> keep_root(Action action);
  Task<void> stop_container(Action action);
  Task<void> pause_container(Action action, bool is_pause);
  Task<void> stop_sandbox(Action action);
  Task<Status> stop_sandboxes();
  Task<void> release();
  Task<Status> forget_evicted();
  Task<void> remove();
  Task<void> refresh();
  void wait_with(std::string_view container, Reason reason, std::chrono::seconds retry);

  // worker_resize.cc
  void take(Stored pod);
  Task<void> settle_resize();
  Task<void> seek_grant();
  Task<bool> set_pod_cgroup(runtime::Resources numbers);
  void note_resize_restarts();
  bool is_resizing() const;
  Task<Status> check_memory_fits(std::string id, std::int64_t limit);
  Task<void> resize_container(Action action);

  // worker_mounts.cc
  void add_mounts(Making& out,
                  views::PodView pod,
                  views::ContainerView container,
                  std::uint32_t attempt) const;
  void add_volume_mount(Making& out,
                        views::PodView pod,
                        views::VolumeMountView mount,
                        const std::filesystem::path& target) const;

  // worker_probes.cc
  void begin_probes(views::ContainerView container, const runtime::Container& running);
  static Task<void> probe(std::shared_ptr<PodWorker> self,
                          std::string container,
                          std::string id,
                          ProbeKind kind);
  std::chrono::nanoseconds initial_delay(const std::string& container, std::int64_t delay_s) const;
  bool is_current(const std::string& container, const std::string& id) const;
  void take_verdict(const std::string& container, ProbeKind kind, const ProbeState& state);

  Sources sources() const;

  Workshop& shop_;
  Key key_;
  std::string uid_;
  Stored desired_;  ///< as the API has it
  Grants granted_;  ///< what of its amounts is granted
  Stored pod_;      ///< with those amounts: what is to run
  Observation seen_;
  std::set<std::string> stopped_sandboxes_;  ///< by this process: these hold nothing any more
  PodMemory memory_;
  std::uint64_t actions_done_ = 0;
  std::string last_status_;  ///< canonical JSON, as last submitted
  DocumentPtr last_status_document_;
  bool is_content_dirty_ = false;        ///< what volumes show may have changed
  std::optional<TimePoint> refresh_at_;  ///< the last refresh failed: when it is tried again
  bool is_adopted_ = false;
  bool is_told_ = true;                        ///< what the API shows of the pod is in it
  std::map<std::string, int> expected_exits_;  ///< runtime id -> how often looked since
  async::Event woken_;
};

/// The container of that name in the spec, init containers included; absent where there is none.
views::ContainerView container_named(views::PodView pod, std::string_view name);

}  // namespace tetrarch::agent
