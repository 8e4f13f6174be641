// SPDX-License-Identifier: Apache-2.0
// Query parameters and DeleteOptions bodies, read strictly into the options of the registry.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/client.h"
#include "net/http.h"
#include "registry/registry.h"

namespace tetrarch::api::kubernetes {

/// What list, watch and deletecollection take.
struct ListParameters {
  registry::ListOptions list = {};
  bool is_watch = false;
  bool wants_bookmarks = false;
  std::optional<bool> sends_initial_events = {};  ///< as in registry::WatchOptions
  std::optional<std::int64_t> timeout_s = {};
};

struct WriteParameters {
  client::WriteOptions options = {};
  registry::FieldValidation field_validation = registry::FieldValidation::warn;
};

enum class IncludeObject : std::uint8_t { none, metadata, object };

/// Errors: Code::malformed for a value of the wrong type, Code::invalid with fields for one that is
/// not allowed.
Result<ListParameters> list_parameters(const net::Request& request);
/// `options` is the name of the list of parameters, as messages have it.
Result<WriteParameters> write_parameters(const net::Request& request,
                                         std::string_view options = "CreateOptions");
/// The same, and what only patches have.
Result<WriteParameters> patch_parameters(const net::Request& request, client::PatchType type);
/// What of a user agent can be the name of a manager.
std::string printable_manager(std::string_view agent);
/// The query and, where there is one, the body; the body wins.
Result<client::DeleteOptions> delete_parameters(const net::Request& request);
Result<IncludeObject> include_object(const net::Request& request);

/// Kubernetes' clients say no by leaving it out, "false" or "0"; whatever else is there says yes,
/// `?watch` alone, too.
bool bool_parameter(const net::Request& request, std::string_view name);
Result<std::optional<std::int64_t>> int_parameter(const net::Request& request,
                                                  std::string_view name);
std::string text_parameter(const net::Request& request, std::string_view name);

}  // namespace tetrarch::api::kubernetes
