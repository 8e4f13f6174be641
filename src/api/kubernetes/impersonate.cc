// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/impersonate.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace tetrarch::api::kubernetes {
namespace {

/// A service account is asked for as what it is; anybody else as a user.
registry::Attributes question_of_user(std::string_view user) {
  registry::Attributes asked{.verb = "impersonate", .resource = "users", .name = std::string(user)};
  if (user.starts_with(trust::kServiceAccountUserPrefix)) {
    const auto rest = user.substr(trust::kServiceAccountUserPrefix.size());
    const auto colon = rest.find(':');
    if (colon != std::string_view::npos) {
      asked.resource = "serviceaccounts";
      asked.ns = rest.substr(0, colon);
      asked.name = rest.substr(colon + 1);
    }
  }
  return asked;
}

/// What a user is in without saying so.
void add_own_groups(trust::Identity& identity, const registry::Attributes& asked, bool has_groups) {
  if (asked.resource == "serviceaccounts" && !has_groups) {
    identity.groups.emplace_back("system:serviceaccounts");
    identity.groups.push_back("system:serviceaccounts:" + asked.ns);
  }
  const std::string_view own =
      identity.user == trust::kAnonymous ? trust::kUnauthenticated : trust::kAuthenticated;
  if (std::find(identity.groups.begin(), identity.groups.end(), own) == identity.groups.end()) {
    identity.groups.emplace_back(own);
  }
}

}  // namespace

Result<trust::Identity> impersonate(const registry::Registry& registry,
                                    const net::Headers& headers,
                                    trust::Identity asker) {
  for (const auto& header : headers.list()) {
    constexpr std::string_view kExtra = "Impersonate-Extra-";
    const auto start = std::string_view(header.name).substr(0, kExtra.size());
    if (net::equals_ignoring_case(start, kExtra)) {
      // Left out, the impersonated user might be more than was meant.
      return Error{Code::unimplemented, "impersonation of extra fields is not served"};
    }
  }
  const auto user = headers.get("Impersonate-User");
  const auto groups = headers.all("Impersonate-Group");
  if (user.empty()) {
    if (!groups.empty() || !headers.get("Impersonate-Uid").empty()) {
      return Error{Code::malformed, "requested impersonation without impersonating a user"};
    }
    return asker;
  }
  const auto asked = question_of_user(user);
  TRY_STATUS(registry.authorize(asker, asked));
  trust::Identity out;
  out.user = user;
  for (const auto group : groups) {
    const registry::Attributes of_group{
        .verb = "impersonate", .resource = "groups", .name = std::string(group)};
    TRY_STATUS(registry.authorize(asker, of_group));
    out.groups.emplace_back(group);
  }
  add_own_groups(out, asked, !groups.empty());
  return out;
}

}  // namespace tetrarch::api::kubernetes
