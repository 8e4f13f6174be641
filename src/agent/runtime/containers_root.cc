// SPDX-License-Identifier: Apache-2.0
// The root file system that an ended container left, handed to another one: the writable layers of
// the two snapshots change places, which is one rename and keeps whatever a layer can hold
// (whiteouts, opaque directories, attributes). Why so: docs/adr/0020-held-pods-keep-their-root.md.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>

#include <fmt/format.h>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/on_pool.h"

namespace tetrarch::agent::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kQuick = std::chrono::seconds(20);

/// Where a snapshot is written to, and what it is written over.
struct Layers {
  fs::path writable;
  std::string below;  ///< equal for two containers of one image
};

/// Source: containerd 1.6.20, snapshots/overlay: type overlay with upperdir= and lowerdir=, or a
/// bind of the only layer's directory; snapshots/native: a bind of the whole tree.
Result<Layers> layers_of(const native_snapshots::MountsResponse& reply) {
  Layers out;
  if (reply.mounts_size() != 1) {
    return Error{Code::unimplemented, "a snapshot of more than one mount"};
  }
  const auto& mount = reply.mounts(0);
  if (mount.type() == "bind") {
    out.writable = mount.source();
  }
  for (const auto& option : mount.options()) {
    if (option.starts_with("upperdir=")) {
      out.writable = option.substr(sizeof("upperdir=") - 1);
    } else if (option.starts_with("lowerdir=")) {
      out.below = option;
    }
  }
  if (out.writable.empty()) {
    return Error{Code::unimplemented, "the snapshotter does not say where it writes"};
  }
  return out;
}

Task<Result<Layers>> find_layers(std::shared_ptr<Services> services_, std::string id) {
  native_containers::GetContainerRequest get;
  get.set_id(std::move(id));
  CO_TRY(const auto found,
         co_await call<native_containers::GetContainerResponse>(
             TETRARCH_RPC(containers, Get), std::move(get), kQuick));
  native_snapshots::MountsRequest request;
  request.set_snapshotter(found.container().snapshotter());
  request.set_key(found.container().snapshot_key());
  CO_TRY(const auto reply,
         co_await call<native_snapshots::MountsResponse>(
             TETRARCH_RPC(snapshots, Mounts), std::move(request), kQuick));
  co_return layers_of(reply);
}

bool is_mounted(const fs::path& writable) {
  std::ifstream mounts("/proc/self/mountinfo");
  const auto words = "upperdir=" + writable.string();
  for (std::string line; std::getline(mounts, line);) {
    const auto at = line.find(words);
    if (at != std::string::npos &&
        (at + words.size() == line.size() || line[at + words.size()] == ',')) {
      return true;
    }
  }
  return false;
}

/// Blocking.
Status exchange(const Layers& from, const Layers& to) {
  std::error_code error;
  if (from.below != to.below) {
    return Error{Code::precondition, "the containers are not of the same image"};
  }
  if (fs::is_empty(from.writable, error) && !error) {
    return ok();  // nothing was written, or it has been moved
  }
  if (is_mounted(from.writable) || is_mounted(to.writable)) {
    return Error{Code::precondition, "the root is still in use"};
  }
  const bool is_overlay = !from.below.empty();
  if (is_overlay && (!fs::is_empty(to.writable, error) || error)) {
    return Error{Code::precondition, "the new container has been written to"};
  }
  if (::renameat2(
          AT_FDCWD, from.writable.c_str(), AT_FDCWD, to.writable.c_str(), RENAME_EXCHANGE) != 0) {
    return Error{Code::internal,
                 fmt::format("cannot move {} to {}: {}",
                             from.writable.string(),
                             to.writable.string(),
                             std::strerror(errno))};
  }
  return ok();
}

}  // namespace

Task<Status> Containers::move_root(std::string from, std::string to) {
  CO_TRY(const Layers source, co_await find_layers(services_, std::move(from)));
  CO_TRY(const Layers target, co_await find_layers(services_, std::move(to)));
  auto work = [source, target] { return exchange(source, target); };
  co_return co_await on_pool(blocking_, std::move(work));
}

}  // namespace tetrarch::agent::runtime
