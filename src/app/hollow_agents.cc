// SPDX-License-Identifier: Apache-2.0
#include "app/hollow_agents.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "agent/registrar.h"
#include "agent/status.h"
#include "agent/unit_pod.h"
#include "app/hollow_unit.h"
#include "app/node.h"
#include "async/timer.h"
#include "base/log.h"
#include "client/http/http_client.h"
#include "load/workload.h"
#include "net/client.h"
#include "object/writer.h"
#include "reach/dialer.h"
#include "reach/requests.h"
#include "schema/views/core.h"

namespace tetrarch::app {
namespace {

using object::View;
using object::Writer;

// A start of so many at once: this many are under way.
constexpr int kJoinsAtOnce = 8;
constexpr std::chrono::milliseconds kPause{20};
constexpr int kTries = 1500;  // half a minute

agent::Machine hollow_machine(int number) {
  agent::Machine out;
  out.cpus = 64;
  out.memory_bytes = std::int64_t{256} << 30;
  out.disk_bytes = std::int64_t{1} << 40;
  out.architecture = "amd64";
  out.os_image = "hollow";
  out.machine_id = fmt::format("{:08x}{:024x}", number, number);
  out.host_name = fmt::format("hollow-{}", number);
  out.address = fmt::format("10.200.{}.{}", number / 250, number % 250 + 1);
  return out;
}

void write_condition(Writer& writer, std::string_view type, std::string_view now) {
  writer.begin_object().field("lastTransitionTime", now);
  writer.field("status", "True").field("type", type).end_object();
}

/// As an agent would say it of a pod whose containers have all started.
std::string running_status(View pod, const agent::Machine& machine, TimePoint at) {
  const auto now = format_time(at);
  std::string out;
  Writer writer(out);
  writer.begin_object().field("phase", "Running").key("conditions").begin_array();
  for (const auto type : {"Initialized", "Ready", "ContainersReady", "PodScheduled"}) {
    write_condition(writer, type, now);
  }
  writer.end_array().field("hostIP", machine.address).field("podIP", machine.address);
  writer.field("startTime", now).field("qosClass", pod["status"]["qosClass"].string());
  writer.key("containerStatuses").begin_array();
  for (const auto container : pod["spec"]["containers"].elements()) {
    writer.begin_object().field("name", container["name"].string());
    writer.field("image", container["image"].string()).field("imageID", "hollow");
    writer.field("containerID", fmt::format("hollow://{}", pod["metadata"]["uid"].string()));
    writer.field("ready", true).field("started", true).field("restartCount", std::int64_t{0});
    writer.key("state").begin_object().key("running").begin_object();
    writer.field("startedAt", now).end_object().end_object().end_object();
  }
  writer.end_array().end_object();
  return out;
}

/// Nobody looks into hollow pods.
Task<void> refuse_stream(std::string, std::unique_ptr<net::Stream> stream) {
  stream->close();
  co_return;
}

}  // namespace

/// Made joined; its state belongs to its strand.
class HollowAgent {
 public:
  HollowAgent(async::IoPool& pool, agent::runtime::Runtime& runtime, HollowCounts& counts)
      : pool_(pool), runtime_(runtime), counts_(counts), group_(pool.strand(), "hollow agent") {}

  Status start(const Config& config,
               const NodeAccessKeys& keys,
               const schema::Catalog& catalog,
               int number) {
    TRY(tls_,
        net::TlsContext::for_client(
            {keys.credentials.certificate_pem, keys.credentials.key_pem, keys.ca_pem}));
    TRY(connection_, net::Client::make({.url = keys.server_url}, tls_));
    dialer_ = std::make_unique<reach::Dialer>(
        pool_, *connection_, NodeName(config.node_name), refuse_stream, dialer_options());
    requests_ = std::make_unique<reach::Requests>(*dialer_, *connection_);
    client_ = client::make_http_client(*requests_, catalog);
    options_.node_name = config.node_name;
    machine_ = hollow_machine(number);
    registrar_ = std::make_unique<agent::Registrar>(
        options_,
        machine_,
        agent::Registrar::Parts{*client_,
                                runtime_,
                                system_clock(),
                                pressure_,
                                thresholds_,
                                is_shutting_down_,
                                {},
                                [this] { return shown_ ? &*shown_ : nullptr; },
                                {},
                                [] {
                                  return agent::SystemdState{true, ""};
                                }});
    group_.spawn(registrar_->keep_node());
    group_.spawn(registrar_->keep_lease());
    group_.spawn(follow_feed());
    dialer_->run();
    return ok();
  }

  ~HollowAgent() {
    if (dialer_) {
      dialer_->stop_and_wait();
    }
    group_.stop_and_wait();
  }

  HollowAgent(const HollowAgent&) = delete;
  HollowAgent& operator=(const HollowAgent&) = delete;

  bool is_connected() const { return dialer_ && dialer_->is_connected(); }

  /// Whether the feed has brought anything but the agent's own Node since it was last asked.
  bool take_told() { return is_told_.exchange(false); }

 private:
  Task<void> follow_feed() {
    while (true) {
      const NodeName node(options_.node_name);
      auto feed = co_await client_->feed(node);
      while (feed.ok()) {
        auto batch = co_await (*feed)->next();
        if (!batch.ok()) {
          break;
        }
        for (auto& event : *batch) {
          co_await take(std::move(event));
        }
      }
      co_await async::sleep_for(std::chrono::seconds(1));
    }
  }

  /// A pod that does not run yet does so now, and one that shall end has ended.
  Task<void> take(client::WatchEvent event) {
    const auto& stored = event.object;
    const bool is_own_node =
        stored.key.resource == "nodes" && stored.key.name == options_.node_name;
    if (!is_own_node && event.type != client::EventType::bookmark) {
      is_told_ = true;
    }
    if (is_own_node) {
      shown_ = event.type == client::EventType::deleted ? std::nullopt : std::optional(stored);
    }
    if (stored.key.resource != "pods" || event.type == client::EventType::deleted ||
        event.type == client::EventType::bookmark) {
      co_return;
    }
    if (!stored.metadata()["deletionTimestamp"].string().empty()) {
      client::DeleteOptions now;
      now.grace_seconds = 0;
      now.expected_uid = stored.uid();
      const auto removed = co_await client_->remove(stored.key, std::move(now));
      report(removed);
      co_return;
    }
    if (agent::is_unit_pod(stored.root())) {
      co_await take_unit(std::move(event.object));
      co_return;
    }
    if (stored.root()["status"]["phase"].string() == "Running") {
      co_return;
    }
    const auto text = running_status(stored.root(), machine_, system_clock().now());
    counts_.running += co_await say(std::move(event.object), text) ? 1 : 0;
  }

  /// What it asks for is done at once.
  Task<void> take_unit(Stored pod) {
    const auto uid = std::string(pod.uid());
    const auto unit = hollow_unit(pod, machine_.address, system_clock().now());
    if (!unit.ok()) {
      log::warning("bench", "{}: {}", options_.node_name, unit.error().message);
      co_return;
    }
    const bool is_said = unit->status.empty() || co_await say(std::move(pod), unit->status);
    if (is_said && unit->is_active) {
      counts_.active += active_.insert(uid).second ? 1 : 0;
    }
  }

  /// Until the server takes it, or knows of something newer, which the feed brings: then it is not
  /// said.
  Task<bool> say(Stored pod, const std::string& text) {
    while (true) {
      client::WriteOptions options;
      options.subresource = "status";
      options.expected = pod.revision;
      auto document = agent::with_status(pod.root(), text);
      const auto written =
          co_await client_->update(pod.key, std::move(document), std::move(options));
      if (written.ok() || !is_away(written.error())) {
        report(written);
        co_return written.ok();
      }
      co_await async::sleep_for(std::chrono::seconds(1));
    }
  }

  static bool is_away(const Error& error) {
    return error.code == Code::unavailable || error.code == Code::timeout ||
           error.code == Code::exhausted;
  }

  /// A conflict is told again by the feed.
  void report(const Result<Stored>& done) const {
    if (!done.ok() && done.error().code != Code::conflict && done.error().code != Code::not_found) {
      log::warning("bench", "{}: {}", options_.node_name, done.error().message);
    }
  }

  async::IoPool& pool_;
  agent::runtime::Runtime& runtime_;
  HollowCounts& counts_;
  std::atomic<bool> is_told_ = false;
  std::set<std::string> active_;  // uids of the Pods of units that were said to be active
  agent::Options options_;
  agent::Machine machine_;
  agent::PressureState pressure_{std::chrono::seconds(300)};
  bool is_shutting_down_ = false;
  std::vector<agent::Threshold> thresholds_;
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<net::Client> connection_;
  std::unique_ptr<reach::Dialer> dialer_;
  std::unique_ptr<reach::Requests> requests_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<agent::Registrar> registrar_;
  std::optional<Stored> shown_;  // our Node, by the feed
  async::TaskGroup group_;
};

Result<std::unique_ptr<HollowAgents>> HollowAgents::make(Wish wish) {
  log::set_level("error");  // of a thousand agents each would have its own lines
  TRY(auto catalog, schema::Catalog::load_builtin());
  auto made = std::make_unique<HollowAgents>(std::move(wish), std::move(catalog));
  TRY_STATUS(made->join_all());
  return made;
}

HollowAgents::HollowAgents(Wish wish, std::unique_ptr<schema::Catalog> catalog)
    : wish_(std::move(wish)),
      catalog_(std::move(catalog)),
      agents_(static_cast<std::size_t>(wish_.count)) {}

HollowAgents::~HollowAgents() = default;

bool HollowAgents::are_connected() const {
  return std::ranges::all_of(agents_, [](const auto& agent) { return agent->is_connected(); });
}

int HollowAgents::take_told() {
  return static_cast<int>(
      std::ranges::count_if(agents_, [](const auto& agent) { return agent->take_told(); }));
}

Status HollowAgents::join_all() {
  std::vector<Status> outcomes(kJoinsAtOnce, ok());
  async::TaskGroup group(pool_.strand(), "hollow agents");
  for (int i = 0; i < kJoinsAtOnce; ++i) {
    group.spawn_on(pool_.strand(), join_share(i, outcomes[static_cast<std::size_t>(i)]));
  }
  load::wait_until_empty(group);
  for (auto& outcome : outcomes) {
    TRY_STATUS(std::move(outcome));
  }
  return ok();
}

Task<void> HollowAgents::join_share(int first, Status& outcome) {
  for (int i = first; i < wish_.count && outcome.ok(); i += kJoinsAtOnce) {
    outcome = co_await join_one(i);
  }
}

Task<Status> HollowAgents::join_one(int number) {
  Config config;
  config.server = wish_.server;
  config.token = wish_.token;
  config.node_name = fmt::format("hollow-{}", number);
  config.data_dir = (wish_.directory / config.node_name).string();
  CO_TRY(const auto keys, co_await join(config));
  auto& place = agents_[static_cast<std::size_t>(number)];
  place = std::make_unique<HollowAgent>(pool_, runtime_, counts_);
  CO_TRY_STATUS(place->start(config, keys, *catalog_, number));
  for (int tries = 0; tries < kTries && !place->is_connected(); ++tries) {
    co_await async::sleep_for(kPause);
  }
  if (!place->is_connected()) {
    co_return Error{Code::timeout, config.node_name + " is not connected"};
  }
  co_return ok();
}

}  // namespace tetrarch::app
