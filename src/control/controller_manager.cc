// SPDX-License-Identifier: Apache-2.0
#include "control/controller_manager.h"

#include <algorithm>
#include <set>

#include "async/timer.h"
#include "base/log.h"
#include "object/writer.h"

namespace tetrarch::control {

namespace {

constexpr std::string_view kRoom = "control";

// Source: kube-apiserver, system namespaces that it keeps in being.
constexpr std::string_view kSystemNamespaces[] = {
    "default", "kube-system", "kube-public", "kube-node-lease"};

bool has_verb(const schema::Kind& kind, std::string_view verb) {
  return std::find(kind.verbs.begin(), kind.verbs.end(), verb) != kind.verbs.end();
}

DocumentPtr namespace_document(std::string_view name) {
  std::string json;
  object::Writer out(json);
  out.begin_object().field("kind", "Namespace").field("apiVersion", "v1");
  out.key("metadata").begin_object().field("name", name).end_object().end_object();
  return Document::from_canonical(std::move(json));
}

}  // namespace

std::vector<std::string> mirrored_resources(const schema::Catalog& catalog) {
  std::set<std::string> resources;
  for (const auto& kind : catalog.kinds()) {
    if (kind->is_storage_version && has_verb(*kind, "list") && has_verb(*kind, "watch")) {
      resources.insert(kind->resource);
    }
  }
  return {resources.begin(), resources.end()};
}

ControllerManager::ControllerManager(
    Parts parts,
    Options options,
    std::vector<std::unique_ptr<reconcile::Controller>> controllers,
    asio::any_io_executor strand)
    : parts_(parts),
      strand_(strand),
      controllers_(std::move(controllers)),
      cache_({parts.client, parts.clock, parts.random, parts.metrics},
             std::move(options.resources)),
      recorder_(parts.client, parts.clock, parts.random, parts.metrics, "tetrarch-controllers"),
      election_(parts.client, parts.clock, std::move(options.election)),
      signs_(std::move(options.signs)),
      group_(strand, std::string(kRoom)) {
  for (const auto& controller : controllers_) {
    drivers_.push_back(std::make_unique<ControllerDriver>(
        *controller,
        ControllerDriver::Parts{
            parts_.client, cache_, recorder_, parts_.clock, parts_.random, parts_.metrics}));
  }
}

ControllerManager::~ControllerManager() = default;

void ControllerManager::run() {
  cache_.run(group_);
  group_.spawn(recorder_.run());
  group_.spawn(lead());
  if (signs_) {
    group_.spawn(listen());
  }
}

/// Also while another server leads: whoever takes over knows who is there.
Task<void> ControllerManager::listen() {
  while (true) {
    for (const auto& [node, silence] : signs_()) {
      cache_.hear(node, silence);
    }
    co_await async::sleep_for(std::chrono::seconds(1));
  }
}

Task<void> ControllerManager::prepare() {
  for (const auto name : kSystemNamespaces) {
    const Key key{"namespaces", "", std::string(name)};
    const auto read = co_await parts_.client.get(key);
    if (read || read.error().code != Code::not_found) {
      continue;
    }
    const auto document = namespace_document(name);
    client::WriteOptions none;
    const auto created = co_await parts_.client.create("namespaces", "", document, none);
    if (!created && created.error().code != Code::already_exists) {
      log::warning(kRoom, "namespace {}: {}", name, created.error().message);
    }
  }
}

Task<void> ControllerManager::lead() {
  co_await prepare();
  while (true) {
    const auto outcome = co_await election_.attempt();
    if (outcome == LeaderElection::Outcome::leading && !driver_group_) {
      log::info(kRoom, "leading; {} controllers run", drivers_.size());
      co_await prepare();
      start_drivers();
    } else if (outcome != LeaderElection::Outcome::leading && driver_group_) {
      log::warning(kRoom, "no longer leading; the controllers stop");
      co_await stop_drivers();
    }
    co_await async::sleep_for(election_.pause());
  }
}

void ControllerManager::start_drivers() {
  driver_group_ = std::make_unique<async::TaskGroup>(strand_, std::string(kRoom));
  for (const auto& driver : drivers_) {
    driver_group_->spawn(driver->run());
  }
}

Task<void> ControllerManager::stop_drivers() {
  co_await driver_group_->stop();
  driver_group_.reset();
}

Task<void> ControllerManager::stop() {
  co_await group_.stop();
  if (driver_group_) {
    co_await stop_drivers();
  }
  co_await election_.release();
}

void ControllerManager::stop_and_wait() {
  group_.stop_and_wait();
  if (driver_group_) {
    driver_group_->stop_and_wait();
    driver_group_.reset();
  }
}

}  // namespace tetrarch::control
