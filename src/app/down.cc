// SPDX-License-Identifier: Apache-2.0
// `tetrarch down`: ends the process of a data directory, then everything that it left running.
#include "agent/down.h"

#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "app/command.h"
#include "app/machine.h"
#include "app/ownership.h"
#include "app/purge.h"

namespace tetrarch::app {
namespace {

/// With the directory held, so that no service starts a process from it meanwhile.
Status end_all(const std::string& data_dir, bool is_purge) {
  end_process(data_dir);
  auto owned = Ownership::take(data_dir);
  // Goes on without where the lock cannot be written: a disk that is full may be why it is purged.
  if (!owned.ok() && owned.error().code == Code::unavailable) {
    return Error{Code::unavailable,
                 fmt::format("a process runs from {} again, or still: end first what starts it, "
                             "as by `systemctl stop tetrarch`",
                             data_dir)};
  }
  TRY_STATUS(agent::take_down(data_dir, is_purge));
  if (is_purge) {
    purge(data_dir);
  }
  return ok();
}

/// What may start the process again, once we have let go of the directory; empty: nothing is known.
std::string restarting_service(const std::string& data_dir) {
  const int pid = running_process(data_dir);
  const auto theirs = read_file(fmt::format("/proc/{}/cgroup", pid)).value_or("");
  auto service = pid > 1 ? service_of(theirs) : "";
  return service == service_of(read_file("/proc/self/cgroup").value_or("")) ? "" : service;
}

}  // namespace

int run_down(const Config& config, const std::vector<std::string>& rest) {
  const bool is_purge = !rest.empty() && rest[0] == "--purge";
  if (rest.size() > (is_purge ? 1U : 0U)) {
    return fail(fmt::format("unknown flag or word '{}'", rest[is_purge ? 1 : 0]));
  }
  if (geteuid() != 0) {
    return fail("down needs root");
  }
  if (!std::filesystem::exists(config.data_dir)) {
    fmt::print("nothing runs from {}: there is no such directory\n", config.data_dir);
    return 0;
  }
  if (const auto checked = is_purge ? check_purge(config.data_dir) : ok(); !checked.ok()) {
    return fail(checked.error().message);
  }
  const auto service = restarting_service(config.data_dir);
  if (const auto done = end_all(config.data_dir, is_purge); !done.ok()) {
    return fail(done.error().message);
  }
  if (is_purge) {
    std::error_code not_empty;  // what is not ours stays
    std::filesystem::remove(config.data_dir, not_empty);
  }
  fmt::print("nothing runs from {} any more{}\n",
             config.data_dir,
             is_purge ? "; its data is removed" : "");
  if (!service.empty()) {
    fmt::print(stderr, "it ran in {0}, which may start it again: systemctl stop {0}\n", service);
  }
  return 0;
}

}  // namespace tetrarch::app
