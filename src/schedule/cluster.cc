// SPDX-License-Identifier: Apache-2.0
#include "schedule/cluster.h"

#include <fmt/format.h>

#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

bool is_finished(const views::PodView& pod) {
  return pod.status().phase() == "Succeeded" || pod.status().phase() == "Failed";
}

void append_container(std::string& out, const views::ContainerView& container) {
  out += container.resources().requests().view().raw();
  out += container.ports().view().raw();
  out += container.restart_policy();
  out += ';';
}

/// Where it is, or where room is held for it.
std::string_view node_of(const PlacedPod& pod) {
  return pod.is_nominated ? pod.root()["status"]["nominatedNodeName"].string()
                          : pod.root()["spec"]["nodeName"].string();
}

/// Pods that are pinned to a node each are alike but for that: one class for a whole DaemonSet.
void append_affinity(std::string& out, object::View pod) {
  const auto affinity = pod["spec"]["affinity"].raw();
  const auto pin = pinned_node(pod);
  out += '|';
  if (!pin.exists()) {
    out += affinity;
    return;
  }
  const auto before = static_cast<std::size_t>(pin.raw().data() - affinity.data());
  out += affinity.substr(0, before);
  out += affinity.substr(before + pin.raw().size());
}

/// Labels that the pod's own rules about pods name: all that they can tell of itself.
void append_labels(std::string& out, object::View pod) {
  const views::PodSpecView spec(pod["spec"]);
  const std::string_view affinity = spec.affinity().view().raw();
  const std::string_view spread = spec.topology_spread_constraints().view().raw();
  for (const auto [key, value] : pod["metadata"]["labels"].members()) {
    const auto named = fmt::format("\"{}\"", key);
    if (affinity.find(named) != std::string_view::npos ||
        spread.find(named) != std::string_view::npos) {
      out += fmt::format("{}={}", named, value.raw());
    }
  }
}

}  // namespace

Cluster::Cluster() : nodes_(dimensions_, texts_), counts_(nodes_, pods_) {}

void Cluster::log_change(Place place) {
  // Older entries than twice the nodes are of no use: a class that far behind is built anew.
  if (log_.places.size() > 2 * nodes_.places() + 1024) {
    const std::size_t half = log_.places.size() / 2;
    log_.places.erase(log_.places.begin(), log_.places.begin() + static_cast<std::ptrdiff_t>(half));
    log_.first += half;
  }
  log_.places.push_back(place);
}

void Cluster::upsert_node(const Stored& node) {
  const Place known = nodes_.find(node.key.name);
  const bool was_known = known != kNowhere;
  // Domains change with the labels, and taints decide what counts in them: take the node's pods out
  // of the counts while they do.
  const bool moves = was_known && !nodes_.has_labels_and_taints(known, node.root());
  const auto here = moves ? pods_.at(known) : std::vector<PlacedPod*>();
  bool is_changed = false;
  for (PlacedPod* pod : here) {
    counts_.remove(*pod);
  }
  const Place place = nodes_.upsert(node.root(), is_changed);
  for (PlacedPod* pod : here) {
    counts_.add(*pod);
  }
  if (!was_known) {
    // Pods that were told of before their node.
    for (PlacedPod* pod : pods_.at(kNowhere)) {
      if (node_of(*pod) == node.key.name) {
        pods_.move(*pod, place);
        nodes_.claim(place, *pod->claim);
        counts_.add(*pod);
      }
    }
  }
  if (is_changed) {
    ++room_version_;
    log_change(place);
  }
}

void Cluster::remove_node(std::string_view name) {
  const Place place = nodes_.find(name);
  if (place == kNowhere) {
    return;
  }
  for (PlacedPod* pod : pods_.at(place)) {
    counts_.remove(*pod);
    pods_.move(*pod, kNowhere);
  }
  nodes_.remove(name);
  log_change(place);
  ++room_version_;
}

PlacedPod& Cluster::put(const Stored& pod, Place place, SharedClaim claim, bool is_nominated) {
  const views::PodSpecView spec(pod.root()["spec"]);
  PlacedPod& placed =
      pods_.put({.document = pod.document,
                 .place = place,
                 .claim = std::move(claim),
                 .anti_affinity = spec.has_affinity() ? anti_affinity_of(pod.root(), texts_)
                                                      : std::vector<PodQuestion>(),
                 .priority = static_cast<std::int32_t>(spec.priority()),
                 .is_nominated = is_nominated});
  if (place != kNowhere) {
    nodes_.claim(place, *placed.claim);
    room_version_ += counts_.add(placed) ? 1 : 0;
    log_change(place);
  }
  return placed;
}

/// The pods of a workload come one after the other, when they are listed and when they are made:
/// they share what the last one claims, if it is the same.
SharedClaim Cluster::shared(Claim claim) {
  if (last_claim_ == nullptr || *last_claim_ != claim) {
    last_claim_ = std::make_shared<const Claim>(std::move(claim));
  }
  return last_claim_;
}

void Cluster::upsert_pod(const Stored& pod) {
  const views::PodView view(pod.root());
  if (is_finished(view)) {
    remove_pod(pod.uid());
    return;
  }
  const auto node_name = view.spec().node_name();
  auto* known = pods_.find(pod.uid());
  if (node_name.empty()) {
    if (known != nullptr && known->is_nominated) {
      remove_pod(pod.uid());
    }
    return;
  }
  const Place place = nodes_.find(node_name);
  if (known == nullptr) {
    put(pod, place, shared(claim_of_pod(pod.root(), dimensions_)));
    return;
  }
  // The claim decides, not the spec: confirming our own placement adds spec.nodeName and makes no
  // room.
  PlacedPod& placed = *known;
  auto claim = claim_of_pod(pod.root(), dimensions_);
  const bool is_same = placed.place == place && *placed.claim == claim && !placed.is_nominated &&
                       placed.is_terminating() == !view.metadata().deletion_timestamp().empty() &&
                       placed.labels().same_as(view.metadata().labels().view());
  if (is_same) {
    const bool has_started = placed.start_time() != view.status().start_time();
    pods_.renew(placed, pod.document);
    if (has_started && place != kNowhere) {
      log_change(place);  // who has run longer is the later victim
    }
    return;
  }
  const bool is_leaving = placed.is_leaving && !placed.is_nominated;
  remove_pod(pod.uid());
  put(pod, place, shared(std::move(claim))).is_leaving = is_leaving;
}

void Cluster::remove_pod(std::string_view uid) {
  auto* known = pods_.find(uid);
  if (known == nullptr) {
    return;
  }
  take_off(*known);
  counts_.forget_unheld();
  ++room_version_;
}

void Cluster::take_off(PlacedPod& pod) {
  if (pod.place != kNowhere) {
    counts_.take_off(pod);
    nodes_.release(pod.place, *pod.claim);
    log_change(pod.place);
  }
  pods_.erase(pod);
}

/// Everything of the pod that a decision depends on.
std::string Cluster::signature(const Stored& pod) const {
  const views::PodView view(pod.root());
  const auto spec = view.spec();
  std::string out = pod.key.ns + "\n";
  for (const auto container : spec.containers()) {
    append_container(out, container);
  }
  out += '|';
  for (const auto container : spec.init_containers()) {
    append_container(out, container);
  }
  for (const object::View part : {spec.overhead().view(),
                                  spec.node_selector().view(),
                                  spec.tolerations().view(),
                                  spec.topology_spread_constraints().view()}) {
    out += '|';
    out += part.raw();
  }
  append_affinity(out, pod.root());
  out += spec.host_network() ? "|host|" : "||";
  out += spec.runtime_class_name();  // units of fleet have an order of their own
  out += '|';
  out += spec.resource_claims().empty() ? "" : "claims|";
  out += spec.node_name();
  // Labels matter only where pods are compared with pods.
  if (spec.has_topology_spread_constraints() || spec.has_affinity()) {
    append_labels(out, pod.root());
  }
  for (const auto& counter : counts_.against(pod.key.ns, view.metadata().labels().view())) {
    out += fmt::format("|{}", counter->number());
  }
  return out;
}

Cluster::Living& Cluster::living(const Stored& pod) {
  auto text = signature(pod);
  const auto found = classes_.find(text);
  if (found != classes_.end()) {
    ages_.splice(ages_.end(), ages_, found->second.age);
    return found->second;
  }
  if (classes_.size() >= kClassesMax) {
    classes_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(text);
  auto made = std::make_unique<PodClass>(
      pod, shared(claim_of_pod(pod.root(), dimensions_)), nodes_, counts_, texts_);
  const auto at =
      classes_.emplace(std::move(text), Living{std::move(made), {}, std::prev(ages_.end())}).first;
  return at->second;
}

Decision Cluster::place(const Stored& pod) {
  if (auto* known = pods_.find(pod.uid())) {
    const Place held = known->is_nominated ? known->place : kNowhere;
    if (held != kNowhere) {
      return place_nominee(pod, held);
    }
    remove_pod(pod.uid());
  }
  return place_anew(pod);
}

Decision Cluster::place_anew(const Stored& pod) {
  PodClass& like = class_of(pod);
  if (const auto pin = pinned_node(pod.root()); pin.exists()) {
    return place_at(pod, nodes_.find(pin.string()), like);
  }
  const Place place = like.choose(log_);
  if (place == kNowhere) {
    return {{}, like.explain(log_)};
  }
  put(pod, place, like.shared_claim());
  return {NodeName(nodes_.name(place)), {}};
}

Decision Cluster::place_at(const Stored& pod, Place wanted, PodClass& like) {
  if (like.choose_at(wanted, log_) == kNowhere) {
    return {{}, like.explain_at(wanted)};
  }
  put(pod, wanted, like.shared_claim());
  return {NodeName(nodes_.name(wanted)), {}};
}

void Cluster::forget(std::string_view uid) {
  const auto* known = pods_.find(uid);
  const bool is_bound = known != nullptr && known->root()["spec"]["nodeName"];
  if (!is_bound) {
    remove_pod(uid);
  }
}

void Cluster::forget_classes() {
  classes_.clear();
  ages_.clear();
}

std::int64_t Cluster::free(std::string_view node, std::string_view resource) {
  const Place place = nodes_.find(node);
  return place == kNowhere ? 0 : nodes_.free(place, dimensions_.id(resource));
}

}  // namespace tetrarch::schedule
