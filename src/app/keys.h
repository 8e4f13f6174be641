// SPDX-License-Identifier: Apache-2.0
// The keys of a control plane that can change while it runs: the ring for what is sealed at rest,
// and where the files are.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "app/config.h"
#include "async/task.h"
#include "store/store.h"
#include "trust/at_rest.h"

namespace tetrarch::app {

std::string encryption_key_file(const Config& config);
std::string token_key_file(const Config& config);

/// The ring of now. Thread-safe.
class RestKeys {
 public:
  explicit RestKeys(trust::KeyRing ring)
      : ring_(std::make_shared<const trust::KeyRing>(std::move(ring))) {}

  std::shared_ptr<const trust::KeyRing> current() const {
    const std::lock_guard lock(mutex_);
    return ring_;
  }

  /// Whether what is there is now sealed with an older key.
  bool replace(trust::KeyRing ring);

  /// Something that was opened is sealed with an older key.
  void note_old() { has_seen_old_ = true; }

  bool has_seen_old() const { return has_seen_old_; }

 private:
  mutable std::mutex mutex_;  // guards ring_
  std::shared_ptr<const trust::KeyRing> ring_;
  std::atomic<bool> has_seen_old_ = false;
};

/// What the store seals, and how.
store::Sealing sealing_with(const std::shared_ptr<RestKeys>& keys);

/// Writes everything that is sealed again, as it is, so that it is sealed with the newest key.
/// Owned by a TaskGroup.
Task<void> reseal(store::Store& store);

}  // namespace tetrarch::app
