// SPDX-License-Identifier: Apache-2.0
// SHA-256 and HMAC-SHA-256, and comparison of secrets.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tetrarch::trust {

/// Streaming: feed pieces, take the digest once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::string_view bytes);
  /// 32 bytes; the object is spent.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 32 bytes.
std::string sha256(std::string_view bytes);
/// 64 hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
/// 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view bytes);
/// Equal, in a time that depends on the lengths only.
bool is_equal_secret(std::string_view a, std::string_view b);

}  // namespace tetrarch::trust
