// SPDX-License-Identifier: Apache-2.0
#include "reconcile/world.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "reconcile/deployment.h"
#include "reconcile/edit.h"
#include "reconcile/garbage_collection.h"
#include "reconcile/replicaset.h"

namespace tetrarch::reconcile {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

namespace {

std::string text_in(const TreeObject& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// Whether an agent has something to stop before the pod may go.
bool may_still_run(const Stored& pod) {
  const auto phase = pod.root()["status"]["phase"].string();
  return !pod.root()["spec"]["nodeName"].string().empty() && phase != "Succeeded" &&
         phase != "Failed";
}

bool has_finalizer(const Stored& stored) {
  return stored.metadata()["finalizers"].size() > 0;
}

}  // namespace

void World::add(std::unique_ptr<Controller> controller) {
  const auto place = controllers_.size();
  for (const auto& key : controller->first_keys()) {
    queue_.insert({place, key});
  }
  mirror_.listen([this, place, watches = controller->watches()](const Observed& change) {
    std::vector<Key> keys;
    for (const auto& watch : watches) {
      if (watch.resource == "*" || watch.resource == change.any().key.resource) {
        watch.keys(mirror_, change, keys);
      }
    }
    for (auto& key : keys) {
      queue_.insert({place, std::move(key)});
    }
  });
  controllers_.push_back(std::move(controller));
}

void World::store(Key key, const Tree& tree) {
  const auto document = object::to_document(tree);
  const auto found = objects_.find(key);
  if (found != objects_.end() && same_meaning(found->second.root(), tree)) {
    return;
  }
  Stored stored{key, Revision{++revision_}, document};
  objects_.insert_or_assign(key, stored);
  publish(stored, false);
}

void World::erase(const Key& key) {
  Stored last = objects_.at(key);
  objects_.erase(key);
  last.revision = Revision{++revision_};
  publish(last, true);
}

void World::publish(const Stored& stored, bool is_gone) {
  pending_[stored.key.resource].emplace_back(stored, is_gone);
  if (!is_lagging_) {
    deliver_one(stored.key.resource);
  }
  if (after_change) {
    after_change();
  }
}

void World::deliver_one(const std::string& resource) {
  auto& events = pending_[resource];
  if (events.empty()) {
    return;
  }
  const auto [stored, is_gone] = events.front();
  events.pop_front();
  if (is_gone) {
    mirror_.erase(stored);
  } else {
    mirror_.put(stored, now_);
  }
}

void World::deliver(int count) {
  for (int i = 0; i < count; ++i) {
    std::vector<std::string> waiting;
    for (const auto& [resource, events] : pending_) {
      if (!events.empty()) {
        waiting.push_back(resource);
      }
    }
    if (waiting.empty()) {
      return;
    }
    deliver_one(waiting[chance(static_cast<unsigned>(waiting.size()))]);
  }
}

void World::add_deployments() {
  add(deployment_controller());
  add(replicaset_controller());
  add(garbage_collection_controller([](std::string_view, std::string_view kind) {
    return kind == "Deployment"   ? KindPlace{"deployments.apps", true}
           : kind == "ReplicaSet" ? KindPlace{"replicasets.apps", true}
                                  : KindPlace{};
  }));
}

const Stored& World::create(std::string resource, std::string json) {
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  auto tree = object::to_tree((*document)->root());
  auto& metadata = Edit::object_in(tree.as_object(), "metadata");
  const Key key{std::move(resource), text_in(metadata, "namespace"), text_in(metadata, "name")};
  if (!metadata.contains("uid")) {
    metadata["uid"] = fmt::format("uid-{}-{}", key.name, revision_ + 1);
  }
  if (!metadata.contains("creationTimestamp")) {
    metadata["creationTimestamp"] = format_time(now_);
  }
  metadata["generation"] = 1;
  store(key, tree);
  return objects_.at(key);
}

void World::change(const Key& key, const Change& edit) {
  ASSERT_TRUE(objects_.contains(key)) << key.resource << " " << key.name;
  const auto& stored = objects_.at(key);
  auto tree = object::to_tree(stored.root());
  edit(tree.as_object());
  if (!same_meaning(stored.root()["spec"], tree.as_object()["spec"])) {
    tree.as_object()["metadata"].as_object()["generation"] =
        stored.metadata()["generation"].integer() + 1;
  }
  store(key, tree);
}

void World::set_image(const Key& owner, int image) {
  change(owner, [image](TreeObject& root) {
    root["spec"].as_object()["template"].as_object()["spec"] = TreeObject{{"image", image}};
  });
}

void World::remove(const Key& key, Propagation propagation) {
  ASSERT_TRUE(objects_.contains(key)) << key.resource << " " << key.name;
  begin_deletion(Stored(objects_.at(key)), propagation);
}

void World::vanish(const Key& key) {
  erase(key);
}

/// As the API deletes: gone at once, unless finalizers or a running pod hold it.
void World::begin_deletion(const Stored& stored, Propagation propagation) {
  auto tree = object::to_tree(stored.root());
  auto& metadata = tree.as_object()["metadata"].as_object();
  if (propagation == Propagation::foreground || propagation == Propagation::orphan) {
    Edit::array_in(metadata, "finalizers")
        .emplace_back(propagation == Propagation::foreground ? "foregroundDeletion" : "orphan");
  }
  const bool is_running =
      stored.key.resource == "pods" && !stored.root()["spec"]["nodeName"].string().empty();
  const bool is_held =
      metadata.contains("finalizers") && !metadata["finalizers"].as_array().empty();
  const bool is_namespace = stored.key.resource == "namespaces";
  if (!is_running && !is_held && !is_namespace) {
    erase(stored.key);
    return;
  }
  if (!metadata.contains("deletionTimestamp")) {
    metadata["deletionTimestamp"] = format_time(now_);
  }
  if (is_namespace) {
    Edit::object_in(tree.as_object(), "status")["phase"] = "Terminating";
  }
  store(stored.key, tree);
}

bool World::is_absent(const Absence& absence) const {
  if (absence.key.name.empty()) {
    return list(absence.key.resource, absence.key.ns).empty();
  }
  const auto* found = get(absence.key);
  return found == nullptr || (!absence.uid.empty() && found->uid() != absence.uid);
}

bool World::is_alive(const Presence& presence) const {
  const auto* found = get(presence.key);
  return presence.key.name.empty() || (found != nullptr && found->uid() == presence.uid &&
                                       !found->metadata()["deletionTimestamp"].is_string());
}

std::string World::apply_update(const reconcile::Change& change, Stored& stored) {
  if (change.expected.number != 0 && change.expected != stored.revision) {
    return "conflict";
  }
  auto tree = object::to_tree(stored.root());
  const auto fresh = object::to_tree(change.document->root());
  if (change.subresource == "status") {
    tree.as_object()["status"] = fresh.as_object().at("status");
  } else {
    auto merged = fresh;
    if (const auto* status = tree.as_object().if_contains("status")) {
      merged.as_object()["status"] = *status;
    }
    if (!same_meaning(stored.root()["spec"],
                      fresh.as_object().contains("spec") ? fresh.at("spec") : Tree())) {
      merged.as_object()["metadata"].as_object()["generation"] =
          stored.metadata()["generation"].integer() + 1;
    }
    tree = std::move(merged);
  }
  const Key key = stored.key;
  store(key, tree);
  const auto& now_stored = objects_.at(key);
  const bool is_final = key.resource == "namespaces"
                            ? now_stored.root()["spec"]["finalizers"].size() == 0
                            : key.resource != "pods" || !may_still_run(now_stored);
  if (now_stored.metadata()["deletionTimestamp"].is_string() && !has_finalizer(now_stored) &&
      is_final) {
    erase(key);
  }
  return "";
}

std::string World::apply_removal(const reconcile::Change& change, const Stored& stored) {
  if (!change.expected_uid.empty() && stored.uid() != change.expected_uid) {
    return "precondition";
  }
  if (change.expected.number != 0 && change.expected != stored.revision) {
    return "conflict";
  }
  if (change.grace_seconds == 0 && !has_finalizer(stored)) {
    erase(stored.key);
  } else {
    begin_deletion(Stored(stored), change.propagation);
  }
  return "";
}

std::string World::apply_one(const reconcile::Change& change) {
  for (const auto& absence : change.confirm_absent) {
    if (!is_absent(absence)) {
      return "conflict";
    }
  }
  if (!is_alive(change.confirm_alive)) {
    return "conflict";
  }
  const auto found = objects_.find(change.key);
  if (change.verb == reconcile::Change::Verb::create) {
    if (const auto refused = refused_.find(change.key.resource); refused != refused_.end()) {
      return refused->second;
    }
    if (found != objects_.end()) {
      return "already exists";
    }
    create(change.key.resource, std::string(change.document->bytes()));
    return "";
  }
  if (found == objects_.end()) {
    return "not found";
  }
  return change.verb == reconcile::Change::Verb::update ? apply_update(change, found->second)
                                                        : apply_removal(change, found->second);
}

std::vector<std::string> World::apply(const Plan& plan) {
  notes.insert(notes.end(), plan.notes.begin(), plan.notes.end());
  std::vector<std::string> out;
  for (const auto& change : plan.changes) {
    out.push_back(apply_one(change));
    if (out.back().empty()) {
      ++writes;
      if (change.when_done) {
        notes.push_back(*change.when_done);
      }
    } else if (change.when_failed) {
      notes.push_back(*change.when_failed);
    }
  }
  return out;
}

Plan World::plan(const Controller& controller,
                 const Key& key,
                 std::string_view last_failure) const {
  return controller.reconcile(
      {.seen = mirror_, .key = key, .now = now_, .last_failure = last_failure});
}

/// The driver's promise: no reconcile on a view older than our own writes for that key.
void World::deliver_until(const Work& work) {
  for (const auto& [resource, revision] : awaited_[work]) {
    auto& events = pending_[resource];
    while (!events.empty() && events.front().first.revision <= revision) {
      deliver_one(resource);
    }
  }
  awaited_.erase(work);
}

bool World::step() {
  if (queue_.empty()) {
    return false;
  }
  auto at = queue_.begin();
  std::advance(at, chance(static_cast<unsigned>(queue_.size())));
  const Work work = *at;
  queue_.erase(at);
  deliver_until(work);
  queue_.erase(work);
  const auto made = plan(*controllers_[work.controller], work.key, failures_[work]);
  if (made.look_again) {
    look_again_[work] = *made.look_again;
  }
  const auto before = revision_;
  const auto errors = apply(made);
  failures_.erase(work);
  for (const auto& error : errors) {
    const bool is_stale = error == "conflict" || error == "already exists" || error == "not found";
    if (!error.empty() && !is_stale) {
      failures_[work] = error;
    }
    if (!error.empty() && error != "not found") {
      look_again_[work] = now_ + std::chrono::seconds(1);
    }
  }
  if (revision_ != before) {
    for (const auto& change : made.changes) {
      awaited_[work][change.key.resource] = Revision{revision_};
    }
    queue_.insert(work);
  }
  return true;
}

bool World::settle(int rounds_most) {
  for (int i = 0; i < rounds_most; ++i) {
    bool is_quiet = true;
    for (auto& [resource, events] : pending_) {
      while (!events.empty()) {
        deliver_one(resource);
        is_quiet = false;
      }
    }
    if (step()) {
      is_quiet = false;
    }
    if (is_quiet) {
      return true;
    }
  }
  return false;
}

void World::advance(std::chrono::seconds by) {
  now_ += by;
  for (auto at = look_again_.begin(); at != look_again_.end();) {
    if (at->second <= now_) {
      queue_.insert(at->first);
      at = look_again_.erase(at);
    } else {
      ++at;
    }
  }
}

void World::make_ready(const Key& pod, bool is_ready, std::string node) {
  change(pod, [&](TreeObject& root) {
    auto& spec = Edit::object_in(root, "spec");
    if (!spec.contains("nodeName")) {
      spec["nodeName"] = node;
    }
    auto& status = Edit::object_in(root, "status");
    status["phase"] = "Running";
    if (!status.contains("podIP")) {
      const auto ip = fmt::format("10.42.{}.{}", revision_ / 250 % 250, revision_ % 250 + 1);
      status["podIP"] = ip;
      status["podIPs"] = TreeArray{TreeObject{{"ip", ip}}};
    }
    status["conditions"] = TreeArray{TreeObject{{"type", "Ready"},
                                                {"status", is_ready ? "True" : "False"},
                                                {"lastTransitionTime", format_time(now_)}}};
  });
}

void World::make_all_ready() {
  for (const auto& name : names("pods")) {
    for (const auto* pod : list("pods")) {
      if (pod->key.name == name && pod->root()["status"]["conditions"].size() == 0 &&
          !pod->metadata()["deletionTimestamp"].is_string()) {
        make_ready(Key(pod->key));
        break;
      }
    }
  }
}

/// As agents do: what no node has is ended by the sweep alone.
void World::end_terminating() {
  std::vector<Key> ended;
  for (const auto& [key, stored] : objects_) {
    if (key.resource == "pods" && stored.metadata()["deletionTimestamp"].is_string() &&
        !stored.root()["spec"]["nodeName"].string().empty()) {
      ended.push_back(key);
    }
  }
  for (const auto& key : ended) {
    if (has_finalizer(objects_.at(key))) {  // it has ended, and is held
      change(key, [](TreeObject& root) {
        auto& phase = Edit::object_in(root, "status")["phase"];
        phase = phase == "Succeeded" ? "Succeeded" : "Failed";
      });
      continue;
    }
    erase(key);
  }
}

void World::progress_a_pod() {
  const auto pods = list("pods");
  if (pods.empty()) {
    return;
  }
  const Stored pod = *pods[chance(static_cast<unsigned>(pods.size()))];
  if (pod.metadata()["deletionTimestamp"].is_string()) {
    if (!has_finalizer(pod)) {
      erase(pod.key);
    }
    return;
  }
  make_ready(pod.key, true, fmt::format("n{}", chance(3)));
}

const Stored* World::get(const Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<const Stored*> World::list(std::string_view resource, std::string_view ns) const {
  std::vector<const Stored*> out;
  for (const auto& [key, stored] : objects_) {
    if (key.resource == resource && (ns.empty() || key.ns == ns)) {
      out.push_back(&stored);
    }
  }
  return out;
}

std::vector<std::string> World::names(std::string_view resource, std::string_view ns) const {
  std::vector<std::string> out;
  for (const auto* stored : list(resource, ns)) {
    out.push_back(stored->key.name);
  }
  return out;
}

std::string World::text(const Key& key, std::string_view dotted_path) const {
  const auto* stored = get(key);
  return stored == nullptr ? "(gone)" : std::string(stored->root().find(dotted_path).string());
}

std::int64_t World::integer(const Key& key, std::string_view dotted_path) const {
  const auto* stored = get(key);
  return stored == nullptr ? -1 : stored->root().find(dotted_path).integer();
}

}  // namespace tetrarch::reconcile
