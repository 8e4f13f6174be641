// SPDX-License-Identifier: Apache-2.0
// What an agent does now and then: removes attempts that nobody can ask for any more, images that
// nothing uses when the disk is full, and rotates logs.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "agent/agent_impl.h"
#include "agent/runtime/on_pool.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

// Source: Kubernetes documentation, kubelet: containerLogMaxSize 10Mi, containerLogMaxFiles 5;
// image garbage collection from 85 % of the disk down to 80 %.
constexpr std::uintmax_t kLogMax = 10 << 20;
constexpr int kLogFiles = 5;
constexpr double kDiskHigh = 0.85;
constexpr double kDiskLow = 0.80;
constexpr seconds kInterval{20};
constexpr int kImageEvery = 15;  ///< of kInterval
constexpr std::size_t kAttemptsKept = 2;

double disk_used(const fs::path& path) {
  struct statvfs disk = {};
  if (::statvfs(path.c_str(), &disk) != 0 || disk.f_blocks == 0) {
    return 0;
  }
  return 1.0 - static_cast<double>(disk.f_bavail) / static_cast<double>(disk.f_blocks);
}

/// x.log.4 goes, x.log.3 becomes x.log.4 …, x.log becomes x.log.1; false where the log is not large
/// yet.
bool rotate(const fs::path& log) {
  std::error_code error;
  const auto size = fs::file_size(log, error);
  if (error || size < kLogMax) {
    return false;
  }
  const auto numbered = [&](int n) { return fs::path(fmt::format("{}.{}", log.string(), n)); };
  fs::remove(numbered(kLogFiles - 1), error);
  for (int n = kLogFiles - 2; n >= 1; --n) {
    fs::rename(numbered(n), numbered(n + 1), error);
  }
  error.clear();
  fs::rename(log, numbered(1), error);
  return !error;
}

}  // namespace

Task<void> Agent::Impl::keep_house() {
  for (int round = 0;; ++round) {
    co_await async::sleep_for(kInterval);
    co_await rotate_logs();
    co_await remove_old_attempts();
    if (round % kImageEvery == 0) {
      co_await remove_unused_images();
    }
  }
}

Task<void> Agent::Impl::rotate_logs() {
  std::vector<std::pair<std::string, fs::path>> logs;  // running container, its log
  for (const auto& [uid, worker] : workers) {
    for (const auto& [name, attempts] : worker->seen().containers) {
      if (attempts.current && attempts.current->state == runtime::ContainerState::running &&
          !attempts.current->log_path.empty()) {
        logs.emplace_back(attempts.current->id, attempts.current->log_path);
      }
    }
  }
  for (const auto& [id, log] : logs) {
    auto work = [log = log] { return rotate(log); };
    if (co_await runtime::on_pool(with.blocking, std::move(work))) {
      static_cast<void>(co_await runtime->reopen_log(id));
    }
  }
}

/// Keeps the newest two attempts of every container and everything of the newest sandbox of a pod.
Task<void> Agent::Impl::remove_old_attempts() {
  auto all = co_await runtime->containers("");
  if (!all.ok()) {
    co_return;
  }
  std::sort(
      all->begin(), all->end(), [](const auto& a, const auto& b) { return a.attempt > b.attempt; });
  std::map<std::pair<std::string, std::string>, std::size_t> kept;
  for (const auto& container : *all) {
    const auto uid = container.labels.find(runtime::kLabelPodUid);
    if (uid == container.labels.end() || container.state == runtime::ContainerState::running ||
        ++kept[std::pair(uid->second, container.name)] <= kAttemptsKept) {
      continue;
    }
    static_cast<void>(co_await runtime->remove_container(container.id));
    const auto at = workers.find(uid->second);
    if (at != workers.end()) {
      auto clean = [place = at->second->directory() / "containers" / container.name /
                            std::to_string(container.attempt)] {
        std::error_code ignored;
        return fs::remove(place, ignored);
      };
      static_cast<void>(co_await runtime::on_pool(with.blocking, std::move(clean)));
    }
  }
  const auto sandboxes = co_await runtime->sandboxes("");
  if (!sandboxes.ok()) {
    co_return;
  }
  for (const auto& sandbox : *sandboxes) {
    const auto at = workers.find(sandbox.uid);
    if (at == workers.end() || sandbox.is_ready) {
      continue;
    }
    const auto& newest = at->second->seen().sandbox;
    if (newest && newest->id != sandbox.id && newest->attempt > sandbox.attempt + 1) {
      static_cast<void>(co_await runtime->remove_sandbox(sandbox.id));
    }
  }
}

Task<void> Agent::Impl::remove_unused_images() {
  auto measure = [place = places.containerd] { return disk_used(place); };
  if (co_await runtime::on_pool(with.blocking, std::move(measure)) < kDiskHigh) {
    co_return;
  }
  const auto all = co_await runtime->images();
  const auto containers = co_await runtime->containers("");
  if (!all.ok() || !containers.ok()) {
    co_return;
  }
  std::set<std::string> used;
  for (const auto& container : *containers) {
    used.insert(container.image_ref);
    used.insert(container.image);
  }
  for (const auto& image : *all) {
    const bool is_pause =
        std::find(image.tags.begin(), image.tags.end(), options.pause_image) != image.tags.end();
    bool is_used = is_pause || used.contains(image.id);
    for (const auto* names : {&image.tags, &image.digests}) {
      for (const auto& name : *names) {
        is_used = is_used || used.contains(name) || imported.contains(name);
      }
    }
    if (is_used) {
      continue;
    }
    log::info("agent",
              "disk is full to {} %: removing image {}",
              static_cast<int>(kDiskHigh * 100),
              image.id);
    static_cast<void>(co_await runtime->remove_image(image.id));
    auto again = [place = places.containerd] { return disk_used(place); };
    if (co_await runtime::on_pool(with.blocking, std::move(again)) < kDiskLow) {
      co_return;
    }
  }
}

}  // namespace tetrarch::agent
