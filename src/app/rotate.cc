// SPDX-License-Identifier: Apache-2.0
// `tetrarch rotate`: a new key in front of the old ones, which go on opening and checking what they
// sealed and signed. A running server is told to read the file again.
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "app/command.h"
#include "app/keys.h"
#include "app/machine.h"
#include "base/random.h"
#include "trust/at_rest.h"
#include "trust/secret_file.h"
#include "trust/service_account_token.h"

namespace tetrarch::app {
namespace {

Status rotate_encryption(const Config& config) {
  const auto path = encryption_key_file(config);
  TRY(const auto text, trust::read_file(path));
  TRY(const auto ring, trust::KeyRing::from_text(text));
  return ring.rotated(system_random()).save(path);
}

Status rotate_tokens(const Config& config) {
  const auto path = token_key_file(config);
  TRY(const auto pem, trust::read_file(path));
  TRY(const auto keys, trust::TokenKeys::from_pem(pem));
  TRY(const auto fresh, keys.rotated());
  TRY(const auto fresh_pem, fresh.to_pem());
  return trust::write_file_atomically(path, fresh_pem);
}

Status tell_server(const std::string& data_dir) {
  const int pid = running_process(data_dir);
  if (pid <= 1) {
    fmt::print("no server runs from {}: the next start takes the key\n", data_dir);
    return ok();
  }
  if (kill(pid, SIGHUP) != 0) {
    return Error{Code::internal,
                 fmt::format("cannot tell process {}: {}", pid, std::strerror(errno))};
  }
  fmt::print("process {} takes the key now\n", pid);
  return ok();
}

}  // namespace

int run_rotate(const Config& config, const std::vector<std::string>& rest) {
  const bool is_encryption = rest.size() == 1 && rest[0] == "encryption";
  if (!is_encryption && (rest.size() != 1 || rest[0] != "service-accounts")) {
    return fail("rotate: say what: encryption or service-accounts");
  }
  const auto rotated = is_encryption ? rotate_encryption(config) : rotate_tokens(config);
  if (!rotated.ok()) {
    return fail(rotated.error().message);
  }
  const auto told = tell_server(config.data_dir);
  return told.ok() ? 0 : fail(told.error().message);
}

}  // namespace tetrarch::app
