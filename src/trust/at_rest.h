// SPDX-License-Identifier: Apache-2.0
// Encryption at rest: AES-256-GCM envelopes around the values that the store's journal and the
// agent's disk keep. An envelope is bound to its context (the key it is stored under): moved
// elsewhere it does not open.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace tetrarch::trust {

/// Seals with its newest key and opens with any it has. Immutable; thread-safe; wipes its keys at
/// the end.
class KeyRing {
 public:
  static KeyRing create(Random& random);
  /// Reads the file (0600); makes and saves it where it is not there.
  static Result<KeyRing> load_or_create(const std::string& path, Random& random);
  static Result<KeyRing> from_text(std::string_view text);
  ~KeyRing();
  KeyRing(KeyRing&&) noexcept;
  KeyRing& operator=(KeyRing&&) noexcept;
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  /// The same keys with a new one in front.
  KeyRing rotated(Random& random) const;
  Status save(const std::string& path) const;

  /// Envelope: 4 bytes magic and version, 4 bytes key id, 12 bytes nonce, the cipher text, 16 bytes
  /// tag.
  std::string seal(std::string_view context, std::string_view plain) const;
  /// Error (Code::internal): not an envelope, an unknown key, another context, or changed by
  /// someone.
  Result<std::string> open(std::string_view context, std::string_view sealed) const;
  /// Starts as an envelope does.
  static bool is_sealed(std::string_view bytes);

  /// Whether both seal with the same key.
  bool seals_as(const KeyRing& other) const { return keys_.front().id == other.keys_.front().id; }

  /// Opens, but was sealed with a key that is no longer the newest (or not sealed at all): seal it
  /// again.
  bool is_stale(std::string_view bytes) const;

 private:
  struct Key {
    std::uint32_t id = 0;
    std::string bytes = {};  ///< 32
  };

  explicit KeyRing(std::vector<Key> keys) : keys_(std::move(keys)) {}

  std::string to_text() const;

  std::vector<Key> keys_;  ///< the newest first; never empty
};

}  // namespace tetrarch::trust
