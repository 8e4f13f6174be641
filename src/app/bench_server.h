// SPDX-License-Identifier: Apache-2.0
// BenchServer: this binary once more, as a server with a new directory and a free port of its own,
// for `tetrarch bench`. One at a time. Used by one thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "load/arguments.h"

namespace tetrarch::app {

class BenchServer {
  struct Private {};  // only make() makes one

 public:
  BenchServer(Private, std::string command, std::filesystem::path directory, int port);
  /// `command`: "server", or "up" with an agent (needs root). Not started yet.
  static Result<std::unique_ptr<BenchServer>> make(std::string command);
  /// Ends it, what runs on it, and its directory.
  ~BenchServer();
  BenchServer(const BenchServer&) = delete;
  BenchServer& operator=(const BenchServer&) = delete;

  /// Seconds from exec to the first answer of /readyz that is 200.
  Result<double> start();
  /// SIGTERM, and waits for the end; may be started again.
  void stop();

  int pid() const { return pid_; }

  std::filesystem::path data() const { return directory_ / "data"; }

  /// Where fleet's API listens.
  std::string fleet_url() const { return "unix://" + (directory_ / "fleet.sock").string(); }

  /// For a workload on it, as the administrator.
  Result<load::Arguments> arguments(std::string mode) const;
  Result<std::string> get(const std::string& path) const;
  double resident_mb() const;
  double cpu_seconds() const;

  /// For a signal that ends the program: what there is now is ended and removed. Any thread.
  static void end_at_once();

 private:
  void end();
  Status spawn();
  bool is_ready() const;

  std::string command_;
  std::filesystem::path directory_;
  int port_;
  int pid_ = 0;
};

}  // namespace tetrarch::app
