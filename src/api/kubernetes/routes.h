// SPDX-License-Identifier: Apache-2.0
// The table of every path that this API serves, and the match of a request path against it.
// tools/tidy compares the table's rows with docs/protocols/kubernetes.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::api::kubernetes {

enum class Action : std::uint8_t {
  root,
  api_versions,
  api_groups,
  api_group,
  resource_list,
  version,
  health,
  metrics,
  openid_configuration,
  openid_keys,
  openapi_v2,
  openapi_v3_index,
  openapi_v3,
  collection,
  object,
  subresource,
  watch_collection,
  watch_object,
  log,
  exec,
  attach,
  portforward,
  proxy,
  join,
  feed,
  reach,
  backup,
  definitions,
  remote,
  remote_root,
};

struct Route {
  std::string_view methods;  ///< separated by spaces
  std::string_view path;     ///< `{x}` takes one segment
  Action action;
  bool allows(std::string_view method) const;
};

/// In order: the first row that fits a path serves it.
std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;
  std::string group = {};
  std::string version = {};
  std::string ns = {};
  std::string resource = {};
  std::string name = {};
  std::string subresource = {};
  std::string tail = {};  ///< of a proxied request: all behind `proxy`, as it was sent
  bool is_watch = false;  ///< of what another server serves: the old form of a watch
};

/// The segments of a path, decoded; empty ones are dropped. Code::malformed: an escape that cannot
/// be read, or that is not UTF-8.
Result<std::vector<std::string>> split_path(std::string_view path);

/// The row for a path, by its decoded segments (empty ones, as of a doubled or trailing slash, are
/// dropped); a null route: none. A path behind `…/proxy` is no concern of ours: it goes into `tail`
/// unread. Code::malformed: an escape that cannot be read, or that is not UTF-8.
Result<Match> match_path(std::string_view path);

}  // namespace tetrarch::api::kubernetes
