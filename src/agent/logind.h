// SPDX-License-Identifier: Apache-2.0
// Logind: what systemd-logind says of this machine's shutdown, over D-Bus, and the lock that makes
// it wait. One connection; a lost one is an error, after which another is made.
// Source: systemd, org.freedesktop.login1(5), "Inhibitor Locks".
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/result.h"

struct sd_bus;
struct sd_bus_message;

namespace tetrarch::agent {

class Logind {
 public:
  /// Blocking. Code::unavailable: there is no logind here. From then on shutdowns are told.
  static Result<std::unique_ptr<Logind>> connect();

  ~Logind();
  Logind(const Logind&) = delete;
  Logind& operator=(const Logind&) = delete;

  /// Makes logind wait for locks as long as this where it would wait for less: by `note`, a file
  /// among its configuration that is gone with the next boot. Blocking.
  Status allow_delay(std::chrono::seconds wanted, const std::filesystem::path& note);
  /// A shutdown waits until release() from now on. Blocking.
  Status inhibit();
  void release();

  /// Readable when next_word() may have news.
  int descriptor() const;
  /// What has been said: true, the machine is about to shut down; false, it is not after all;
  /// nothing, no news. Never blocks; an error is the end of the connection.
  Result<std::optional<bool>> next_word();

 private:
  Logind() = default;
  static int note_word(sd_bus_message* message, void* self, void* error);
  Result<std::chrono::microseconds> delay_max();

  sd_bus* bus_ = nullptr;
  int lock_ = -1;
  std::optional<bool> word_;
};

}  // namespace tetrarch::agent
