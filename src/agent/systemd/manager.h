// SPDX-License-Identifier: Apache-2.0
// The real Systemd: systemd's manager at a message bus.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/systemd/bus.h"
#include "agent/systemd/systemd.h"

namespace tetrarch::agent::systemd {

class Manager final : public Systemd {
 public:
  /// Code::unavailable and others: no bus at that address, or no systemd at that bus.
  static Task<Result<std::shared_ptr<Systemd>>> connect(std::string address,
                                                        std::function<void(std::string)> changed);

  explicit Manager(std::shared_ptr<Bus> bus) : bus_(std::move(bus)) {}  ///< for connect

  Task<Result<std::string>> version() override;
  Task<Status> link(std::filesystem::path file) override;
  Task<Status> enable(std::string unit) override;
  Task<Status> disable(std::string unit) override;
  Task<Status> reload() override;
  Task<Status> start(std::string unit) override;
  Task<Status> stop(std::string unit) override;
  Task<Status> kill(std::string unit) override;
  Task<Status> reset_failed(std::string unit) override;
  Task<Result<std::vector<UnitState>>> states(std::vector<std::string> units) override;
  Task<Result<MainProcess>> main_process(std::string unit) override;
  Task<Result<Fragment>> fragment(std::string unit) override;

  void on_end(std::function<void()> handler) override { bus_->on_end(std::move(handler)); }

 private:
  Status subscribe(const std::function<void(std::string unit)>& changed);
  Result<Message> manager_call(const char* method);
  Task<Result<Message>> job(const char* method, std::string unit);
  Task<Result<Message>> property(std::string path, const char* interface, const char* name);

  std::shared_ptr<Bus> bus_;  // shared with calls under way
};

}  // namespace tetrarch::agent::systemd
