// SPDX-License-Identifier: Apache-2.0
// C++ names of what the schema tables name.
#pragma once

#include <string>
#include <string_view>

namespace tetrarch::schema_views {

/// podIPs -> pod_ips, nodeName -> node_name; a C++ keyword gets a trailing underscore.
std::string accessor_name(std::string_view json_name);

}  // namespace tetrarch::schema_views
