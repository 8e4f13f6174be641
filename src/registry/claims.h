// SPDX-License-Identifier: Apache-2.0
// Claims: who holds a service address or node port. A claim is a key of the store written in the
// same commit as the service, so two services can never hold the same, whichever server they were
// created on. The claim of an address is the IPAddress object itself (docs/adr/0039).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "object/stored.h"
#include "registry/address.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

/// The resource of the claims of node ports. No kind: the API does not show it.
inline constexpr std::string_view kClaims = "claims.tetrarch.dev";
inline constexpr std::string_view kIpAddresses = "ipaddresses.networking.k8s.io";

/// The service that takes or gives back, and what the objects it leaves are made with.
struct Holder {
  std::string ns;
  std::string name;
  std::string now;  ///< RFC 3339
  Random& random;
};

Key address_claim(std::string_view address);
/// `protocol` as in a Service: TCP, UDP, SCTP.
Key port_claim(std::string_view protocol, std::int64_t port);

/// What is stored under a claim's key: an IPAddress, or what names the holder of a port.
DocumentPtr claim_document(const Key& claim, const Holder& holder);
/// Whether an IPAddress is the claim of a service: given by this server, not made by a user.
bool is_service_address(object::View address);

/// The claims of a service as it is.
std::set<Key> claims_of(object::View service);

/// Makes the transaction take what `fresh` has over `old`, and give back the rest.
void change_claims(Write& write,
                   const std::set<Key>& fresh,
                   const std::set<Key>& old,
                   const Holder& holder);

/// A free address and the place of its range.
struct PickedAddress {
  std::string text;
  std::size_t range = 0;
};

/// At random; the lower band of a range is left to addresses that are asked for, and a later range
/// to what the earlier ones have no room for. Nothing: all are used up.
std::optional<PickedAddress> pick_address(const Write& write,
                                          const std::vector<AddressRange>& ranges);
/// A free node port for that protocol, none of `taken`.
std::optional<std::int64_t> pick_port(const Write& write,
                                      std::string_view protocol,
                                      const std::set<Key>& taken);

}  // namespace tetrarch::registry
