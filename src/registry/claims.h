// SPDX-License-Identifier: Apache-2.0
// Claims: who holds a service address or node port. A claim is a key of the store written in the
// same commit as the service, so two services can never hold the same, whichever server they were
// created on.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "object/stored.h"
#include "registry/address.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

/// The resource of claims. No kind: the API does not show it.
inline constexpr std::string_view kClaims = "claims.tetrarch.dev";

Key address_claim(std::string_view address);
/// `protocol` as in a Service: TCP, UDP, SCTP.
Key port_claim(std::string_view protocol, std::int64_t port);

/// What is stored under a claim's key.
DocumentPtr claim_document(const Key& claim, std::string_view holder);

/// The claims of a service as it is.
std::set<Key> claims_of(object::View service);

/// Makes the transaction take what `fresh` has over `old`, and give back the rest.
void change_claims(Write& write,
                   const std::set<Key>& fresh,
                   const std::set<Key>& old,
                   std::string_view holder);

/// A free address, at random; the lower band is left to addresses that are asked for. Nothing: the
/// range is used up.
std::optional<std::string> pick_address(const Write& write, const AddressRange& range);
/// A free node port for that protocol, none of `taken`.
std::optional<std::int64_t> pick_port(const Write& write,
                                      std::string_view protocol,
                                      const std::set<Key>& taken);

}  // namespace tetrarch::registry
