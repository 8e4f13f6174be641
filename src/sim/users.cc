// SPDX-License-Identifier: Apache-2.0
#include "sim/users.h"

#include <algorithm>

#include <fmt/format.h>

#include "async/timer.h"
#include "sim/wanted.h"

namespace tetrarch::sim {
namespace {

constexpr seconds kRetry{1};
constexpr std::size_t kUsersMax = 8;
constexpr std::size_t kAppsMin = 4;
constexpr std::size_t kMachinesPerApp = 25;

trust::Identity admin() {
  return {.user = "admin", .groups = {std::string(trust::kMasters)}};
}

Key key_of(std::string resource, std::string name) {
  return {std::move(resource), kNamespace, std::move(name)};
}

bool is_away(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::timeout ||
         error.code == Code::exhausted || error.code == Code::conflict;
}

}  // namespace

Users::Users(Parts parts, Size size, Chance chance)
    : parts_(parts),
      size_(size),
      chance_(chance),
      group_(std::make_unique<async::TaskGroup>(parts.executor, "sim")) {
  for (std::size_t i = 0; i < kUsersMax; ++i) {
    places_.push_back(fmt::format("user-{}", i));
    clients_.push_back(
        std::make_unique<RemoteClient>(parts.network, parts.ledger, places_.back(), admin()));
  }
  const auto count = kAppsMin + size.machines / kMachinesPerApp;
  for (std::size_t i = 0; i < count; ++i) {
    apps_.push_back(make_app(i));
  }
}

Users::~Users() = default;

App Users::make_app(std::size_t number) {
  App app;
  app.name = fmt::format("app-{}", number);
  app.replicas = chance_.between(1, 24);
  app.has_budget = chance_.one_in(3);
  app.has_node_port = chance_.one_in(4);
  if (number == 0) {
    app.kind = App::Kind::daemon;
    app.zone = fmt::format("zone-{}", chance_.below(size_.zones));
  } else if (number % 5 == 1) {
    app.kind = App::Kind::stateful;
    app.replicas = chance_.between(1, 4);
  } else if (number == 2) {
    app.host_port = 8080;
    app.replicas = chance_.between(1, static_cast<std::int64_t>(size_.machines / 4 + 1));
  }
  return app;
}

bool Users::has_time() const {
  return parts_.network.clock().now() < until_;
}

void Users::begin(TimePoint until) {
  until_ = until;
  group_->spawn(open());
}

Task<void> Users::open() {
  co_await make(
      client(0), "namespaces", fmt::format(R"({{"metadata":{{"name":"{}"}}}})", kNamespace));
  for (std::size_t i = 0; i < apps_.size(); ++i) {
    group_->spawn(drive(apps_[i], i));
  }
  group_->spawn(run_jobs(1));
  group_->spawn(run_pods(2));
  group_->spawn(drain_nodes(3));
}

Task<void> Users::drive(App& app, std::size_t user) {
  co_await async::sleep_for(chance_.between(milliseconds(0), milliseconds(15'000)));
  co_await make_app_objects(app, client(user));
  while (has_time()) {
    co_await async::sleep_for(chance_.between(milliseconds(5'000), milliseconds(60'000)));
    if (has_time()) {
      co_await change(app, client(user));
    }
  }
}

Task<void> Users::make_app_objects(App& app, client::Client& client) {
  co_await make(client, app.key().resource, workload_json(app));
  app.is_there = true;
  if (app.kind != App::Kind::daemon) {
    co_await make(client, "services", service_json(app));
  }
  if (app.has_budget) {
    co_await make(client, "poddisruptionbudgets.policy", budget_json(app));
  }
}

/// Scales, rolls out, or takes away and makes again.
Task<void> Users::change(App& app, client::Client& client) {
  const auto what = chance_.below(10);
  if (what < 5 && app.kind != App::Kind::daemon) {
    const auto most = app.kind == App::Kind::stateful ? 5 : app.host_port != 0 ? 10 : 30;
    const auto replicas = chance_.between(0, most);
    Edit scale = [replicas](object::TreeObject& root) {
      root["spec"].as_object()["replicas"] = replicas;
    };
    co_await edit(client, app.key(), std::move(scale));
    app.replicas = replicas;
  } else if (what < 9) {
    ++app.version;
    Edit roll = [image = app.image()](object::TreeObject& root) {
      auto& spec = root["spec"].as_object()["template"].as_object()["spec"].as_object();
      spec["containers"].as_array().at(0).as_object()["image"] = image;
    };
    co_await edit(client, app.key(), std::move(roll));
  } else if (app.kind == App::Kind::deployment) {
    co_await unmake(client, app.key());
    app.is_there = false;
    co_await async::sleep_for(chance_.between(milliseconds(1'000), milliseconds(10'000)));
    co_await make(client, app.key().resource, workload_json(app));
    app.is_there = true;
  }
}

Task<void> Users::run_jobs(std::size_t user) {
  for (int i = 0; has_time(); ++i) {
    const auto name = fmt::format("job-{}", i);
    co_await make(client(user), "jobs.batch", job_json(name, chance_));
    jobs_.push_back(name);
    co_await async::sleep_for(chance_.between(milliseconds(5'000), milliseconds(40'000)));
  }
}

Task<void> Users::run_pods(std::size_t user) {
  for (int i = 0; has_time(); ++i) {
    const auto name = fmt::format("pod-{}", i);
    co_await make(client(user), "pods", pod_json(name));
    co_await async::sleep_for(chance_.between(milliseconds(5'000), milliseconds(40'000)));
    if (chance_.one_in(2)) {
      const auto pod = key_of("pods", name);
      parts_.invariants.asked_for(pod);
      co_await unmake(client(user), pod);
    }
  }
}

Task<void> Users::drain_nodes(std::size_t user) {
  while (has_time()) {
    co_await async::sleep_for(chance_.between(milliseconds(5'000), milliseconds(30'000)));
    if (has_time()) {
      co_await drain(fmt::format("m{:04}", chance_.below(size_.machines)), client(user));
    }
  }
}

/// As kubectl drain does it: cordon, evict, and be patient with budgets; then uncordon.
Task<void> Users::drain(std::string node, client::Client& client) {
  const Key key{"nodes", "", node};
  Edit cordon = [](object::TreeObject& root) { root["spec"].as_object()["unschedulable"] = true; };
  co_await edit(client, key, std::move(cordon));
  client::ListQuery query;
  query.resource = "pods";
  query.ns = kNamespace;
  query.select.fields = "spec.nodeName=" + node;
  const auto listed = co_await client.list(query);
  if (listed.ok()) {
    for (const auto& pod : listed->items) {
      const auto owner = pod.metadata()["ownerReferences"].at(0)["kind"].string();
      if (owner != "DaemonSet") {
        co_await evict(pod.key, client);
      }
    }
  }
  co_await async::sleep_for(chance_.between(milliseconds(1'000), milliseconds(15'000)));
  Edit uncordon = [](object::TreeObject& root) { root["spec"].as_object().erase("unschedulable"); };
  co_await edit(client, key, std::move(uncordon));
}

Task<void> Users::evict(Key pod, client::Client& client) {
  constexpr int kTries = 8;
  parts_.invariants.asked_for(pod);
  for (int i = 0; i < kTries; ++i) {
    client::WriteOptions options;
    options.subresource = "eviction";
    auto body = Document::from_canonical(fmt::format(
        R"({{"kind":"Eviction","apiVersion":"policy/v1","metadata":{{"name":"{}","namespace":"{}"}}}})",
        pod.name,
        pod.ns));
    const auto done = co_await client.create("pods", pod.ns, std::move(body), std::move(options));
    if (done.ok() || !is_away(done.error())) {
      co_return;
    }
    co_await async::sleep_for(kRetry);
  }
}

Task<void> Users::make(client::Client& client, std::string resource, std::string json) {
  const auto document = Document::from_canonical(std::move(json));
  const std::string ns = resource == "namespaces" ? "" : kNamespace;
  while (true) {
    client::WriteOptions none;
    const auto made = co_await client.create(resource, ns, document, std::move(none));
    if (made.ok() || made.error().code == Code::already_exists) {
      co_return;
    }
    co_await async::sleep_for(kRetry);
  }
}

Task<void> Users::edit(client::Client& client, Key key, Edit change) {
  while (true) {
    const auto found = co_await client.get(key);
    if (!found.ok() && found.error().code == Code::not_found) {
      co_return;
    }
    if (found.ok()) {
      auto tree = object::to_tree(found->root());
      change(tree.as_object());
      client::WriteOptions options;
      options.expected = found->revision;
      auto document = object::to_document(tree);
      const auto written = co_await client.update(key, std::move(document), std::move(options));
      if (written.ok()) {
        co_return;
      }
    }
    co_await async::sleep_for(kRetry);
  }
}

/// Of exactly the one that was found first: not of another of that name.
Task<void> Users::unmake(client::Client& client, Key key) {
  client::DeleteOptions options;
  options.propagation = client::Propagation::background;
  while (true) {
    if (options.expected_uid.empty()) {
      const auto found = co_await client.get(key);
      if (!found.ok() && found.error().code == Code::not_found) {
        co_return;
      }
      if (!found.ok()) {
        co_await async::sleep_for(kRetry);
        continue;
      }
      options.expected_uid = found->uid();
    }
    const auto removed = co_await client.remove(key, options);
    if (removed.ok() || !is_away(removed.error()) || removed.error().code == Code::conflict) {
      co_return;
    }
    co_await async::sleep_for(kRetry);
  }
}

}  // namespace tetrarch::sim
