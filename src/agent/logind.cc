// SPDX-License-Identifier: Apache-2.0
#include "agent/logind.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <systemd/sd-bus.h>

#include "agent/systemd/bus.h"

namespace tetrarch::agent {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr const char* kService = "org.freedesktop.login1";
constexpr const char* kPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
constexpr microseconds kCallLimit = seconds(5);

using systemd::bus_error;

/// The words of a refused call, freed at its end.
struct CallError {
  sd_bus_error error = SD_BUS_ERROR_NULL;

  CallError() = default;
  CallError(const CallError&) = delete;
  CallError& operator=(const CallError&) = delete;

  ~CallError() { sd_bus_error_free(&error); }

  Error as_error(std::string_view what, int code) const {
    return error.message == nullptr
               ? bus_error(what, code)
               : Error{Code::unavailable, fmt::format("{}: {}", what, error.message)};
  }
};

}  // namespace

Result<std::unique_ptr<Logind>> Logind::connect() {
  std::unique_ptr<Logind> out(new Logind);  // NOLINT: the constructor is private
  if (const int code = sd_bus_open_system(&out->bus_); code < 0) {
    return bus_error("no system bus", code);
  }
  sd_bus_set_method_call_timeout(out->bus_, static_cast<std::uint64_t>(kCallLimit.count()));
  // Asked first: it starts logind where that is activated by the bus.
  TRY(const auto delay, out->delay_max());
  static_cast<void>(delay);
  const int code = sd_bus_match_signal(
      out->bus_,
      nullptr,
      kService,
      kPath,
      kManager,
      "PrepareForShutdown",
      [](sd_bus_message* message, void* self, sd_bus_error* error) {
        return note_word(message, self, error);
      },
      out.get());
  if (code < 0) {
    return bus_error("listening for PrepareForShutdown", code);
  }
  return out;
}

Logind::~Logind() {
  release();
  sd_bus_unref(bus_);
}

int Logind::note_word(sd_bus_message* message, void* self, void* /*error*/) {
  int is_starting = 0;
  if (sd_bus_message_read(message, "b", &is_starting) >= 0) {
    static_cast<Logind*>(self)->word_ = is_starting != 0;
  }
  return 0;
}

Result<microseconds> Logind::delay_max() {
  CallError error;
  std::uint64_t value = 0;
  const int code = sd_bus_get_property_trivial(
      bus_, kService, kPath, kManager, "InhibitDelayMaxUSec", &error.error, 't', &value);
  if (code < 0) {
    return error.as_error("InhibitDelayMaxUSec", code);
  }
  return microseconds(value);
}

Status Logind::allow_delay(seconds wanted, const std::filesystem::path& note) {
  TRY(const auto before, delay_max());
  if (before >= wanted) {
    return ok();
  }
  std::error_code failure;
  std::filesystem::create_directories(note.parent_path(), failure);
  std::ofstream file(note);
  // Source: systemd, logind.conf(5). What is in /run is gone with the next boot.
  file << "[Login]\nInhibitDelayMaxSec=" << wanted.count() << "\n" << std::flush;
  if (!file) {
    return Error{Code::internal, fmt::format("cannot write {}", note.string())};
  }
  // Source: kubelet, nodeshutdown/systemd: ReloadLogindConf.
  CallError error;
  const int code = sd_bus_call_method(bus_,
                                      "org.freedesktop.systemd1",
                                      "/org/freedesktop/systemd1",
                                      "org.freedesktop.systemd1.Manager",
                                      "KillUnit",
                                      &error.error,
                                      nullptr,
                                      "ssi",
                                      "systemd-logind.service",
                                      "all",
                                      SIGHUP);
  if (code < 0) {
    return error.as_error("reloading logind's configuration", code);
  }
  // It takes the signal in its own time.
  for (int tries = 0; tries < 50; ++tries) {
    TRY(const auto now, delay_max());
    if (now >= wanted) {
      return ok();
    }
    ::usleep(20'000);
  }
  return Error{Code::unavailable, "logind does not take a longer delay"};
}

Status Logind::inhibit() {
  CallError error;
  sd_bus_message* reply = nullptr;
  const int code = sd_bus_call_method(bus_,
                                      kService,
                                      kPath,
                                      kManager,
                                      "Inhibit",
                                      &error.error,
                                      &reply,
                                      "ssss",
                                      "shutdown",
                                      "tetrarch",
                                      "Tetrarch ends its pods in order",
                                      "delay");
  if (code < 0) {
    return error.as_error("Inhibit", code);
  }
  int lent = -1;  // closed with the message
  const int read = sd_bus_message_read(reply, "h", &lent);
  const int own = read < 0 ? -1 : ::fcntl(lent, F_DUPFD_CLOEXEC, 3);
  sd_bus_message_unref(reply);
  if (own < 0) {
    return Error{Code::internal, "logind's lock cannot be kept"};
  }
  release();
  lock_ = own;
  return ok();
}

void Logind::release() {
  if (const int lock = std::exchange(lock_, -1); lock >= 0) {
    ::close(lock);
  }
}

int Logind::descriptor() const {
  return sd_bus_get_fd(bus_);
}

Result<std::optional<bool>> Logind::next_word() {
  while (!word_) {
    const int code = sd_bus_process(bus_, nullptr);
    if (code < 0) {
      return bus_error("the system bus", code);
    }
    if (code == 0) {
      return std::optional<bool>();
    }
  }
  return std::exchange(word_, std::nullopt);
}

}  // namespace tetrarch::agent
