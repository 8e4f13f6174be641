// SPDX-License-Identifier: Apache-2.0
// LocalClient: the Client that lives in the server's own process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "registry/engine.h"

namespace tetrarch::registry {

/// Acts under one identity; authorization and admission hold for it too. Must not outlive the
/// engine. Thread-safe.
class LocalClient final : public client::Client {
 public:
  LocalClient(Engine& engine, trust::Identity identity)
      : engine_(engine), identity_(std::move(identity)) {}

  Task<Result<Stored>> get(Key key) override;
  Task<Result<client::ListPage>> list(client::ListQuery query) override;
  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery query) override;
  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              client::WriteOptions options) override;
  Task<Result<Stored>> update(Key key, DocumentPtr document, client::WriteOptions options) override;
  Task<Result<Stored>> patch(Key key,
                             client::PatchType type,
                             std::string body,
                             client::WriteOptions options) override;
  Task<Result<Stored>> remove(Key key, client::DeleteOptions options) override;
  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> changes) override;
  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName node) override;

 private:
  Result<Call> call_for(std::string_view resource, std::string ns, std::string name) const;

  Engine& engine_;
  const trust::Identity identity_;
};

}  // namespace tetrarch::registry
