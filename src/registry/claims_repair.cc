// SPDX-License-Identifier: Apache-2.0
// Source: what the repair loops of a kube-apiserver promise (cluster addresses and node ports);
// ours needs to run only at the start, because a claim is written in the service's own commit.
#include "registry/claims_repair.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "registry/claims.h"

namespace tetrarch::registry {

namespace {

/// What services hold, each with the first that does.
std::map<Key, std::string> held_by_services(const store::Snapshot& snapshot) {
  std::map<Key, std::string> out;
  snapshot.scan("services", "", {}, [&](const Stored& service) {
    const auto holder = fmt::format("services/{}/{}", service.key.ns, service.key.name);
    for (const auto& claim : claims_of(service.root())) {
      const auto [at, is_first] = out.emplace(claim, holder);
      if (!is_first) {
        log::warning("registry",
                     "{} is held by {} and {}: delete one and create it again",
                     claim.name,
                     at->second,
                     holder);
      }
    }
    return true;
  });
  return out;
}

store::Transaction replacing(const Key& claim, Revision expected, DocumentPtr document) {
  store::Transaction out;
  out.compares.push_back({claim, expected});
  out.mutations.push_back({claim, std::move(document)});
  return out;
}

/// One transaction per claim that must come or go.
std::vector<store::Transaction> repairs(const store::Snapshot& snapshot) {
  const auto held = held_by_services(snapshot);
  std::vector<store::Transaction> out;
  for (const auto& [claim, holder] : held) {
    if (!snapshot.get(claim)) {
      log::warning("registry", "{} of {} was not claimed: claimed now", claim.name, holder);
      out.push_back(replacing(claim, Revision{0}, claim_document(claim, holder)));
    }
  }
  snapshot.scan(kClaims, "", {}, [&](const Stored& claim) {
    if (!held.contains(claim.key)) {
      log::warning("registry", "{} is claimed by no service: freed", claim.key.name);
      out.push_back(replacing(claim.key, claim.revision, nullptr));
    }
    return true;
  });
  return out;
}

}  // namespace

Task<Status> repair_claims(store::Store& store) {
  auto transactions = repairs(store.snapshot());
  if (transactions.empty()) {
    co_return ok();
  }
  auto done = co_await store.commit_each(std::move(transactions));
  for (auto& each : done) {
    if (!each.ok()) {
      co_return std::move(each).error();
    }
  }
  co_return ok();
}

}  // namespace tetrarch::registry
