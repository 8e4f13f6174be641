// SPDX-License-Identifier: Apache-2.0
// ConfigMaps, Secrets and ServiceAccounts.
#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::size_t kBytesMax = std::size_t{1} << 20;
constexpr std::string_view kKeyFault =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " "
    "or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

bool is_config_key(std::string_view key) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !key.empty() && key.size() <= 253 && key != "." && !key.starts_with("..") &&
         std::all_of(key.begin(), key.end(), is_allowed);
}

void check_keys(const std::string& field, View data, std::size_t& bytes, FieldErrors& faults) {
  for (const auto [key, value] : data.members()) {
    if (!is_config_key(key)) {
      faults.push_back(invalid_text(fmt::format("{}[{}]", field, key), key, kKeyFault));
    }
    bytes += key.size() + value.string().size();
  }
}

/// Nothing of an immutable object but its metadata may change, nor may it become mutable again.
void check_frozen(View fresh, View old, FieldErrors& faults) {
  if (!old["immutable"].boolean()) {
    return;
  }
  constexpr auto kText = "field is immutable when `immutable` is set";
  if (!fresh["immutable"].boolean()) {
    faults.push_back(forbidden_field("immutable", kText));
  }
  for (const auto* field : {"data", "binaryData"}) {
    if (!fresh[field].same_as(old[field])) {
      faults.push_back(forbidden_field(field, kText));
    }
  }
}

void check_config_map(View fresh, View old, FieldErrors& faults) {
  std::size_t bytes = 0;
  check_keys("data", fresh["data"], bytes, faults);
  check_keys("binaryData", fresh["binaryData"], bytes, faults);
  for (const auto member : fresh["data"].members()) {
    if (fresh["binaryData"][member.key].exists()) {
      faults.push_back(invalid_text(fmt::format("data[{}]", member.key),
                                    member.key,
                                    "duplicate of key present in binaryData"));
    }
  }
  if (bytes > kBytesMax) {
    faults.push_back(too_long("", fmt::format("may not be more than {} bytes", kBytesMax)));
  }
  check_frozen(fresh, old, faults);
}

void check_secret_type(View fresh, FieldErrors& faults) {
  // Source: Kubernetes documentation, "Types of Secret": the keys that each type must have.
  const auto type = fresh["type"].string();
  const auto need = [&](std::string_view key) {
    if (!fresh["data"][key].exists()) {
      faults.push_back(required(fmt::format("data[{}]", key)));
    }
  };
  if (type == "kubernetes.io/tls") {
    need("tls.crt");
    need("tls.key");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    need(".dockerconfigjson");
  } else if (type == "kubernetes.io/dockercfg") {
    need(".dockercfg");
  } else if (type == "kubernetes.io/ssh-auth") {
    need("ssh-privatekey");
  } else if (type == "kubernetes.io/basic-auth" && !fresh["data"]["username"].exists() &&
             !fresh["data"]["password"].exists()) {
    need("username");
    need("password");
  } else if (type == "kubernetes.io/service-account-token" &&
             fresh["metadata"]["annotations"]["kubernetes.io/service-account.name"]
                 .string()
                 .empty()) {
    faults.push_back(required("metadata.annotations[kubernetes.io/service-account.name]"));
  }
}

void check_secret(View fresh, View old, FieldErrors& faults) {
  std::size_t bytes = 0;
  check_keys("data", fresh["data"], bytes, faults);
  // Values are base64 here: four characters for three bytes.
  if (bytes / 4 * 3 > kBytesMax) {
    faults.push_back(too_long("data", fmt::format("may not be more than {} bytes", kBytesMax)));
  }
  check_secret_type(fresh, faults);
  if (old.exists() && fresh["type"].string() != old["type"].string()) {
    faults.push_back(invalid_text("type", fresh["type"].string(), "field is immutable"));
  }
  check_frozen(fresh, old, faults);
}

}  // namespace

Strategy config_maps_strategy() {
  Strategy out;
  out.check = &check_config_map;
  return out;
}

Strategy secrets_strategy() {
  Strategy out;
  out.fields = {{"type"}};
  out.check = &check_secret;
  return out;
}

Strategy service_accounts_strategy() {
  return {};
}

}  // namespace tetrarch::registry
