// SPDX-License-Identifier: Apache-2.0
// Rules of priority levels. Source: Kubernetes pkg/apis/flowcontrol/validation/validation.go, and
// apiserver pkg/util/shufflesharding, v1.35.
#include <cmath>

#include <fmt/format.h>

#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

constexpr std::int64_t kQueuesMax = 10'000'000;
/// A hand is dealt from so many bits of a hash.
constexpr int kHashBits = 60;

void check_percent(Problems& problems, const Site& part) {
  const auto percent = part.fresh["lendablePercent"];
  if (percent && (percent.integer() < 0 || percent.integer() > 100)) {
    problems.invalid(part.at("lendablePercent"), percent, "must be between 0 and 100, inclusive");
  }
}

void check_shares(Problems& problems, const Site& part) {
  const auto shares = part.fresh["nominalConcurrencyShares"];
  if (shares.integer() < 0) {
    problems.invalid(part.at("nominalConcurrencyShares"), shares, "must be a non-negative integer");
  }
}

void check_response(Problems& problems, const Site& response) {
  const auto type = response.fresh["type"].string();
  const auto queuing = response.fresh["queuing"];
  if (type == "Reject" && queuing) {
    problems.forbidden(response.at("queuing"),
                       "must be nil if limited.limitResponse.type is not Limited");
  } else if (type == "Queue" && !queuing) {
    problems.required(response.at("queuing"),
                      "must not be empty if limited.limitResponse.type is Limited");
  } else if (type != "Reject" && type != "Queue") {
    problems.not_supported(response.at("type"), type, {"Queue", "Reject"});
  }
}

void check_limited(Problems& problems, const Site& limited) {
  check_shares(problems, limited);
  check_response(problems, limited.child("limitResponse"));
  check_percent(problems, limited);
  const auto borrowing = limited.fresh["borrowingLimitPercent"];
  if (borrowing && borrowing.integer() < 0) {
    problems.invalid(limited.at("borrowingLimitPercent"),
                     borrowing,
                     "if specified, must be a non-negative integer");
  }
}

void check_type(Problems& problems, const Site& spec, std::string_view name) {
  const auto type = spec.fresh["type"].string();
  if ((name == "exempt") != (type == "Exempt")) {
    problems.invalid(
        spec.at("type"), type, "type must be 'Exempt' if and only if name is 'exempt'");
  }
  if (type != "Exempt" && type != "Limited") {
    problems.not_supported(spec.at("type"), type, {"Exempt", "Limited"});
  }
}

void check_number(Problems& problems, const Site& site, std::string_view name) {
  if (site.fresh[name].integer() <= 0) {
    problems.invalid(site.at(name), site.fresh[name], "must be positive");
  }
}

}  // namespace

void check_priority_level(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_type(problems, spec, site.fresh["metadata"]["name"].string());
  const auto type = spec.fresh["type"].string();
  const auto exempt = spec.child("exempt");
  const auto limited = spec.child("limited");
  if (type == "Exempt") {
    if (limited.fresh) {
      problems.forbidden(limited.path, "must be nil if the type is not Limited");
    }
    check_shares(problems, exempt);
    check_percent(problems, exempt);
  } else if (type == "Limited") {
    if (exempt.fresh) {
      problems.forbidden(exempt.path, "must be nil if the type is Limited");
    }
    if (!limited.fresh) {
      problems.required(limited.path, "must not be empty when type is Limited");
    } else {
      check_limited(problems, limited);
    }
  }
  check_flow_conditions(problems, site);
}

void check_queuing(Problems& problems, const Site& site) {
  check_number(problems, site, "queueLengthLimit");
  check_number(problems, site, "queues");
  const auto queues = site.fresh["queues"].integer();
  if (queues > kQueuesMax) {
    problems.invalid(site.at("queues"),
                     site.fresh["queues"],
                     fmt::format("must not be greater than {}", kQueuesMax));
  }
  check_number(problems, site, "handSize");
  const auto hand = site.fresh["handSize"].integer();
  if (hand <= 0 || queues <= 0) {
    return;
  }
  const auto bits = std::ceil(std::log2(static_cast<double>(queues)) * static_cast<double>(hand));
  if (hand > queues) {
    problems.invalid(site.at("handSize"),
                     site.fresh["handSize"],
                     fmt::format("should not be greater than queues ({})", queues));
  } else if (bits > kHashBits) {
    problems.invalid(site.at("handSize"),
                     site.fresh["handSize"],
                     fmt::format("required entropy bits of deckSize {} and handSize {} should not "
                                 "be greater than {}",
                                 queues,
                                 hand,
                                 kHashBits));
  }
}

}  // namespace tetrarch::schema
