// SPDX-License-Identifier: Apache-2.0
// Service account tokens: JSON Web Tokens (RFC 7519) signed with ES256, with the claims that
// Kubernetes clients read.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "trust/identity.h"

namespace tetrarch::trust {

/// An object that a token is bound to; it lives no longer than that object.
struct BoundObject {
  std::string name;
  std::string uid;
  bool operator==(const BoundObject&) const = default;
};

struct TokenClaims {
  std::string issuer;
  std::string subject;  ///< system:serviceaccount:<namespace>:<name>
  std::vector<std::string> audiences;
  TimePoint issued_at = {};
  TimePoint not_before = {};
  TimePoint expires_at = {};
  std::string id;  ///< jti
  std::string ns;
  BoundObject service_account;
  BoundObject pod = {};     ///< empty name: not bound to one
  BoundObject secret = {};  ///< likewise
  BoundObject node = {};    ///< likewise
  bool operator==(const TokenClaims&) const = default;

  /// The user and groups that the token's bearer is.
  Identity identity() const;
};

/// Signs with its newest key and accepts every key it has. Thread-safe.
class TokenKeys {
 public:
  /// One new key.
  static Result<TokenKeys> create();
  /// Private keys in PEM, the signing one first.
  static Result<TokenKeys> from_pem(std::string_view private_keys_pem);
  /// Reads the file; makes and saves it where it is not there.
  static Result<TokenKeys> load_or_create(const std::string& path);
  ~TokenKeys();
  TokenKeys(TokenKeys&&) noexcept;
  TokenKeys& operator=(TokenKeys&&) noexcept;

  /// The same keys with a new one in front.
  Result<TokenKeys> rotated() const;
  Result<std::string> to_pem() const;
  /// From now on these keys, also for whoever refers to this object.
  void replace(TokenKeys fresh);

  Result<std::string> issue(const TokenClaims& claims) const;
  /// Error (Code::unauthenticated): malformed, not ours, bad signature, expired, not valid yet,
  /// wrong issuer, or `audience` (empty: any) is not among its audiences. That the bound objects
  /// still exist is the caller's to check.
  Result<TokenClaims> verify(std::string_view token,
                             std::string_view issuer,
                             std::string_view audience,
                             TimePoint now) const;
  /// A JSON Web Key Set (RFC 7517) of the public keys: /openid/v1/jwks.
  std::string jwks() const;

 private:
  struct Key;
  struct State;
  using Keys = std::vector<std::unique_ptr<Key>>;
  explicit TokenKeys(Keys keys);
  std::shared_ptr<const Keys> keys() const;

  std::unique_ptr<State> state_;
};

}  // namespace tetrarch::trust
