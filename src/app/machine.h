// SPDX-License-Identifier: Apache-2.0
// Facts of this machine, and small file duties of the commands.
#pragma once

#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::app {

/// The IPv4 address of the interface that the default route leaves by; 127.0.0.1 where there is
/// none.
std::string default_address();
/// In lower case, since a Node is called by it.
std::string host_name();

/// The process that runs from a data directory: it holds the lock of the pid file. 0: none does.
int running_process(const std::string& data_dir);
/// The service of systemd that a process is in, by the text of its /proc/PID/cgroup, as
/// "tetrarch.service". Empty: none. That of a user's session is none.
std::string service_of(std::string_view cgroups);
/// Ends it, at last by force. Blocking.
void end_process(const std::string& data_dir);

Result<std::string> read_file(const std::filesystem::path& path);
/// By rename, with mode 0600.
Status write_private_file(const std::filesystem::path& path, std::string_view content);
/// Made with mode 0700 where it is missing, parents too.
Status make_directory(const std::filesystem::path& path);
/// So that names in it that are new, or gone, stay so after a power loss.
Status sync_directory(const std::filesystem::path& path);

/// SIGTERM, SIGINT and SIGHUP, for who waits for them: threads made after this do not take them.
/// SIGPIPE is ignored.
sigset_t block_signals();

}  // namespace tetrarch::app
