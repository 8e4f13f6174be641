// SPDX-License-Identifier: Apache-2.0
// Rules of ConfigMaps and Secrets: keys, size, what a secret's type demands, immutability.
// Source: Kubernetes pkg/apis/core/validation/validation.go, ValidateConfigMap and ValidateSecret,
// v1.34.
#include <array>
#include <string>

#include "base/encoding.h"
#include "schema/formats.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::size_t kBytesMax = 1024 * 1024;

/// Bytes that base64 text stands for.
std::size_t decoded_size(std::string_view text) {
  const auto padding = text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
  return text.size() / 4 * 3 - (text.size() >= 4 ? padding : 0);
}

void check_keys(Problems& problems, const Site& site, std::string_view field) {
  for (const auto member : site.fresh[field].members()) {
    problems.invalid_each(
        key_path(site.at(field), member.key), member.key, config_key_faults(member.key));
  }
}

/// An object that says so never changes again, and never says otherwise.
void check_frozen(Problems& problems, const Site& site, std::initializer_list<const char*> fields) {
  constexpr std::string_view kFrozen = "field is immutable when `immutable` is set";
  if (!site.is_update() || !site.old["immutable"].boolean()) {
    return;
  }
  if (!site.fresh["immutable"].boolean()) {
    problems.forbidden(site.at("immutable"), kFrozen);
  }
  for (const auto* field : fields) {
    if (!site.fresh[field].same_as(site.old[field])) {
      problems.forbidden(site.at(field), kFrozen);
    }
  }
}

void check_docker_config(Problems& problems, const Site& site, std::string_view key) {
  const auto value = site.fresh["data"][key];
  const auto path = key_path(site.at("data"), key);
  if (!value) {
    problems.required(path);
    return;
  }
  const auto bytes = base64_decode(value.string());
  if (!bytes.ok() || !Document::parse(*bytes).ok()) {
    problems.invalid(path, "<secret contents redacted>", "the content is no valid JSON");
  }
}

void check_required_keys(Problems& problems,
                         const Site& site,
                         std::initializer_list<const char*> keys) {
  for (const auto* key : keys) {
    if (!site.fresh["data"][key]) {
      problems.required(key_path(site.at("data"), key));
    }
  }
}

void check_secret_type(Problems& problems, const Site& site) {
  const views::SecretView secret{site.fresh};
  const auto type = secret.type();
  if (type == "kubernetes.io/tls") {
    check_required_keys(problems, site, {"tls.crt", "tls.key"});
  } else if (type == "kubernetes.io/ssh-auth") {
    check_required_keys(problems, site, {"ssh-privatekey"});
  } else if (type == "kubernetes.io/dockerconfigjson") {
    check_docker_config(problems, site, ".dockerconfigjson");
  } else if (type == "kubernetes.io/dockercfg") {
    check_docker_config(problems, site, ".dockercfg");
  } else if (type == "kubernetes.io/basic-auth") {
    if (!secret.data().contains("username") && !secret.data().contains("password")) {
      check_required_keys(problems, site, {"username", "password"});
    }
  } else if (type == "kubernetes.io/service-account-token") {
    constexpr std::string_view kOwner = "kubernetes.io/service-account.name";
    if (secret.metadata().annotations().find(kOwner).empty()) {
      problems.required(key_path(site.at("metadata.annotations"), kOwner));
    }
  }
}

}  // namespace

void check_config_map(Problems& problems, const Site& site) {
  const views::ConfigMapView map{site.fresh};
  check_keys(problems, site, "data");
  check_keys(problems, site, "binaryData");
  std::size_t bytes = 0;
  for (const auto& [key, value] : map.data()) {
    bytes += value.size();
    if (map.binary_data().contains(key)) {
      problems.invalid(
          key_path(site.at("data"), key), key, "duplicate of key present in binaryData");
    }
  }
  for (const auto& [key, value] : map.binary_data()) {
    bytes += decoded_size(value);
  }
  if (bytes > kBytesMax) {
    problems.too_long(site.at("data"), kBytesMax);
  }
  check_frozen(problems, site, {"data", "binaryData"});
}

void check_secret(Problems& problems, const Site& site) {
  check_keys(problems, site, "data");
  std::size_t bytes = 0;
  for (const auto member : site.fresh["data"].members()) {
    bytes += decoded_size(member.value.string());
  }
  if (bytes > kBytesMax) {
    problems.too_long(site.at("data"), kBytesMax);
  }
  check_secret_type(problems, site);
  check_frozen(problems, site, {"data"});
}

}  // namespace tetrarch::schema
