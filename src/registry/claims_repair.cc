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

using object::View;

namespace {

// Where addresses were claimed before they were IPAddress objects.
constexpr std::string_view kOldAddress = "service-ip-";

/// What services hold, each with the first that does.
using Holders = std::map<Key, Key>;

std::string text_of(const Key& service) {
  return fmt::format("services/{}/{}", service.ns, service.name);
}

Holders held_by_services(const store::Snapshot& snapshot) {
  Holders out;
  snapshot.scan("services", "", {}, [&](const Stored& service) {
    for (const auto& claim : claims_of(service.root())) {
      const auto [at, is_first] = out.emplace(claim, service.key);
      if (!is_first) {
        log::warning("registry",
                     "{} is held by {} and {}: delete one and create it again",
                     claim.name,
                     text_of(at->second),
                     text_of(service.key));
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

/// Whether an IPAddress says of itself that this service has it.
bool names(View address, const Key& service) {
  const View parent = address.find("spec.parentRef");
  return is_service_address(address) && parent["name"].string() == service.name &&
         parent["namespace"].string() == service.ns;
}

/// One transaction per claim that must come or go.
class Repairs {
 public:
  Repairs(const store::Snapshot& snapshot, const Clock& clock, Random& random)
      : snapshot_(snapshot),
        now_(format_time(clock.now())),
        random_(random),
        held_(held_by_services(snapshot)) {}

  std::vector<store::Transaction> run() {
    for (const auto& [claim, service] : held_) {
      take(claim, service);
    }
    snapshot_.scan(kClaims, "", {}, [&](const Stored& claim) {
      release(claim);
      return true;
    });
    snapshot_.scan(kIpAddresses, "", {}, [&](const Stored& address) {
      if (is_service_address(address.root())) {
        release(address);
      }
      return true;
    });
    return std::move(out_);
  }

 private:
  void take(const Key& claim, const Key& service) {
    const auto there = snapshot_.get(claim);
    const bool is_right =
        there && (claim.resource != kIpAddresses || names(there->root(), service));
    if (is_right) {
      return;
    }
    const Key older{std::string(kClaims), "", std::string(kOldAddress) + claim.name};
    if (there || !snapshot_.get(older)) {
      log::warning(
          "registry", "{} of {} was not claimed: claimed now", claim.name, text_of(service));
    }
    const auto document = claim_document(claim, {service.ns, service.name, now_, random_});
    out_.push_back(replacing(claim, there ? there->revision : Revision{0}, document));
  }

  void release(const Stored& claim) {
    if (held_.contains(claim.key)) {
      return;
    }
    if (!claim.key.name.starts_with(kOldAddress)) {
      log::warning("registry", "{} is claimed by no service: freed", claim.key.name);
    }
    out_.push_back(replacing(claim.key, claim.revision, nullptr));
  }

  const store::Snapshot& snapshot_;
  const std::string now_;
  Random& random_;
  const Holders held_;
  std::vector<store::Transaction> out_;
};

}  // namespace

Task<Status> repair_claims(store::Store& store, const Clock& clock, Random& random) {
  const auto snapshot = store.snapshot();
  auto transactions = Repairs(snapshot, clock, random).run();
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
