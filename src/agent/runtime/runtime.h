// SPDX-License-Identifier: Apache-2.0
// Runtime: the seam between the agent (which decides the order of steps) and what carries each step
// out. Real form: containers (containerd); tests use a fake. A runtime that lacks an operation
// answers Code::unimplemented.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"

namespace tetrarch::agent::runtime {

using Labels = std::map<std::string, std::string>;

// Labels that every sandbox and container carries, so that a new agent process finds out what it
// runs. Source: kubelet, pkg/kubelet/types labels; the same names let crictl and log shippers
// understand our node.
inline constexpr const char* kLabelPodName = "io.kubernetes.pod.name";
inline constexpr const char* kLabelPodNamespace = "io.kubernetes.pod.namespace";
inline constexpr const char* kLabelPodUid = "io.kubernetes.pod.uid";
inline constexpr const char* kLabelContainerName = "io.kubernetes.container.name";
// Ours: what adoption compares; annotations of the container.
inline constexpr const char* kAnnotationSpecHash = "tetrarch.dev/spec-hash";
inline constexpr const char* kAnnotationTerminationPath = "tetrarch.dev/termination-message-path";
inline constexpr const char* kAnnotationRestarts = "tetrarch.dev/restart-count";
inline constexpr const char* kAnnotationGrace = "tetrarch.dev/termination-grace-seconds";

struct PortMapping {
  std::string protocol = "TCP";
  int container_port = 0;
  int host_port = 0;
  std::string host_ip = {};
};

struct Dns {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
};

/// Which namespaces are not the pod's own.
struct Namespaces {
  bool is_host_network = false;
  bool is_host_pid = false;
  bool is_host_ipc = false;
  bool is_shared_pid = false;  ///< one PID namespace for the whole pod
};

enum class Seccomp : std::uint8_t { unconfined, runtime_default, localhost };

struct SecurityContext {
  std::optional<std::int64_t> user = {};
  std::optional<std::int64_t> group = {};
  std::vector<std::int64_t> supplemental_groups = {};
  bool is_privileged = false;
  bool is_root_read_only = false;
  bool no_new_privileges = false;
  std::vector<std::string> add_capabilities = {};
  std::vector<std::string> drop_capabilities = {};
  Seccomp seccomp = Seccomp::unconfined;
  std::string seccomp_profile = {};  ///< absolute path, for localhost
};

/// Numbers for the cgroup; 0: not set.
struct Resources {
  std::int64_t cpu_shares = 0;
  std::int64_t cpu_quota_us = 0;
  std::int64_t cpu_period_us = 0;
  std::int64_t memory_limit_bytes = 0;
  std::int64_t oom_score_adjust = 0;
};

struct SandboxConfig {
  std::string name;
  std::string ns;
  std::string uid;
  std::uint32_t attempt = 0;
  std::string hostname;
  std::string log_directory;
  std::optional<Dns> dns = {};  ///< absent: the host's resolv.conf
  std::vector<PortMapping> ports = {};
  Labels labels = {};
  Labels annotations = {};
  std::string cgroup_parent = {};
  Namespaces namespaces = {};
  Labels sysctls = {};
  SecurityContext security = {};
  std::string runtime_handler = {};
};

enum class Propagation : std::uint8_t { none, host_to_container, bidirectional };

struct Mount {
  std::string host_path;
  std::string container_path;
  bool is_read_only = false;
  Propagation propagation = Propagation::none;
};

struct ContainerConfig {
  std::string name;
  std::uint32_t attempt = 0;  ///< the restart count
  std::string image;          ///< a reference or an image id that is present
  std::vector<std::string> command = {};
  std::vector<std::string> args = {};
  std::string working_directory = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::vector<Mount> mounts = {};
  Labels labels = {};
  Labels annotations = {};
  std::string log_path = {};  ///< relative to the sandbox's log_directory
  bool has_stdin = false;
  bool is_stdin_once = false;
  bool has_tty = false;
  Resources resources = {};
  SecurityContext security = {};
  /// A container whose processes it sees and can trace: one PID namespace for the two.
  std::string pid_target = {};
};

struct Sandbox {
  std::string id;
  std::string name;
  std::string ns;
  std::string uid;
  std::uint32_t attempt = 0;
  bool is_ready = false;
  TimePoint created = {};
  std::vector<std::string> addresses = {};  ///< only from sandbox()
  Labels labels = {};
  Labels annotations = {};
};

enum class ContainerState : std::uint8_t { created, running, exited, unknown };

struct Container {
  std::string id;
  std::string sandbox_id;
  std::string name;
  std::uint32_t attempt = 0;
  ContainerState state = ContainerState::unknown;
  Labels labels = {};
  Labels annotations = {};
  TimePoint created = {};
  // Only from container(), not in lists:
  std::optional<TimePoint> started = {};
  std::optional<TimePoint> finished = {};
  int exit_code = 0;
  std::string reason = {};  ///< Completed, Error, OOMKilled …
  std::string message = {};
  std::string image = {};      ///< as the configuration named it
  std::string image_ref = {};  ///< digest or id
  std::string log_path = {};
  bool is_paused = false;  ///< from is_paused(), where somebody has asked
};

struct Image {
  std::string id;
  std::vector<std::string> tags;
  std::vector<std::string> digests;
  std::uint64_t size_bytes = 0;
  std::optional<std::int64_t> user_id = {};  ///< the image's own user, where it is a number
  std::string user_name = {};                ///< or its name
};

struct RegistryLogin {
  std::string user;
  std::string password;
  std::string auth = {};
  std::string server = {};
};

struct Stats {
  std::string container_id;
  Labels labels = {};
  std::uint64_t cpu_nanoseconds = 0;  ///< since the container was made
  std::uint64_t memory_working_set_bytes = 0;
  std::uint64_t memory_usage_bytes = 0;
  std::uint64_t disk_bytes = 0;   ///< of the writable layer
  std::uint64_t disk_inodes = 0;  ///< likewise
};

struct ExecResult {
  std::string out;
  std::string err;
  int exit_code = 0;
};

struct TerminalSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

struct ExecOptions {
  std::vector<std::string> command;
  bool has_stdin = false;
  bool has_tty = false;
};

/// A process or a container whose streams we hold. One coroutine writes, one reads. Destroying it
/// closes the streams and, for exec, kills the process if it still runs.
class Session {
 public:
  struct Chunk {
    bool is_error_stream = false;
    std::string bytes;  ///< empty: all streams have ended
  };

  virtual ~Session() = default;
  virtual Task<Result<Chunk>> read() = 0;
  virtual Task<Status> write(std::string bytes) = 0;
  virtual Task<Status> close_stdin() = 0;
  virtual Task<Status> resize(TerminalSize size) = 0;
  /// The exit code; after the streams have ended.
  virtual Task<Result<int>> wait() = 0;
};

enum class EventKind : std::uint8_t {
  started,
  exited,
  deleted,
  oom,
  paused,
  resumed,
  lost /*list again*/
};

/// Something happened to a container or sandbox; the reader asks for its state.
struct Event {
  EventKind kind = EventKind::lost;
  std::string id;
};

class EventStream {
 public:
  virtual ~EventStream() = default;
  /// Code::unavailable: the stream broke; open another and list.
  virtual Task<Result<Event>> next() = 0;
};

/// A seam. Every call has a deadline of its own; Code::unavailable while the runtime is down.
/// Thread-safe.
class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual Task<Result<std::string>> version() = 0;
  /// Ready to run pods; the error says what is missing (network not configured …).
  virtual Task<Status> ready() = 0;

  virtual Task<Result<std::string>> run_sandbox(SandboxConfig config) = 0;
  /// Idempotent; ends all processes of the pod and frees its network.
  virtual Task<Status> stop_sandbox(std::string id) = 0;
  virtual Task<Status> remove_sandbox(std::string id) = 0;
  /// A file that names the network that the sandbox's containers see, for setns(2).
  virtual Task<Result<std::filesystem::path>> network_namespace(std::string sandbox_id) = 0;
  virtual Task<Result<Sandbox>> sandbox(std::string id) = 0;
  /// All, or those of one pod.
  virtual Task<Result<std::vector<Sandbox>>> sandboxes(std::string pod_uid) = 0;

  virtual Task<Result<std::string>> create_container(std::string sandbox_id,
                                                     ContainerConfig config,
                                                     SandboxConfig sandbox) = 0;
  virtual Task<Status> start_container(std::string id) = 0;
  /// The stop signal of the image, then SIGKILL after `grace`. Returns when it has ended.
  virtual Task<Status> stop_container(std::string id, std::chrono::seconds grace) = 0;
  /// Other numbers for a container that runs; what is 0 stays as it is.
  virtual Task<Status> update_container(std::string id, Resources resources) = 0;
  virtual Task<Status> remove_container(std::string id) = 0;
  /// What `from`, which has ended, left in its root file system becomes the root of `to`, which is
  /// of the same image, made and not started. After it `from` has an untouched root. Repeating it
  /// changes nothing. Code::precondition: the two are not such a pair.
  virtual Task<Status> move_root(std::string from, std::string to) = 0;
  virtual Task<Status> pause_container(std::string id) = 0;
  virtual Task<Status> resume_container(std::string id) = 0;
  /// Of a container that runs.
  virtual Task<Result<bool>> is_paused(std::string id) = 0;
  virtual Task<Result<Container>> container(std::string id) = 0;
  virtual Task<Result<std::vector<Container>>> containers(std::string pod_uid) = 0;
  virtual Task<Status> reopen_log(std::string id) = 0;

  /// Runs to its end; output is cut at 16 MiB. Code::timeout when it takes longer.
  virtual Task<Result<ExecResult>> exec(std::string id,
                                        std::vector<std::string> command,
                                        std::chrono::milliseconds deadline) = 0;
  virtual Task<Result<std::unique_ptr<Session>>> start_exec(std::string id,
                                                            ExecOptions options) = 0;
  /// The container's own streams from now on; without `has_stdin` its output alone, line by line.
  /// The first within ten seconds of the container's start gets what it has printed before, too.
  /// The end of the session, or of its stdin, ends the stdin of a container made with
  /// is_stdin_once.
  virtual Task<Result<std::unique_ptr<Session>>> attach(std::string id, bool has_stdin) = 0;
  virtual Task<Result<std::vector<Stats>>> stats(std::string pod_uid) = 0;

  virtual Task<Result<std::optional<Image>>> image(std::string reference) = 0;
  virtual Task<Result<std::vector<Image>>> images() = 0;
  /// The id of what was pulled.
  virtual Task<Result<std::string>> pull_image(std::string reference,
                                               std::optional<RegistryLogin> login) = 0;
  /// A docker or OCI archive; the names it held.
  virtual Task<Result<std::vector<std::string>>> import_images(std::string archive_path) = 0;
  virtual Task<Status> remove_image(std::string reference) = 0;

  virtual Task<Result<std::unique_ptr<EventStream>>> events() = 0;
};

}  // namespace tetrarch::agent::runtime
