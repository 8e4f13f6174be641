// SPDX-License-Identifier: Apache-2.0
// What a worker does: each function is one action, begun because plan() named it, ended by a look
// at the runtime.
#include <algorithm>

#include <fmt/format.h>

#include "agent/checks.h"
#include "agent/resources.h"
#include "agent/runtime/on_pool.h"
#include "agent/volume_files.h"
#include "agent/worker.h"
#include "base/log.h"
#include "object/quantity.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using runtime::on_pool;
using std::chrono::seconds;

constexpr seconds kPrepareRetry{5};
constexpr seconds kConfigRetry{10};
constexpr seconds kRefreshRetry{10};
constexpr seconds kHookLimit{600};

std::optional<int> group_of(views::PodView pod) {
  const auto context = pod.spec().security_context();
  return context.has_fs_group() ? std::optional(static_cast<int>(context.fs_group()))
                                : std::nullopt;
}

seconds doubled(int failures) {
  return std::min(seconds(10) * (1 << std::min(failures, 6)), seconds(300));
}

}  // namespace

void PodWorker::wait_with(std::string_view container, Reason reason, seconds retry) {
  auto& memory = memory_.containers[std::string(container)];
  memory.waiting = std::move(reason);
  memory.waiting_since = shop_.clock.now();
  memory.retry_at = shop_.clock.now() + retry;
}

Task<void> PodWorker::prepare() {
  auto prepared = co_await shop_.tokens.ensure(pod_.document);
  if (prepared.ok()) {
    prepared = co_await write_volumes(false);
  }
  if (prepared.ok()) {
    const views::PodView pod = view();
    auto work = [&cgroups = shop_.cgroups,
                 path = sandbox_config(pod, shop_.node, 0).cgroup_parent,
                 numbers = pod_resources(pod),
                 logs = log_directory(shop_.node, pod)]() -> Status {
      std::error_code error;
      fs::create_directories(logs, error);
      return cgroups.make(path, numbers);
    };
    prepared = co_await on_pool(shop_.blocking, std::move(work));
  }
  memory_.is_prepared = prepared.ok();
  if (!prepared.ok()) {
    shop_.events.warning(
        subject(), "FailedMount", "MountVolume.SetUp failed " + prepared.error().message);
    memory_.retry_at = shop_.clock.now() + kPrepareRetry;
  }
}

Status PodWorker::VolumeWork::carry_out(std::optional<int> group) const {
  switch (kind) {
    case VolumeKind::payload:
      return is_memory ? write_payload_in_memory(directory, payload, group)
                       : write_payload(directory, payload, group);
    case VolumeKind::empty_dir:
      return make_empty_dir(directory, is_memory, size_bytes, group);
    case VolumeKind::host_path:
      return check_host_path(host_path, host_type);
    case VolumeKind::unsupported:
      break;
  }
  return Error{Code::unimplemented,
               "this kind of volume is not supported yet: " + directory.filename().string()};
}

Result<PodWorker::VolumeWork> PodWorker::work_of(views::PodView pod,
                                                 views::VolumeView volume,
                                                 const PayloadSources& sources) const {
  VolumeWork work;
  work.directory = directory() / "volumes" / std::string(volume.name());
  work.kind = kind_of(volume);
  if (work.kind == VolumeKind::payload) {
    auto payload = payload_of(pod, volume, sources);
    if (!payload.ok()) {
      return Error{payload.error().code,
                   fmt::format("for volume \"{}\" : {}", volume.name(), payload.error().message)};
    }
    work.payload = std::move(*payload);
  }
  work.is_memory = is_kept_in_memory(volume);
  work.size_bytes = object::value_of(volume.empty_dir().view()["sizeLimit"]);
  work.host_path = std::string(volume.host_path().path());
  work.host_type = std::string(volume.host_path().type());
  return work;
}

/// A refresh writes all that it can: a ConfigMap that has gone keeps no token from being renewed.
/// The first error.
Task<Status> PodWorker::write_volumes(bool is_refresh) {
  const DocumentPtr document = pod_.document;
  const views::PodView pod(document->root());
  const Sources objects = sources();
  const PodFacts facts = memory_.facts;
  const PayloadSources payload_sources{
      objects, facts, [this](const TokenWish& wish) { return shop_.tokens.find(uid_, wish); }};
  Status failed = ok();
  std::vector<VolumeWork> list;
  for (const auto volume : pod.spec().volumes()) {
    if (is_refresh && kind_of(volume) != VolumeKind::payload) {
      continue;
    }
    auto work = work_of(pod, volume, payload_sources);
    if (work.ok()) {
      list.push_back(std::move(*work));
    } else if (!is_refresh) {
      co_return work.error();
    } else if (failed.ok()) {
      failed = work.error();
    }
  }
  auto work = [list = std::move(list), group = group_of(pod), is_refresh, failed]() -> Status {
    Status out = failed;
    for (const auto& volume : list) {
      const auto done = volume.carry_out(group);
      out = out.ok() ? done : out;
      if (!done.ok() && !is_refresh) {
        break;
      }
    }
    return out;
  };
  co_return co_await on_pool(shop_.blocking, std::move(work));
}

/// What failed is tried again a little later: a server that is away renews then.
Task<void> PodWorker::refresh() {
  auto refreshed = co_await shop_.tokens.ensure(pod_.document);
  const auto written = co_await write_volumes(true);
  refreshed = refreshed.ok() ? written : refreshed;
  if (!refreshed.ok()) {
    refresh_at_ = shop_.clock.now() + kRefreshRetry;
    log::debug("agent",
               "pod {}/{}: volumes not refreshed: {}",
               key_.ns,
               key_.name,
               refreshed.error().message);
  }
}

/// All that are left of this pod, whatever their state: what they hold is given back.
Task<Status> PodWorker::stop_sandboxes() {
  CO_TRY(const auto all, co_await shop_.runtime.sandboxes(uid_));
  for (const auto& sandbox : all) {
    if (!stopped_sandboxes_.contains(sandbox.id)) {
      CO_TRY_STATUS(co_await shop_.runtime.stop_sandbox(sandbox.id));
      stopped_sandboxes_.insert(sandbox.id);
    }
  }
  co_return ok();
}

Task<void> PodWorker::run_sandbox(Action action) {
  const DocumentPtr document = pod_.document;
  const views::PodView pod(document->root());
  auto config = sandbox_config(pod, shop_.node, action.attempt);
  Result<std::string> made = kernel_name(pod, shop_.node);
  // One that ended by itself (a reboot, a killed pause process) still holds its address.
  if (const auto freed = co_await stop_sandboxes(); !freed.ok()) {
    made = freed.error();
  } else if (made.ok()) {
    made = co_await shop_.runtime.run_sandbox(std::move(config));
  }
  if (!made.ok()) {
    memory_.sandbox_failure = Reason{"FailedCreatePodSandBox", made.error().message};
    memory_.retry_at =
        shop_.clock.now() +
        std::min(seconds(1) * (1 << std::min(memory_.sandbox_failures, 5)), seconds(30));
    ++memory_.sandbox_failures;
    shop_.events.warning(subject(),
                         "FailedCreatePodSandBox",
                         "Failed to create pod sandbox: " + made.error().message);
    co_return;
  }
  memory_.sandbox_failure.reset();
  memory_.sandbox_failures = 0;
  static_cast<void>(co_await observe_sandbox());
  auto hosts = [path = directory() / "etc-hosts",
                text = etc_hosts(pod, memory_.facts, shop_.node)] {
    return write_file(path, text, 0644);
  };
  if (const auto written = co_await on_pool(shop_.blocking, std::move(hosts)); !written.ok()) {
    log::warning("agent", "{}", written.error().message);
  }
}

/// The image of an attempt; one that goes on with a root needs the very image of that root.
Task<ImageAnswer> PodWorker::image_for(std::string name, std::string image) {
  const DocumentPtr document = pod_.document;
  const auto& attempts = seen_.containers[name];
  if (!is_kept(attempts, memory_.containers[name])) {
    const std::string policy(
        container_named(views::PodView(document->root()), name).image_pull_policy());
    co_return co_await shop_.images.ensure(document, image, policy);
  }
  const auto reference = attempts.current->image_ref;
  ImageAnswer answer;
  const auto known = co_await shop_.runtime.image(reference);
  if (known.ok() && known->has_value()) {
    answer.image = ReadyImage{(**known).id, {(**known).user_id, (**known).user_name}, false};
  } else {
    answer.failure = {"ImageInspectError",
                      fmt::format("the image of the held container, {}, is not there", reference)};
  }
  co_return answer;
}

/// Empty where there is none; then the container waits with the reason.
Task<std::optional<ReadyImage>> PodWorker::ready_image(std::string name, std::string image) {
  auto answer = co_await image_for(name, image);
  auto& memory = memory_.containers[name];
  if (!answer.image) {
    const auto& failure = answer.failure;
    if (failure.reason == "ErrImagePull") {
      shop_.events.warning(subject(name),
                           "Failed",
                           fmt::format("Failed to pull image \"{}\": {}", image, failure.message));
    } else {
      shop_.events.warning(subject(name), failure.reason, failure.message);
    }
    shop_.events.warning(subject(name), "Failed", "Error: " + failure.reason);
    wait_with(name, failure, doubled(memory.pull_failures));
    ++memory.pull_failures;
    co_return std::nullopt;
  }
  memory.pull_failures = 0;
  shop_.events.normal(
      subject(name),
      "Pulled",
      answer.image->was_pulled
          ? fmt::format("Successfully pulled image \"{}\"", image)
          : fmt::format("Container image \"{}\" already present on machine", image));
  co_return std::move(answer.image);
}

Task<void> PodWorker::start_container(Action action) {
  const DocumentPtr document = pod_.document;
  const views::PodView pod(document->root());
  auto& memory = memory_.containers[action.container];
  std::string wanted(container_named(pod, action.container).image());
  memory.is_pulling = true;
  const auto image = co_await ready_image(action.container, std::move(wanted));
  memory.is_pulling = false;
  if (!image || is_ending()) {
    co_return;
  }
  const auto previous = seen_.containers[action.container].current;
  const bool is_restart = previous && !is_kept(seen_.containers[action.container], memory);
  if (const auto started = co_await create_and_start(action, *image); !started.ok()) {
    shop_.events.warning(subject(action.container), "Failed", "Error: " + started.error().message);
  }
  if (is_restart) {
    const bool has_times = previous->started && previous->finished;
    memory.backoff.restarted(has_times ? *previous->finished - *previous->started
                                       : std::chrono::microseconds(0));
  }
}

/// What the runtime is told; the error's message says what the container waits for.
Result<PodWorker::Making> PodWorker::making_of(DocumentPtr document,
                                               const Action& action,
                                               const ReadyImage& image) {
  const views::PodView pod(document->root());
  const auto container = container_named(pod, action.container);
  TRY(const auto environment, environment_of(pod, container, sources(), memory_.facts));
  TRY(auto security, security_of(pod, container, image.user));
  Making out;
  out.config = container_config(pod, container, shop_.node, action.attempt, environment);
  add_mounts(out, pod, container, action.attempt);
  auto& config = out.config;
  config.image = image.id;
  config.security = std::move(security);
  const auto& memory = memory_.containers[action.container];
  const auto& attempts = seen_.containers[action.container];
  auto restarts = static_cast<std::uint32_t>(memory.restarts_told + 1);
  if (is_kept(attempts, memory)) {
    restarts = restarts_of(*attempts.current);  // going on is no restart, and its log goes on too
    const auto log = fs::path(attempts.current->log_path)
                         .lexically_relative(log_directory(shop_.node, pod))
                         .string();
    config.log_path = log.empty() || log.starts_with("..") ? config.log_path : log;
  }
  config.annotations[runtime::kAnnotationRestarts] = std::to_string(restarts);
  TRY(config.pid_target, pid_target_of(container));
  return out;
}

/// The container that an ephemeral one is to look into; empty where it names none.
Result<std::string> PodWorker::pid_target_of(views::ContainerView container) const {
  const std::string name(container.view()["targetContainerName"].string());
  if (name.empty()) {
    return std::string();
  }
  const auto at = seen_.containers.find(name);
  if (at == seen_.containers.end() || !at->second.current) {
    // Source: kubelet's words, which users search for.
    return Error{Code::invalid, fmt::format("unable to find target container {}", name)};
  }
  return at->second.current->id;
}

/// A process that ended between making a container and starting it has left one that may have the
/// root already: it gives it back.
Task<Status> PodWorker::undo_unstarted(std::string container) {
  const auto current = seen_.containers[container].current;
  const auto held = memory_.containers[container].kept_id;
  if (!current || current->id == held) {
    co_return ok();
  }
  CO_TRY_STATUS(co_await shop_.runtime.move_root(current->id, held));
  co_return co_await shop_.runtime.remove_container(current->id);
}

/// Gives a container that was just made the root of the attempt that was held.
Task<Status> PodWorker::take_over_root(std::string container, std::string id) {
  const auto moved = co_await shop_.runtime.move_root(memory_.containers[container].kept_id, id);
  if (!moved.ok()) {
    static_cast<void>(co_await shop_.runtime.remove_container(id));
    co_return moved;
  }
  co_await note_kept_root(std::move(container), std::move(id));
  co_return ok();
}

Task<Status> PodWorker::create_and_start(Action action, ReadyImage image) {
  const DocumentPtr document = pod_.document;
  const views::PodView pod(document->root());
  const auto container = container_named(pod, action.container);
  const auto refuse = [&](std::string reason, const Error& error) -> Status {
    wait_with(action.container, Reason{std::move(reason), error.message}, kConfigRetry);
    return error;
  };
  auto making = making_of(document, action, image);
  if (!making.ok()) {
    co_return refuse("CreateContainerConfigError", making.error());
  }
  auto files = [files = std::move(making->files)] { return files.make(); };
  if (const auto made = co_await on_pool(shop_.blocking, std::move(files)); !made.ok()) {
    co_return refuse("CreateContainerConfigError", made.error());
  }
  const bool goes_on =
      is_kept(seen_.containers[action.container], memory_.containers[action.container]);
  if (goes_on) {
    if (const auto undone = co_await undo_unstarted(action.container); !undone.ok()) {
      co_return refuse("CreateContainerError", undone.error());
    }
  }
  if (!seen_.sandbox) {
    co_return Error{Code::cancelled, "the sandbox has gone"};
  }
  const auto sandbox = sandbox_config(pod, shop_.node, seen_.sandbox->attempt);
  const auto sandbox_id = seen_.sandbox->id;
  const auto id =
      co_await shop_.runtime.create_container(sandbox_id, std::move(making->config), sandbox);
  if (!id.ok()) {
    co_return refuse("CreateContainerError", id.error());
  }
  shop_.events.normal(
      subject(action.container), "Created", fmt::format("Created container: {}", action.container));
  auto& memory = memory_.containers[action.container];
  memory.enacted_id = *id;
  memory.enacted = Document::from_canonical(std::string(container.resources().view().raw()));
  memory.resize_error.clear();
  if (goes_on) {
    if (const auto moved = co_await take_over_root(action.container, *id); !moved.ok()) {
      co_return refuse("CreateContainerError", moved.error());
    }
  }
  const auto hook = container.lifecycle().view()["postStart"];
  memory.hook_id = hook ? *id : std::string();
  if (const auto started = co_await shop_.runtime.start_container(*id); !started.ok()) {
    co_return refuse("RunContainerError", started.error());
  }
  if (goes_on) {
    co_await note_kept_root(action.container, "");
  }
  memory.waiting.reset();
  shop_.events.normal(
      subject(action.container), "Started", fmt::format("Started container {}", action.container));
  if (hook) {
    CheckTarget target{document, hook, container.view(), *id, memory_.facts.pod_ip};
    target.is_hook = true;
    const auto ran = co_await run_check(shop_.runtime, target, kHookLimit);
    memory.hook_id.clear();
    if (!ran.is_success && !is_ending()) {
      shop_.events.warning(
          subject(action.container), "FailedPostStartHook", "PostStartHook failed: " + ran.message);
      co_return co_await shop_.runtime.stop_container(*id, grace_of(view(), memory_));
    }
  }
  co_return ok();
}

fs::path PodWorker::kept_note(std::string_view container) const {
  return directory() / "containers" / std::string(container) / "kept";
}

/// On disk first: what is not noted there would be lost with this process. Empty: no root is kept.
Task<void> PodWorker::note_kept_root(std::string container, std::string id) {
  auto work = [path = kept_note(container), id]() -> Status {
    std::error_code ignored;
    if (id.empty()) {
      fs::remove(path, ignored);
      return ok();
    }
    return write_file(path, id, 0600);
  };
  const auto noted = co_await on_pool(shop_.blocking, std::move(work));
  if (noted.ok()) {
    memory_.containers[container].kept_id = std::move(id);
  } else {
    log::warning("agent", "pod {}/{}: {}", key_.ns, key_.name, noted.error().message);
    co_await async::sleep_for(seconds(1));
  }
}

Task<void> PodWorker::keep_root(Action action) {
  co_await note_kept_root(action.container, action.id);
}

}  // namespace tetrarch::agent
