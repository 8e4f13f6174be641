// SPDX-License-Identifier: Apache-2.0
// Authenticator: from what a request shows to who sent it.
#pragma once

#include <string_view>

#include "base/result.h"
#include "registry/registry.h"
#include "trust/identity.h"

namespace tetrarch::registry {

/// Stateless; thread-safe. Tokens of accounts that are gone stop working at once: every look is at
/// the newest state.
class Authenticator {
 public:
  Authenticator(Registry::Parts parts, const Options& options) : parts_(parts), options_(options) {}

  Result<trust::Identity> authenticate(const Credentials& shown) const;
  /// For TokenReview: no certificate, no anonymous.
  Result<trust::Identity> from_token(std::string_view token, std::string_view audience) const;

 private:
  Result<trust::Identity> from_service_account_token(std::string_view token,
                                                     std::string_view audience) const;
  Result<trust::Identity> from_bootstrap_token(std::string_view token) const;

  Registry::Parts parts_;
  const Options& options_;
};

}  // namespace tetrarch::registry
