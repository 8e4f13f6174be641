// SPDX-License-Identifier: Apache-2.0
// The pods of this node's own files: looks at the folder, starts and ends their workers, and keeps
// a mirror of each in the API. A server is needed for the mirrors only.
#include <algorithm>
#include <set>

#include "agent/agent_impl.h"
#include "agent/runtime/on_pool.h"
#include "agent/status.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

// Ours: a file is a few lines and rarely one of many; kubelet looks every 20 s and watches beside.
constexpr std::chrono::seconds kLookInterval{2};

/// What the API showed of it last: restart counts and times go on from there.
Stored with_shown_status(const Stored& pod, const Stored* mirror) {
  if (mirror == nullptr || mirrored_uid(mirror->root()) != pod.uid()) {
    return pod;
  }
  if (mirror->root()["status"]["reason"].string() == kShutdownReason) {
    return pod;  // it ended with the machine's last boot, and belongs to this one too
  }
  return Stored{pod.key, pod.revision, with_status(pod.root(), mirror->root()["status"].raw())};
}

}  // namespace

Task<void> Agent::Impl::keep_static_pods() {
  while (true) {
    co_await static_changed.wait_for(kLookInterval);
    if (const auto looked = co_await read_folder(); !looked.ok()) {
      log::warning("agent", "{}", looked.error().message);
    }
    run_static_pods();
    co_await settle_mirrors();
  }
}

/// Reads what is new. A file that cannot be read as a pod ends the pod that it was.
Task<Status> Agent::Impl::read_folder() {
  if (with.catalog == nullptr) {
    co_return ok();
  }
  auto look = [folder = static_folder] { return read_manifests(folder); };
  CO_TRY(auto texts, co_await runtime::on_pool(with.blocking, std::move(look)));
  std::erase_if(manifests, [&](const auto& entry) { return !texts.contains(entry.first); });
  const ManifestReader reader{*with.catalog, options.node_name};
  for (auto& [file, text] : texts) {
    auto& known = manifests[file];
    if (known.text == text && known.is_read) {
      continue;
    }
    auto pod = reader.read(file, text, with.clock.now());
    if (!pod.ok()) {
      log::error("agent", "{} is no pod that can run here: {}", file, pod.error().message);
    }
    known = Manifest{std::move(text), true, pod.ok() ? *std::move(pod) : Stored{}};
  }
  co_return ok();
}

const Stored* Agent::Impl::static_pod(std::string_view uid) const {
  for (const auto& [file, manifest] : manifests) {
    if (manifest.pod.document != nullptr && manifest.pod.uid() == uid) {
      return &manifest.pod;
    }
  }
  return nullptr;
}

/// One pod of a name at a time: the next version begins when the one before has ended.
void Agent::Impl::run_static_pods() {
  std::set<Key> taken;
  for (const auto& [uid, worker] : workers) {
    taken.insert(worker->key());
    if (worker->is_static() && static_pod(uid) == nullptr) {
      worker->set_gone();
    }
  }
  for (const auto& [file, manifest] : manifests) {
    if (manifest.pod.document != nullptr && taken.insert(manifest.pod.key).second) {
      start_worker(with_shown_status(manifest.pod, objects.find(manifest.pod.key)));
    }
  }
}

void Agent::Impl::note_mirror(const Key& key) {
  for (const auto& [uid, worker] : workers) {
    if (worker->is_static() && worker->key() == key) {
      worker->tell_again();
    }
  }
  static_changed.raise();
}

/// Each static pod has one mirror, however often it is deleted; what has ended for good has none.
Task<void> Agent::Impl::settle_mirrors() {
  if (!objects.is_synced()) {
    co_return;
  }
  for (const auto& shown : objects.all("pods")) {
    const std::string uid(mirrored_uid(shown.root()));
    if (uid.empty()) {
      continue;
    }
    const auto* pod = static_pod(uid);
    const bool is_right = pod != nullptr && pod->key == shown.key &&
                          shown.metadata()["deletionTimestamp"].string().empty();
    if (!is_right && (pod != nullptr || !workers.contains(uid))) {
      co_await remove_mirror(shown);
    }
  }
  std::vector<Stored> missing;
  for (const auto& [file, manifest] : manifests) {
    const bool runs =
        manifest.pod.document != nullptr && workers.contains(std::string(manifest.pod.uid()));
    if (runs && objects.find(manifest.pod.key) == nullptr) {
      missing.push_back(manifest.pod);
    }
  }
  for (const auto& pod : missing) {
    co_await create_mirror(pod);
  }
}

Task<void> Agent::Impl::remove_mirror(Stored shown) {
  client::DeleteOptions how;
  how.grace_seconds = 0;
  how.expected_uid = std::string(shown.uid());
  const auto removed = co_await with.client.remove(shown.key, how);
  if (!removed.ok() && removed.error().code != Code::not_found) {
    log::debug("agent", "mirror of {} not removed: {}", shown.key.name, removed.error().message);
  }
}

Task<void> Agent::Impl::create_mirror(Stored pod) {
  const auto* node = objects.find(Key{"nodes", "", options.node_name});
  if (node == nullptr) {
    co_return;
  }
  auto document = mirror_of(pod, node->uid());
  client::WriteOptions how;
  const auto created =
      co_await with.client.create("pods", pod.key.ns, std::move(document), std::move(how));
  if (!created.ok() && created.error().code != Code::already_exists) {
    log::debug("agent", "no mirror of {}: {}", pod.key.name, created.error().message);
  }
}

}  // namespace tetrarch::agent
