// SPDX-License-Identifier: Apache-2.0
// Engine: the Registry. Authorizes, lets Planner and Reader decide, and commits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/authenticate.h"
#include "registry/authorizer.h"
#include "registry/node_pods.h"
#include "registry/planner.h"
#include "registry/policy_feeds.h"
#include "registry/reader.h"
#include "registry/registry.h"

namespace tetrarch::registry {

/// Thread-safe: all state is in the store, in tables, or behind a lock of its owner.
class Engine final : public Registry {
 public:
  Engine(Parts parts, Options options);

  Task<Status> bootstrap() override;
  Task<Result<Stored>> get(Call call, ReadAt at) override;
  Task<Result<client::ListPage>> list(Call call, ListOptions options) override;
  Task<Result<std::unique_ptr<client::Watch>>> watch(Call call, WatchOptions options) override;
  Task<Result<Stored>> create(Call call, std::string json, client::WriteOptions options) override;
  Task<Result<Stored>> update(Call call, std::string json, client::WriteOptions options) override;
  Task<Result<Stored>> patch(Call call,
                             client::PatchType type,
                             std::string body,
                             client::WriteOptions options) override;
  Task<Result<Stored>> remove(Call call, client::DeleteOptions options) override;
  Task<Result<client::ListPage>> remove_collection(Call call,
                                                   ListOptions which,
                                                   client::DeleteOptions options) override;
  Status authorize(const trust::Identity& identity, const Attributes& asked) const override;
  Result<trust::Identity> authenticate(const Credentials& shown) const override;
  std::unique_ptr<client::Client> client(trust::Identity identity) override;

  /// Independent writes in one batch; a write that loses a race is made again on its own.
  Task<std::vector<Result<Stored>>> apply(trust::Identity identity,
                                          std::vector<client::Change> changes);
  Result<std::unique_ptr<client::Watch>> feed(const trust::Identity& identity,
                                              const NodeName& node);

  const Surroundings& here() const { return here_; }

  /// Code::not_found where the tables have no such resource.
  Result<const schema::Kind*> kind_of(std::string_view resource) const;

 private:
  using MakePlan = std::function<Result<Plan>()>;
  using PlanFor = std::function<Result<Plan>(const Call& call)>;

  // Source: what client-go tries on a conflict; past that the caller should look again.
  static constexpr int kTries = 6;
  // What a create competes for (addresses, ports, generated names) is drawn anew at each try, and
  // of those that charge one quota one gets through each time: no reason to give up.
  static constexpr int kCreateTries = 1024;

  Status check_access(const Call& call, std::string_view verb, std::string_view fields = "") const;
  /// Plans and commits, again from the start where a competing write came first.
  Task<Result<Stored>> carry_out(Call call, MakePlan make, int tries = kTries);
  Result<Plan> allowed(const Call& call, const PlanFor& make) const;
  Result<Stored> finish(const Call& call, const Plan& plan, store::Committed committed) const;
  void note_commit(const Key& key) const;

  Task<Result<Stored>> bind(Call call, std::string json);
  Task<Result<Stored>> evict(Call call, std::string json);
  Result<Stored> issue_token(const Call& call, std::string_view json) const;
  Result<Stored> review(const Call& call, std::string_view json) const;
  Result<Stored> scale_of(const Call& call, const Stored& parent) const;
  Task<Result<Stored>> update_scale(Call call, std::string json);
  Task<Result<Stored>> patch_scale(Call call, client::PatchType type, std::string body);
  Task<Result<Stored>> apply_scale(Call call, std::string json, client::WriteOptions options);
  Task<Result<Stored>> apply_configuration(Call call,
                                           std::string body,
                                           client::WriteOptions options);
  Result<Plan> plan_change(const Call& call, const client::Change& change) const;
  Task<Result<Stored>> change_alone(Call call, client::Change change);
  Task<Status> ensure(std::string resource, std::string ns, std::string json, bool overwrites);
  /// The ServiceCIDR that says what the server was started with.
  Task<Status> ensure_service_range(std::string cidr);

  Options options_;
  Parts parts_;
  NodePods node_pods_;
  PolicyFeeds policy_feeds_;
  Authorizer authorizer_;
  Surroundings here_;
  Planner planner_;
  Reader reader_;
  Authenticator authenticator_;
};

}  // namespace tetrarch::registry
