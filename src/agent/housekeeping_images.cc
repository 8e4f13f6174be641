// SPDX-License-Identifier: Apache-2.0
// Images that nothing uses go when the disk is full, the longest unused first, until enough is
// free; and when they have been unused for too long.
#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/statvfs.h>

#include "agent/agent_impl.h"
#include "agent/runtime/on_pool.h"
#include "agent/volume_files.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

/// How many bytes must go; 0 while the disk is not that full.
std::uint64_t bytes_to_free(const std::filesystem::path& place, int high_percent, int low_percent) {
  struct statvfs disk = {};
  if (::statvfs(place.c_str(), &disk) != 0 || disk.f_blocks == 0) {
    return 0;
  }
  const auto size = static_cast<double>(disk.f_blocks) * static_cast<double>(disk.f_frsize);
  const auto used = size - static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (used * 100 < size * high_percent) {
    return 0;
  }
  return static_cast<std::uint64_t>(std::max(1.0, used - size * low_percent / 100));
}

bool is_any_of(const runtime::Image& image, const std::set<std::string>& names) {
  const auto is_named = [&](const std::string& name) { return names.contains(name); };
  return names.contains(image.id) || std::any_of(image.tags.begin(), image.tags.end(), is_named) ||
         std::any_of(image.digests.begin(), image.digests.end(), is_named);
}

}  // namespace

std::set<std::string> read_imported(const std::filesystem::path& note) {
  std::set<std::string> out;
  std::ifstream file(note);
  for (std::string name; std::getline(file, name);) {
    out.insert(std::move(name));
  }
  return out;
}

/// On disk, one name a line: a new process knows no archive that a user has loaded. One writes at a
/// time, whoever loads; what could not be written is with the next load.
Task<void> Agent::Impl::note_imported(std::vector<std::string> names) {
  const auto before = imported.size();
  imported.insert(names.begin(), names.end());
  is_import_unnoted = is_import_unnoted || imported.size() != before;
  while (is_import_unnoted && !is_noting_imports) {
    auto write = [note = imported_note(), text = fmt::format("{}\n", fmt::join(imported, "\n"))] {
      return write_lasting_file(note, text, 0600);
    };
    is_noting_imports = true;
    is_import_unnoted = false;
    const auto written = co_await runtime::on_pool(with.blocking, std::move(write));
    is_noting_imports = false;
    if (!written.ok()) {
      is_import_unnoted = true;
      log::warning("agent", "imported images not noted: {}", written.error().message);
      co_return;
    }
  }
}

/// Names and ids of what containers, pods of this node and sandboxes need.
Task<Result<std::set<std::string>>> Agent::Impl::images_in_use() {
  CO_TRY(const auto containers, co_await runtime->containers(""));
  std::set<std::string> out(imported.begin(), imported.end());  // nobody could bring them again
  for (const auto& container : containers) {
    out.insert(container.image_ref);
    out.insert(container.image);
  }
  std::vector<std::string> wanted = {options.pause_image};
  for (const auto& [uid, worker] : workers) {
    const views::PodView pod(worker->document()->root());
    for (const auto container : pod.spec().init_containers()) {
      wanted.emplace_back(container.image());
    }
    for (const auto container : pod.spec().containers()) {
      wanted.emplace_back(container.image());
    }
    for (const auto container : pod.spec().ephemeral_containers()) {
      wanted.emplace_back(container.image());
    }
  }
  for (const auto& name : wanted) {
    const auto known = co_await runtime->image(name);
    if (known.ok() && known->has_value()) {
      out.insert((**known).id);
    }
  }
  co_return out;
}

/// Not used for long enough to be removed if need be, the longest unused first.
Task<Result<std::vector<runtime::Image>>> Agent::Impl::unused_images() {
  CO_TRY(const auto used, co_await images_in_use());
  CO_TRY(auto all, co_await runtime->images());
  const auto now = with.clock.now();
  std::map<std::string, TimePoint> times;
  std::vector<runtime::Image> out;
  for (auto& image : all) {
    const bool is_used = is_any_of(image, used);
    const auto before = images_used.find(image.id);
    const auto time = is_used || before == images_used.end() ? now : before->second;
    times[image.id] = time;
    if (!is_used && now - time >= options.image_age_min) {
      out.push_back(std::move(image));
    }
  }
  images_used = std::move(times);
  std::sort(out.begin(), out.end(), [this](const auto& a, const auto& b) {
    return images_used[a.id] < images_used[b.id];
  });
  co_return out;
}

Task<void> Agent::Impl::remove_unused_images() {
  const auto unused = co_await unused_images();
  if (!unused.ok()) {
    co_return;  // containerd is away; the next round looks again
  }
  auto measure = [place = places.containerd,
                  high = options.image_gc_high_percent,
                  low = options.image_gc_low_percent] { return bytes_to_free(place, high, low); };
  const auto wanted = co_await runtime::on_pool(with.blocking, std::move(measure));
  const auto now = with.clock.now();
  // Counted by the images' sizes: containerd gives the space back only a while later.
  std::uint64_t freed = 0;
  for (const auto& image : *unused) {
    const bool is_too_old =
        options.image_age_max.count() > 0 && now - images_used[image.id] >= options.image_age_max;
    if (freed >= wanted && !is_too_old) {
      break;  // those that follow were used later
    }
    log::info("agent",
              "removing image {}, {}",
              image.tags.empty() ? image.id : image.tags.front(),
              is_too_old ? "unused for too long" : "for the disk is too full");
    if (const auto removed = co_await runtime->remove_image(image.id); removed.ok()) {
      freed += image.size_bytes;
    } else {
      log::warning("agent", "image {} not removed: {}", image.id, removed.error().message);
    }
  }
}

}  // namespace tetrarch::agent
