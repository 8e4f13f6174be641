// SPDX-License-Identifier: Apache-2.0
// Engine: reads, and the road of every write.
#include "registry/engine.h"

#include <utility>

#include <fmt/format.h>

#include "registry/errors.h"
#include "registry/local_client.h"
#include "registry/node_feed.h"

namespace tetrarch::registry {

std::unique_ptr<Registry> make_registry(Registry::Parts parts, Options options) {
  return std::make_unique<Engine>(parts, std::move(options));
}

Engine::Engine(Parts parts, Options options)
    : options_(std::move(options)),
      parts_(parts),
      node_pods_(parts.store),
      policy_feeds_(parts.store),
      authorizer_(parts.store, node_pods_),
      here_{parts.catalog, parts.store, parts.clock, parts.random, options_, authorizer_, parts.ca},
      planner_(here_),
      reader_(here_, planner_, node_pods_),
      authenticator_(parts, options_) {}

Status Engine::authorize(const trust::Identity& identity, const Attributes& asked) const {
  return authorizer_.authorize(identity, asked);
}

Result<trust::Identity> Engine::authenticate(const Credentials& shown) const {
  return authenticator_.authenticate(shown);
}

std::unique_ptr<client::Client> Engine::client(trust::Identity identity) {
  return std::make_unique<LocalClient>(*this, std::move(identity));
}

Result<const schema::Kind*> Engine::kind_of(std::string_view resource) const {
  const auto* kind = here_.catalog.by_resource(resource);
  if (kind == nullptr) {
    return Error{Code::not_found,
                 fmt::format("the server could not find the requested resource {}", resource)};
  }
  return kind;
}

Status Engine::check_access(const Call& call,
                            std::string_view verb,
                            std::string_view fields) const {
  if (call.identity.is_in(trust::kMasters)) {
    return ok();
  }
  Attributes asked{std::string(verb)};
  asked.group = call.kind->group;
  asked.version = call.kind->version;
  asked.resource = call.kind->plural;
  asked.subresource = call.subresource;
  asked.ns = call.kind->is_namespaced ? call.ns : std::string();
  asked.name = verb == "create" && call.subresource.empty() ? std::string() : call.name;
  asked.fields = fields;
  return authorizer_.authorize(call.identity, asked);
}

void Engine::note_commit(const Key& key) const {
  if (key.resource.ends_with(".rbac.authorization.k8s.io")) {
    authorizer_.rbac().note_change();
  }
}

Result<Stored> Engine::finish(const Call& call,
                              const Plan& plan,
                              store::Committed committed) const {
  note_commit(plan.settled.key);
  return reader_.shown(*call.kind, std::move(committed.objects[plan.answer]));
}

Task<Result<Stored>> Engine::carry_out(Call call, MakePlan make, int tries) {
  const auto warned = call.warnings == nullptr ? 0 : call.warnings->size();
  for (int i = 0; i < tries; ++i) {
    if (call.warnings != nullptr) {
      call.warnings->resize(warned);  // a plan that is made again warns again
    }
    if (call.was_created != nullptr) {
      *call.was_created = false;
    }
    CO_TRY(auto plan, make());
    if (plan.transaction.mutations.empty()) {
      co_return reader_.shown(*call.kind, std::move(plan.settled));
    }
    auto transaction = std::move(plan.transaction);
    auto committed = co_await parts_.store.commit(std::move(transaction));
    if (committed.ok()) {
      co_return finish(call, plan, *std::move(committed));
    }
    const auto code = committed.error().code;
    if (code != Code::conflict && code != Code::not_found) {
      co_return std::move(committed).error();
    }
  }
  co_return modified(qualified(*call.kind), call.name);
}

Task<Result<Stored>> Engine::get(Call call, ReadAt at) {
  CO_TRY_STATUS(check_access(call, "get"));
  CO_TRY(auto stored, reader_.get(call, at));
  if (call.subresource == "scale") {
    co_return scale_of(call, stored);
  }
  co_return stored;
}

Task<Result<client::ListPage>> Engine::list(Call call, ListOptions options) {
  CO_TRY_STATUS(check_access(call, "list", options.select.fields));
  co_return reader_.list(call, options);
}

Task<Result<std::unique_ptr<client::Watch>>> Engine::watch(Call call, WatchOptions options) {
  CO_TRY_STATUS(check_access(call, "watch", options.select.fields));
  co_return reader_.watch(call, options);
}

Task<Result<Stored>> Engine::create(Call call, std::string json, client::WriteOptions options) {
  CO_TRY_STATUS(check_access(call, "create"));
  const auto& group = call.kind->group;
  if (group == "authorization.k8s.io" || group == "authentication.k8s.io") {
    co_return review(call, json);
  }
  if (call.kind->resource == "bindings") {
    // The older way to say pods/binding; the access was to create bindings.
    CO_TRY(call.kind, kind_of("pods"));
    call.subresource = "binding";
  }
  if (call.subresource == "binding") {
    co_return co_await bind(std::move(call), std::move(json));
  }
  if (call.subresource == "eviction") {
    co_return co_await evict(std::move(call), std::move(json));
  }
  if (call.subresource == "token") {
    co_return issue_token(call, json);
  }
  const auto make = [&] { return planner_.create(call, json, options); };
  co_return co_await carry_out(call, make, kCreateTries);
}

Task<Result<Stored>> Engine::update(Call call, std::string json, client::WriteOptions options) {
  CO_TRY_STATUS(check_access(call, "update"));
  if (call.subresource == "scale") {
    co_return co_await update_scale(std::move(call), std::move(json));
  }
  if (call.subresource == "finalize") {
    co_return co_await carry_out(call, [&] { return planner_.finalize(call, json); });
  }
  const auto plan = [&](const Call& asked) { return planner_.update(asked, json, options); };
  co_return co_await carry_out(call, [&] { return allowed(call, plan); });
}

/// Whether it creates is known to the plan alone: what was there a moment ago may have gone.
Result<Plan> Engine::allowed(const Call& call, const PlanFor& make) const {
  bool creates = false;
  auto asked = call;
  asked.was_created = &creates;
  TRY(auto plan, make(asked));
  if (creates) {
    TRY_STATUS(check_access(call, "create"));
  }
  if (call.was_created != nullptr) {
    *call.was_created = creates;
  }
  return plan;
}

Task<Result<Stored>> Engine::patch(Call call,
                                   client::PatchType type,
                                   std::string body,
                                   client::WriteOptions options) {
  CO_TRY_STATUS(check_access(call, "patch"));
  if (type == client::PatchType::apply) {
    co_return co_await apply_configuration(std::move(call), std::move(body), std::move(options));
  }
  if (call.subresource == "scale") {
    co_return co_await patch_scale(std::move(call), type, std::move(body));
  }
  co_return co_await carry_out(call, [&] { return planner_.patch(call, type, body, options); });
}

Task<Result<Stored>> Engine::remove(Call call, client::DeleteOptions options) {
  CO_TRY_STATUS(check_access(call, "delete"));
  co_return co_await carry_out(call, [&] { return planner_.remove(call, options); });
}

Result<std::unique_ptr<client::Watch>> Engine::feed(const trust::Identity& identity,
                                                    const NodeName& node) {
  if (node_of(identity) != node.text) {
    Attributes asked{"get"};
    asked.version = "v1";
    asked.resource = "nodes";
    asked.subresource = "feed";
    asked.name = node.text;
    TRY_STATUS(authorizer_.authorize(identity, asked));
  }
  return make_node_feed(
      {parts_.store, node_pods_, policy_feeds_}, node, options_.bookmark_interval);
}

}  // namespace tetrarch::registry
