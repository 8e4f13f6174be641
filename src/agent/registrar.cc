// SPDX-License-Identifier: Apache-2.0
#include "agent/registrar.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "object/writer.h"
#include "unitfile/marks.h"

namespace tetrarch::agent {
namespace {

namespace marks = unitfile::marks;
using std::chrono::minutes;
using std::chrono::seconds;

// Source: Kubernetes documentation, "Node Heartbeats": lease every 10 s, status every 5 min or on
// change.
constexpr seconds kLeaseInterval{10};
constexpr seconds kLeaseDuration{40};
constexpr seconds kLookInterval{10};
constexpr minutes kStatusInterval{5};

/// Source: docs/adr/0040-pod-network.md.
constexpr std::string_view kTransport = "network.tetrarch.dev/transport";
/// Source: docs/adr/0051-blobs-between-machines.md.
constexpr std::string_view kBlobPort = "images.tetrarch.dev/blob-port";
constexpr const char* kLeases = "leases.coordination.k8s.io";
constexpr const char* kLeaseNamespace = "kube-node-lease";

std::string json_text(std::string_view text) {
  return fmt::format("\"{}\"", text);
}

}  // namespace

Registrar::Registrar(const Options& options, Machine machine, const Parts& parts)
    : options_(options),
      machine_(std::move(machine)),
      client_(parts.client),
      runtime_(parts.runtime),
      clock_(parts.clock),
      pressure_(parts.pressure),
      thresholds_(parts.thresholds),
      is_shutting_down_(parts.is_shutting_down),
      on_images_(parts.on_images),
      shown_(parts.shown),
      blob_port_(parts.blob_port),
      systemd_(parts.systemd) {}

Task<NodeState> Registrar::look() {
  NodeState state;
  const auto ready = co_await runtime_.ready();
  state.is_ready = ready.ok();
  if (!ready.ok()) {
    state.not_ready_reason = "container runtime is not ready: " + ready.error().message;
  }
  if (is_shutting_down_) {
    state.is_ready = false;
    state.not_ready_reason = kNodeShutdownMessage;
  }
  if (version_.empty()) {
    version_ = (co_await runtime_.version()).value_or("");
  }
  state.runtime_version = version_;
  auto images = co_await runtime_.images();
  for (const auto each : kPressures) {
    if (pressure_.has(each)) {
      state.pressures.insert(each);
    }
  }
  state.thresholds = thresholds_;
  if (systemd_) {
    state.systemd = systemd_();
  }
  state.images = images.ok() ? std::move(*images) : std::vector<runtime::Image>();
  if (on_images_) {
    on_images_(state.images);
  }
  co_return state;
}

/// The first look is at the server itself, and the first after it was out of reach: a feed may be
/// much later than a request to tell what was said of us meanwhile.
Task<Result<Stored>> Registrar::current() {
  const Stored* shown = must_ask_ || !shown_ ? nullptr : shown_();
  if (shown != nullptr && shown->revision >= written_) {
    co_return *shown;
  }
  co_return co_await get_or_create();
}

Task<Result<Stored>> Registrar::get_or_create() {
  Key key{"nodes", "", options_.node_name};
  auto found = co_await client_.get(key);
  if (found.ok() || found.error().code != Code::not_found) {
    must_ask_ = !found.ok();
    co_return found;
  }
  auto fresh = Document::from_canonical(node_document(options_, machine_));
  client::WriteOptions options;
  co_return co_await client_.create("nodes", "", fresh, options);
}

/// In annotations of the Node: how packets reach it, by its route, and where its blobs are.
Task<Status> Registrar::say_to_others(const Stored& node) {
  const auto& transport = options_.pod_transport;
  const std::pair<std::string_view, std::string> wanted[] = {
      {kTransport, transport == "auto" ? "" : transport},
      {kControlPlane, options_.is_control_plane ? "true" : ""},
      {kBlobPort, blob_port_ == 0 ? "" : std::to_string(blob_port_)},
  };
  std::string change;
  for (const auto& [name, value] : wanted) {
    if (node.metadata()["annotations"][name].string() != value) {
      change += fmt::format(R"({}"{}":{})",
                            change.empty() ? "" : ",",
                            name,
                            value.empty() ? "null" : json_text(value));
    }
  }
  if (change.empty()) {
    co_return ok();
  }
  co_return co_await patch_metadata(node, fmt::format(R"({{"annotations":{{{}}}}})", change));
}

Task<Status> Registrar::patch_metadata(const Stored& node, std::string metadata) {
  auto change = fmt::format(R"({{"metadata":{}}})", metadata);
  client::WriteOptions options;
  CO_TRY(const Stored written,
         co_await client_.patch(
             node.key, client::PatchType::merge, std::move(change), std::move(options)));
  static_cast<void>(written);
  co_return ok();
}

namespace {

/// A member of a merge patch; empty: it is to go.
void write_wanted(object::Writer& writer, std::string_view name, std::string_view value) {
  writer.key(name);
  if (value.empty()) {
    writer.null();
  } else {
    writer.string(value);
  }
}

}  // namespace

/// What fleet's API and the placement of units go by. Source: docs/protocols/fleet.md.
Task<Status> Registrar::say_systemd(const Stored& node) {
  if (!systemd_) {
    co_return ok();
  }
  const bool is_there = systemd_().is_there;
  const bool has_twin = node.metadata()["annotations"][marks::kSameMachineId].exists();
  const std::string_view is_ready = is_there && !has_twin ? "true" : "";
  const std::string_view machine = is_there ? std::string_view(machine_.machine_id) : "";
  const auto labels = node.metadata()["labels"];
  const auto metadata = node.metadata()["annotations"][marks::kStaticMetadata].string();
  if (labels[marks::kHasSystemd].string() == is_ready &&
      labels[marks::kMachineId].string() == machine && metadata == options_.metadata) {
    co_return ok();
  }
  std::string change;
  object::Writer writer(change);
  writer.begin_object().key("labels").begin_object();
  write_wanted(writer, marks::kHasSystemd, is_ready);
  write_wanted(writer, marks::kMachineId, machine);
  writer.end_object().key("annotations").begin_object();
  write_wanted(writer, marks::kStaticMetadata, options_.metadata);
  writer.end_object().end_object();
  co_return co_await patch_metadata(node, std::move(change));
}

Task<Status> Registrar::write_status() {
  NodeState state = co_await look();
  CO_TRY(const Stored node, co_await current());
  if (const auto twin = node.metadata()["annotations"][marks::kSameMachineId];
      state.systemd && twin.exists()) {
    state.systemd = SystemdState{
        false,
        fmt::format("node {} has the same machine ID: no units are run here", twin.string())};
  }
  CO_TRY_STATUS(co_await say_to_others(node));
  CO_TRY_STATUS(co_await say_systemd(node));
  if (!is_registered_) {
    log::info("agent", "node {} is registered", options_.node_name);
    is_registered_ = true;
  }
  const auto now = clock_.now();
  const auto before = node.root()["status"];
  const auto text = node_status(options_, machine_, state, before, now);
  const auto fresh = Document::from_canonical(text);
  if (is_same_status(fresh->root(), before) && now - last_write_ < kStatusInterval) {
    co_return ok();
  }
  // Members that others own (volumesInUse, daemonEndpoints …) do not exist for us: ours is the
  // whole status.
  client::WriteOptions options;
  options.subresource = "status";
  options.expected = node.revision;
  CO_TRY(const Stored written,
         co_await client_.update(node.key, with_member(node.root(), "status", text), options));
  written_ = written.revision;
  last_write_ = now;
  co_return ok();
}

Task<void> Registrar::keep_node() {
  while (true) {
    const auto written = co_await write_status();
    must_ask_ = must_ask_ || !written.ok();
    if (!written.ok() && written.error().code != Code::conflict) {
      log::debug("agent", "node status not written: {}", written.error().message);
    }
    // What was not written is tried again soon: after an outage pods wait for that word.
    co_await changed_.wait_for(is_registered_ && written.ok() ? kLookInterval : seconds(1));
  }
}

std::string Registrar::lease(std::string_view acquired) const {
  std::string out;
  object::Writer writer(out);
  const auto now = format_micro_time(clock_.now());
  writer.begin_object().field("kind", "Lease").field("apiVersion", "coordination.k8s.io/v1");
  writer.key("metadata").begin_object().field("name", options_.node_name);
  writer.field("namespace", kLeaseNamespace).end_object();
  writer.key("spec").begin_object().field("holderIdentity", options_.node_name);
  writer.field("leaseDurationSeconds", static_cast<std::int64_t>(kLeaseDuration.count()));
  writer.field("acquireTime", acquired.empty() ? std::string_view(now) : acquired);
  writer.field("renewTime", now).end_object().end_object();
  return out;
}

/// Nobody else writes it, so the last answer says what it is; where somebody did, it is read.
Task<Status> Registrar::renew_lease() {
  if (lease_) {
    Stored present = *std::exchange(lease_, std::nullopt);
    const auto renewed = co_await write_over(std::move(present));
    if (renewed.ok() ||
        (renewed.error().code != Code::conflict && renewed.error().code != Code::not_found)) {
      co_return renewed;
    }
  }
  co_return co_await get_and_renew_lease();
}

Task<Status> Registrar::write_over(Stored present) {
  const auto fresh =
      Document::from_canonical(lease(present.root().find("spec.acquireTime").string()));
  client::WriteOptions options;
  options.expected = present.revision;
  auto next = with_member(present.root(), "spec", fresh->root()["spec"].raw());
  CO_TRY(lease_, co_await client_.update(present.key, std::move(next), std::move(options)));
  co_return ok();
}

Task<Status> Registrar::get_and_renew_lease() {
  Key key{kLeases, kLeaseNamespace, options_.node_name};
  auto found = co_await client_.get(key);
  if (found.ok()) {
    Stored present = *std::move(found);
    co_return co_await write_over(std::move(present));
  }
  if (found.error().code != Code::not_found) {
    co_return found.error();
  }
  auto fresh = Document::from_canonical(lease(""));
  client::WriteOptions options;
  CO_TRY(lease_, co_await client_.create(kLeases, kLeaseNamespace, fresh, options));
  co_return ok();
}

Task<void> Registrar::keep_lease() {
  while (true) {
    const auto renewed = co_await renew_lease();
    if (!renewed.ok()) {
      log::debug("agent", "lease not renewed: {}", renewed.error().message);
      must_ask_ = true;
    }
    co_await async::sleep_for(renewed.ok() ? kLeaseInterval : seconds(1));
  }
}

}  // namespace tetrarch::agent
