// SPDX-License-Identifier: Apache-2.0
#include "registry/local_client.h"

#include <utility>

namespace tetrarch::registry {

Result<Call> LocalClient::call_for(std::string_view resource,
                                   std::string ns,
                                   std::string name) const {
  Call call;
  TRY(call.kind, engine_.kind_of(resource));
  call.identity = identity_;
  call.ns = std::move(ns);
  call.name = std::move(name);
  call.field_validation = FieldValidation::ignore;
  call.is_internal = true;
  return call;
}

Task<Result<Stored>> LocalClient::get(Key key) {
  CO_TRY(auto call, call_for(key.resource, key.ns, key.name));
  co_return co_await engine_.get(std::move(call), ReadAt());
}

Task<Result<client::ListPage>> LocalClient::list(client::ListQuery query) {
  CO_TRY(auto call, call_for(query.resource, query.ns, ""));
  ListOptions options;
  options.select = std::move(query.select);
  options.limit = query.limit;
  options.continue_token = std::move(query.continue_token);
  co_return co_await engine_.list(std::move(call), std::move(options));
}

Task<Result<std::unique_ptr<client::Watch>>> LocalClient::watch(client::WatchQuery query) {
  CO_TRY(auto call, call_for(query.resource, query.ns, ""));
  WatchOptions options;
  options.select = std::move(query.select);
  options.wants_bookmarks = true;
  if (query.from.number == 0) {
    options.sends_initial_events = true;
    options.at.match = "NotOlderThan";
  } else {
    options.at.resource_version = std::to_string(query.from.number);
  }
  co_return co_await engine_.watch(std::move(call), std::move(options));
}

Task<Result<Stored>> LocalClient::create(std::string resource,
                                         std::string ns,
                                         DocumentPtr document,
                                         client::WriteOptions options) {
  const auto name = std::string(document->root()["metadata"]["name"].string());
  CO_TRY(auto call, call_for(resource, std::move(ns), name));
  call.subresource = options.subresource;
  call.field_manager = options.field_manager;
  co_return co_await engine_.create(std::move(call), document->bytes(), std::move(options));
}

Task<Result<Stored>> LocalClient::update(Key key,
                                         DocumentPtr document,
                                         client::WriteOptions options) {
  CO_TRY(auto call, call_for(key.resource, key.ns, key.name));
  call.subresource = options.subresource;
  call.field_manager = options.field_manager;
  co_return co_await engine_.update(std::move(call), document->bytes(), std::move(options));
}

Task<Result<Stored>> LocalClient::patch(Key key,
                                        client::PatchType type,
                                        std::string body,
                                        client::WriteOptions options) {
  CO_TRY(auto call, call_for(key.resource, key.ns, key.name));
  call.subresource = options.subresource;
  call.field_manager = options.field_manager;
  co_return co_await engine_.patch(std::move(call), type, std::move(body), std::move(options));
}

Task<Result<Stored>> LocalClient::remove(Key key, client::DeleteOptions options) {
  CO_TRY(auto call, call_for(key.resource, key.ns, key.name));
  co_return co_await engine_.remove(std::move(call), std::move(options));
}

Task<std::vector<Result<Stored>>> LocalClient::apply(std::vector<client::Change> changes) {
  co_return co_await engine_.apply(identity_, std::move(changes));
}

Task<Result<std::unique_ptr<client::Watch>>> LocalClient::feed(NodeName node) {
  co_return engine_.feed(identity_, node);
}

}  // namespace tetrarch::registry
