// SPDX-License-Identifier: Apache-2.0
#include "registry/service_ranges.h"

#include <algorithm>

#include <fmt/format.h>

#include "object/writer.h"
#include "registry/claims.h"
#include "registry/errors.h"

namespace tetrarch::registry {

using object::View;

namespace {

bool says_ready(View cidr) {
  for (const View condition : cidr["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      return condition["status"].string() == "True";
    }
  }
  return false;
}

}  // namespace

std::vector<ServiceRange> service_ranges(const store::Snapshot& snapshot) {
  std::vector<ServiceRange> out;
  snapshot.scan(kServiceCidrs, "", {}, [&](const Stored& cidr) {
    const auto range = AddressRange::parse(cidr.root()["spec"]["cidrs"].at(0).string());
    if (range) {
      const bool is_ending = cidr.metadata()["deletionTimestamp"].exists();
      out.push_back(
          {cidr.key, cidr.revision, *range, is_ending, !is_ending && says_ready(cidr.root())});
    }
    return true;
  });
  std::stable_partition(out.begin(), out.end(), [](const ServiceRange& each) {
    return each.key.name == kDefaultServiceCidr;
  });
  return out;
}

Status check_unused(const store::Snapshot& snapshot, std::string_view name) {
  const auto ranges = service_ranges(snapshot);
  const auto own = std::find_if(ranges.begin(), ranges.end(), [&](const ServiceRange& each) {
    return each.key.name == name;
  });
  if (own == ranges.end()) {
    return ok();
  }
  const auto is_elsewhere = [&](std::uint32_t address) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const ServiceRange& each) {
      return each.key != own->key && !each.is_ending && each.range.contains(address);
    });
  };
  std::string holder;
  snapshot.scan(kIpAddresses, "", {}, [&](const Stored& address) {
    const auto number = parse_ipv4(address.key.name);
    if (number && is_service_address(address.root()) && own->range.contains(*number) &&
        !is_elsewhere(*number)) {
      holder = address.key.name;
    }
    return holder.empty();
  });
  if (holder.empty()) {
    return ok();
  }
  return conflict("servicecidrs.networking.k8s.io",
                  name,
                  fmt::format("address {} is in use and in no other range", holder));
}

std::string ready_status(std::string_view now, std::string_view message) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("conditions").begin_array().begin_object();
  writer.field("lastTransitionTime", now).field("message", message).field("reason", "");
  writer.field("status", "True").field("type", "Ready");
  writer.end_object().end_array().end_object();
  return out;
}

}  // namespace tetrarch::registry
