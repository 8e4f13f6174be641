// SPDX-License-Identifier: Apache-2.0
// /sys of privileged containers. The pause container is the first to mount sysfs in a pod's network
// namespace, and mounts it read-only, which makes the file system itself so: a later mount of it,
// for a privileged container, says rw and cannot write. So the file system is made writable again;
// the mounts of all other containers stay read-only, each by its own flag.
// Source: containerd 1.6, sandbox_run_linux.go (the sandbox's specification has sysfs with ro, also
// where it is privileged) and oci.WithPrivileged (rw for the container); Linux, fs/super.c.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/mount.h>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/on_pool.h"

namespace tetrarch::agent::runtime {
namespace {

constexpr std::chrono::milliseconds kQuick = std::chrono::seconds(20);

/// Blocking. Through the pause process's own root, so that no namespace has to be entered.
Status make_sysfs_writable(std::uint32_t pid) {
  const auto place = fmt::format("/proc/{}/root/sys", pid);
  const auto failed = [&] {
    return Error{Code::unavailable,
                 fmt::format("cannot make {} writable: {}", place, std::strerror(errno))};
  };
  const int context = ::fspick(AT_FDCWD, place.c_str(), FSPICK_CLOEXEC);
  if (context < 0) {
    return failed();
  }
  Status out = ok();
  if (::fsconfig(context, FSCONFIG_SET_FLAG, "rw", nullptr, 0) != 0 ||
      ::fsconfig(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) != 0) {
    out = failed();
  }
  ::close(context);
  return out;
}

}  // namespace

Task<Status> Containers::allow_sysfs_writes(std::string sandbox_id) {
  native_tasks::GetRequest request;
  request.set_container_id(std::move(sandbox_id));
  CO_TRY(const auto reply,
         co_await call<native_tasks::GetResponse>(
             TETRARCH_RPC(tasks, Get), std::move(request), kQuick));
  auto work = [pid = reply.process().pid()] { return make_sysfs_writable(pid); };
  co_return co_await on_pool(blocking_, std::move(work));
}

}  // namespace tetrarch::agent::runtime
