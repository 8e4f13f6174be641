// SPDX-License-Identifier: Apache-2.0
#include "app/keys.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/log.h"

namespace tetrarch::app {
namespace {

constexpr std::string_view kSealed = "secrets";
constexpr std::size_t kBatch = 256;

store::Transaction rewrite_of(const Stored& object) {
  store::Transaction out;
  out.compares.push_back({object.key, object.revision});
  out.mutations.push_back({object.key, object.document});
  return out;
}

}  // namespace

std::string encryption_key_file(const Config& config) {
  return config.data_dir + "/server/encryption.keys";
}

std::string token_key_file(const Config& config) {
  return config.data_dir + "/server/service-account.keys";
}

bool RestKeys::replace(trust::KeyRing ring) {
  auto fresh = std::make_shared<const trust::KeyRing>(std::move(ring));
  const std::lock_guard lock(mutex_);
  ring_.swap(fresh);
  return !ring_->seals_as(*fresh);
}

store::Sealing sealing_with(const std::shared_ptr<RestKeys>& keys) {
  store::Sealing out;
  out.resources = {std::string(kSealed)};
  out.seal = [keys](std::string_view plain, std::string_view bound) -> Result<std::string> {
    return keys->current()->seal(bound, plain);
  };
  out.open = [keys](std::string_view sealed, std::string_view bound) {
    const auto ring = keys->current();
    if (ring->is_stale(sealed)) {
      keys->note_old();
    }
    return ring->open(bound, sealed);
  };
  return out;
}

Task<void> reseal(store::Store& store) {
  std::vector<store::Transaction> all;
  store.snapshot().scan(kSealed, "", {}, [&](const Stored& object) {
    all.push_back(rewrite_of(object));
    return true;
  });
  std::size_t refused = 0;
  for (std::size_t begin = 0; begin < all.size(); begin += kBatch) {
    const auto end = std::min(begin + kBatch, all.size());
    std::vector<store::Transaction> batch(
        std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(begin)),
        std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(end)));
    const auto answers = co_await store.commit_each(std::move(batch));
    for (const auto& answer : answers) {
      // Whoever wrote or removed it meanwhile has done this.
      const bool is_done = answer.ok() || answer.error().code == Code::conflict ||
                           answer.error().code == Code::not_found;
      refused += is_done ? 0 : 1;
    }
  }
  if (refused > 0) {
    log::error("server", "{} of {} Secrets could not be sealed anew", refused, all.size());
  } else {
    log::info("server", "{} Secrets are sealed with the newest key", all.size());
  }
}

}  // namespace tetrarch::app
