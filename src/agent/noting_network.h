// SPDX-License-Identifier: Apache-2.0
// NotingNetwork: touches nothing and notes what it is told. Only tests include it.
#pragma once

#include <string>
#include <vector>

#include "agent/network/network.h"

namespace tetrarch::agent {

/// Notes what it is told: "3 of all" or "1 changed", with "failed" where it cannot.
class NotingNetwork final : public network::Network {
 public:
  std::vector<std::string> told;
  int failures = 0;  ///< of the next calls of apply
  int routes_kept = 0;

  Task<Status> set_up(std::string, std::string) override { co_return ok(); }

  std::filesystem::path cni_conf_directory() const override { return "/none"; }

  std::filesystem::path cni_bin_directory() const override { return "/none"; }

  std::string dns_address() const override { return "10.43.0.10"; }

  Task<Status> apply(std::vector<network::Change> changes, bool is_whole) override {
    const bool is_failure = failures > 0 && failures-- > 0;
    told.push_back(std::to_string(changes.size()) + (is_whole ? " of all" : " changed") +
                   (is_failure ? ", failed" : ""));
    co_return is_failure ? Status(Error{Code::unavailable, "Device or resource busy"}) : ok();
  }

  Task<Status> keep_routes() override {
    ++routes_kept;
    co_return ok();
  }

  bool admit(const network::LocalPod&) override { return false; }

  void release(const std::string&) override {}

  bool is_limited(const std::string&) const override { return false; }

  const network::HealthPortsByService& health_ports() const override { return health_ports_; }

  Task<void> stop() override { co_return; }

 private:
  network::HealthPortsByService health_ports_;
};

}  // namespace tetrarch::agent
