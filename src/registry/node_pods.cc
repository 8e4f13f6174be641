// SPDX-License-Identifier: Apache-2.0
#include "registry/node_pods.h"

namespace tetrarch::registry {

namespace {

constexpr std::size_t kBatch = 1024;

std::string node_of(const DocumentPtr& document) {
  return document == nullptr ? std::string()
                             : std::string(document->root().find("spec.nodeName").string());
}

}  // namespace

NodePods::Ids NodePods::on(std::string_view node) const {
  const std::lock_guard lock(mutex_);
  refresh();
  return ids(node);
}

std::optional<NodePods::Ids> NodePods::on(std::string_view node, Revision at) const {
  const std::lock_guard lock(mutex_);
  refresh();
  if (revision_ < at) {
    return std::nullopt;
  }
  return ids(node);
}

NodePods::Ids NodePods::ids(std::string_view node) const {
  const auto found = pods_.find(node);
  if (found == pods_.end()) {
    return {};
  }
  return {found->second.begin(), found->second.end()};
}

void NodePods::refresh() const {
  while (true) {
    if (changes_ == nullptr) {
      reload();
      return;
    }
    auto events = changes_->poll(kBatch);
    if (!events.ok()) {
      changes_.reset();
      continue;
    }
    for (const auto& event : *events) {
      const std::pair name{event.object.key.ns, event.object.key.name};
      if (const auto before = node_of(event.previous); !before.empty()) {
        pods_[before].erase(name);
      }
      const auto after = node_of(event.object.document);
      if (event.type != store::Event::Type::deleted && !after.empty()) {
        pods_[after].insert(name);
      } else if (event.type == store::Event::Type::deleted && !after.empty()) {
        pods_[after].erase(name);
      }
    }
    if (events->size() < kBatch) {
      revision_ = changes_->position();
      return;
    }
  }
}

void NodePods::reload() const {
  pods_.clear();
  const auto snapshot = store_.snapshot();
  auto changes = store_.watch({"pods"}, snapshot.revision());
  snapshot.scan("pods", "", {}, [&](const Stored& pod) {
    if (auto node = node_of(pod.document); !node.empty()) {
      pods_[std::move(node)].emplace(pod.key.ns, pod.key.name);
    }
    return true;
  });
  revision_ = snapshot.revision();
  // Where history is gone already the next question scans again.
  changes_ = changes.ok() ? *std::move(changes) : nullptr;
}

}  // namespace tetrarch::registry
