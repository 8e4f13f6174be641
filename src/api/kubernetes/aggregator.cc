// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/aggregator.h"

#include <algorithm>

#include <fmt/core.h>

#include "api/kubernetes/groups.h"
#include "base/log.h"
#include "net/tls.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kRoom = "aggregator";

using Remote = std::shared_ptr<const RemoteApi>;

/// Its place among the groups; a version of ours that it serves instead is ours no more.
void add_remote(std::vector<Group>& groups, const Remote& api) {
  auto group = std::find_if(
      groups.begin(), groups.end(), [&](const Group& each) { return each.name == api->group; });
  if (group == groups.end()) {
    groups.push_back({api->group, {}, api->group_priority});
    group = groups.end() - 1;
  }
  group->priority = std::max(group->priority, api->group_priority);
  std::erase_if(group->versions, [&](const Version& each) { return each.name == api->version; });
  group->versions.push_back({api->version, {}, api->version_priority, api});
}

}  // namespace

Aggregator::Aggregator(Parts parts) : parts_(std::move(parts)) {}

Aggregator::~Aggregator() = default;

std::shared_ptr<net::TlsContext> Aggregator::tls_for(const RemoteApi& api) const {
  net::TlsMaterial material;
  material.certificate_pem = credentials_.certificate_pem;
  material.key_pem = credentials_.key_pem;
  material.ca_pem = api.ca_pem;
  material.trusts_anybody = api.trusts_anybody;
  auto made = net::TlsContext::for_client(material);
  if (!made.ok()) {
    log::warning(kRoom, "APIService {}: {}", api.name, made.error().message);
    return nullptr;
  }
  return *std::move(made);
}

void Aggregator::use_credentials(trust::KeyPair credentials) {
  const std::lock_guard lock(mutex_);
  credentials_ = std::move(credentials);
  Snapshot next;
  for (const auto& [at, api] : now_.apis) {
    auto fresh = std::make_shared<RemoteApi>(*api);
    fresh->tls = tls_for(*fresh);
    next.apis.emplace(at, std::move(fresh));
  }
  publish(std::move(next));
}

void Aggregator::configure(const std::vector<Stored>& api_services) {
  const std::lock_guard lock(mutex_);
  Snapshot next;
  for (const auto& each : api_services) {
    // Ours: the core group stays here whatever is registered.
    if (!each.root()["spec"]["service"] || each.root()["spec"]["group"].string().empty()) {
      continue;
    }
    auto api = std::make_shared<RemoteApi>(read_remote(each));
    const auto at = std::pair(api->group, api->version);
    const auto before = now_.apis.find(at);
    if (before != now_.apis.end() && is_same_place(*before->second, *api)) {
      api->tls = before->second->tls;
      api->resources = before->second->resources;
      api->is_fresh = before->second->is_fresh;
      api->openapi_url = before->second->openapi_url;
    } else {
      api->tls = tls_for(*api);
    }
    next.apis.emplace(at, std::move(api));
  }
  publish(std::move(next));
}

/// Under the lock.
void Aggregator::publish(Snapshot next) {
  if (!next.apis.empty()) {
    auto groups = groups_of(parts_.catalog);
    for (const auto& [at, api] : next.apis) {
      add_remote(groups, api);
    }
    sort_groups(groups);
    next.documents = std::make_shared<Documents>(make_documents(groups, parts_.options));
  }
  has_remotes_.store(!next.apis.empty(), std::memory_order_release);
  now_ = std::move(next);
  described_ = nullptr;
}

Remote Aggregator::find(std::string_view group, std::string_view version) const {
  if (!has_remotes()) {
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  const auto at = now_.apis.find(std::pair(std::string(group), std::string(version)));
  return at == now_.apis.end() ? nullptr : at->second;
}

Remote Aggregator::by_name(std::string_view name) const {
  for (auto& each : remotes()) {
    if (each->name == name) {
      return each;
    }
  }
  return nullptr;
}

std::vector<Remote> Aggregator::remotes() const {
  const std::lock_guard lock(mutex_);
  std::vector<Remote> out;
  for (const auto& [at, api] : now_.apis) {
    out.push_back(api);
  }
  return out;
}

std::shared_ptr<const Documents> Aggregator::documents() const {
  if (!has_remotes()) {
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  return now_.documents;
}

void Aggregator::note_probe(const RemoteApi& asked,
                            DocumentPtr resources,
                            std::string openapi_url) {
  const std::lock_guard lock(mutex_);
  const auto at = now_.apis.find(std::pair(asked.group, asked.version));
  if (at == now_.apis.end() || !is_same_place(*at->second, asked)) {
    return;  // it has become another meanwhile
  }
  auto fresh = std::make_shared<RemoteApi>(*at->second);
  fresh->is_fresh = resources != nullptr;
  const bool is_same =
      fresh->is_fresh == at->second->is_fresh &&
      (!resources || (fresh->resources && fresh->resources->root().same_as(resources->root())));
  fresh->resources = resources ? std::move(resources) : fresh->resources;
  fresh->openapi_url = fresh->is_fresh ? std::move(openapi_url) : fresh->openapi_url;
  if (is_same && fresh->openapi_url == at->second->openapi_url) {
    return;
  }
  auto next = now_;
  next.apis.insert_or_assign(at->first, std::move(fresh));
  publish(std::move(next));
}

Task<Status> Aggregator::probe(std::string name) {
  const auto api = by_name(name);
  if (!api) {
    co_return Error{Code::unavailable, "the APIService is not known yet"};
  }
  const auto url = fmt::format("https://{}{}", api->host(), api->root());
  auto target = api->root();
  auto answer = co_await ask(api, std::move(target));
  Status outcome = ok();
  if (!answer.ok()) {
    outcome = Error{Code::unavailable,
                    fmt::format("failing or missing response from {}: Get \"{}\": {}",
                                url,
                                url,
                                answer.error().message)};
  } else if (answer->status < 200 || answer->status >= 300) {
    outcome = Error{Code::unavailable,
                    fmt::format("failing or missing response from {}: bad status from {}: {}",
                                url,
                                url,
                                answer->status)};
  }
  DocumentPtr resources;
  std::string openapi_url;
  if (outcome.ok()) {
    if (auto parsed = object::Document::parse(answer->body); parsed.ok()) {
      resources = *std::move(parsed);
    }
    openapi_url = co_await find_openapi(api);
  }
  note_probe(*api, std::move(resources), std::move(openapi_url));
  co_return outcome;
}

}  // namespace tetrarch::api::kubernetes
