// SPDX-License-Identifier: Apache-2.0
// What volumes contain: from configMap, secret, downwardAPI and projected sources to files. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/env.h"

namespace tetrarch::agent {

struct VolumeFile {
  std::string bytes;
  int mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};

/// Relative path -> file.
using Payload = std::map<std::string, VolumeFile>;

/// A token that a projected volume asks for.
struct TokenWish {
  std::string audience = {};
  std::int64_t expiration_seconds = 3600;
  auto operator<=>(const TokenWish&) const = default;
};

/// Where payloads find their parts; `token` answers empty where none has been issued yet.
struct PayloadSources {
  const Sources& objects;
  const PodFacts& facts;
  std::function<std::optional<std::string>(const TokenWish&)> token;
};

enum class VolumeKind : std::uint8_t { payload, empty_dir, host_path, unsupported };
VolumeKind kind_of(views::VolumeView volume);
/// Whether its files are in memory only: an emptyDir that asks for it, and all payloads but a plain
/// configMap, which hides nothing. Source: kubelet, whose secret, projected and downwardAPI volumes
/// wrap an emptyDir of medium Memory.
bool is_kept_in_memory(views::VolumeView volume);

/// The tokens that the pod's volumes need.
std::vector<TokenWish> token_wishes(views::PodView pod);

/// Errors are the text of a FailedMount event: `configmap "x" not found` …
Result<Payload> payload_of(views::PodView pod,
                           views::VolumeView volume,
                           const PayloadSources& sources);

/// Relative, without "..", not empty: a key's path inside a volume or a subPath.
bool is_inner_path(std::string_view path);

}  // namespace tetrarch::agent
