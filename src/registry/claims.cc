// SPDX-License-Identifier: Apache-2.0
#include "registry/claims.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/random.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr int kRandomTries = 64;

// Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints".
constexpr std::string_view kManagedBy = "ipaddress.kubernetes.io/managed-by";
constexpr std::string_view kAllocator = "ipallocator.k8s.io";
constexpr std::string_view kAddressLabels =
    R"({"ipaddress.kubernetes.io/ip-family":"IPv4",)"
    R"("ipaddress.kubernetes.io/managed-by":"ipallocator.k8s.io"})";

/// Source: Kubernetes documentation, "Service ClusterIP allocation", "How can you avoid conflicts":
/// the size of the band for addresses that are asked for.
std::uint32_t static_band(std::uint32_t size) {
  constexpr std::uint32_t kMin = 16;
  constexpr std::uint32_t kMax = 256;
  return size <= kMin ? 0 : std::clamp(size / 16, kMin, kMax);
}

bool is_free(const Write& write, const Key& claim) {
  return !write.snapshot.get(claim);
}

DocumentPtr address_document(const Key& claim, const Holder& holder) {
  Meta meta;
  meta.name = claim.name;
  meta.uid = make_uuid(holder.random);
  meta.generation = 1;
  meta.created = holder.now;
  meta.labels = kAddressLabels;
  std::string json;
  object::Writer out(json);
  out.begin_object().field("kind", "IPAddress").field("apiVersion", "networking.k8s.io/v1");
  meta.write(out.key("metadata"));
  out.key("spec").begin_object().key("parentRef").begin_object();
  out.field("name", holder.name).field("namespace", holder.ns).field("resource", "services");
  out.end_object().end_object().end_object();
  return Document::from_canonical(std::move(json));
}

std::optional<std::string> at_random(const Write& write, const AddressRange& range) {
  const auto size = range.size();
  const auto band = static_band(size);
  for (int i = 0; i < kRandomTries; ++i) {
    const auto place = band + static_cast<std::uint32_t>(write.here.random.next() % (size - band));
    auto text = ipv4_text(range.at(place));
    if (is_free(write, address_claim(text))) {
      return text;
    }
  }
  return std::nullopt;
}

/// Of a range that is nearly full: looks at each, the upper band first.
std::optional<std::string> first_free(const Write& write, const AddressRange& range) {
  const auto size = range.size();
  const auto band = static_band(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    auto text = ipv4_text(range.at((band + i) % size));
    if (is_free(write, address_claim(text))) {
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace

Key address_claim(std::string_view address) {
  return {std::string(kIpAddresses), "", std::string(address)};
}

Key port_claim(std::string_view protocol, std::int64_t port) {
  return {std::string(kClaims), "", fmt::format("node-port-{}-{}", protocol, port)};
}

DocumentPtr claim_document(const Key& claim, const Holder& holder) {
  if (claim.resource == kIpAddresses) {
    return address_document(claim, holder);
  }
  std::string json;
  object::Writer out(json);
  out.begin_object().field("kind", "Claim").field("apiVersion", "tetrarch.dev/v1");
  out.key("metadata").begin_object().field("name", claim.name).end_object();
  out.key("spec").begin_object();
  out.field("holder", fmt::format("services/{}/{}", holder.ns, holder.name));
  out.end_object().end_object();
  return Document::from_canonical(std::move(json));
}

bool is_service_address(View address) {
  return address["metadata"]["labels"][kManagedBy].string() == kAllocator &&
         address.find("spec.parentRef.resource").string() == "services" &&
         address.find("spec.parentRef.group").string().empty();
}

std::set<Key> claims_of(View service) {
  std::set<Key> out;
  const View spec = service["spec"];
  if (const auto address = spec["clusterIP"].string(); !address.empty() && address != "None") {
    out.insert(address_claim(address));
  }
  for (const View port : spec["ports"].elements()) {
    if (const auto number = port["nodePort"].integer(); number != 0) {
      out.insert(port_claim(port["protocol"].string("TCP"), number));
    }
  }
  if (const auto number = spec["healthCheckNodePort"].integer(); number != 0) {
    out.insert(port_claim("TCP", number));
  }
  return out;
}

void change_claims(Write& write,
                   const std::set<Key>& fresh,
                   const std::set<Key>& old,
                   const Holder& holder) {
  for (const auto& claim : fresh) {
    if (!old.contains(claim)) {
      write.transaction.compares.push_back({claim, Revision{0}});
      write.transaction.mutations.push_back({claim, claim_document(claim, holder)});
    }
  }
  for (const auto& claim : old) {
    // A claim that is not there (an address outside the range of today) has nothing to give back.
    if (!fresh.contains(claim) && write.snapshot.get(claim)) {
      write.transaction.mutations.push_back({claim, nullptr});
    }
  }
}

std::optional<PickedAddress> pick_address(const Write& write,
                                          const std::vector<AddressRange>& ranges) {
  for (auto* look : {&at_random, &first_free}) {
    for (std::size_t place = 0; place < ranges.size(); ++place) {
      if (auto text = look(write, ranges[place])) {
        return PickedAddress{*std::move(text), place};
      }
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> pick_port(const Write& write,
                                      std::string_view protocol,
                                      const std::set<Key>& taken) {
  const auto& options = write.here.options;
  const auto size = static_cast<std::uint64_t>(options.node_port_max - options.node_port_min + 1);
  const auto start = write.here.random.next() % size;
  for (std::uint64_t i = 0; i < size; ++i) {
    const auto port = options.node_port_min + static_cast<std::int64_t>((start + i) % size);
    const auto claim = port_claim(protocol, port);
    if (!taken.contains(claim) && is_free(write, claim)) {
      return port;
    }
  }
  return std::nullopt;
}

}  // namespace tetrarch::registry
