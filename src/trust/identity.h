// SPDX-License-Identifier: Apache-2.0
// Who is asking: what authentication found out, and what authorization and the audit log see.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tetrarch::trust {

struct Identity {
  std::string user;
  std::string uid = {};
  std::vector<std::string> groups = {};
  std::map<std::string, std::vector<std::string>> extra = {};
  bool operator==(const Identity&) const = default;

  bool is_in(std::string_view group) const {
    for (const auto& mine : groups) {
      if (mine == group) {
        return true;
      }
    }
    return false;
  }
};

// Source: Kubernetes documentation, "Authenticating" and "Using RBAC Authorization", names of
// built-in users.
inline constexpr std::string_view kAnonymous = "system:anonymous";
inline constexpr std::string_view kUnauthenticated = "system:unauthenticated";
inline constexpr std::string_view kAuthenticated = "system:authenticated";
inline constexpr std::string_view kMasters = "system:masters";
inline constexpr std::string_view kNodes = "system:nodes";
inline constexpr std::string_view kNodeUserPrefix = "system:node:";
inline constexpr std::string_view kServiceAccountUserPrefix = "system:serviceaccount:";

}  // namespace tetrarch::trust
