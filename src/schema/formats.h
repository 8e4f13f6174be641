// SPDX-License-Identifier: Apache-2.0
// Checks of single strings that a table names with format=…; each answers with what is wrong,
// empty: nothing. Internal to the room.
#pragma once

#include <cstdint>
#include <string_view>

#include "object/names.h"

namespace tetrarch::schema {

using object::Faults;

/// dns-label, dns-subdomain, dns-1035-label, path-segment, port-name, env-name, label-key,
/// config-key, ip. A format that is not known has no faults (a test knows them all).
Faults format_faults(std::string_view format, std::string_view text);
bool is_known_format(std::string_view format);

Faults ip_faults(std::string_view text);
Faults port_name_faults(std::string_view text);
Faults config_key_faults(std::string_view text);
/// Of a port number: 1 to 65535.
Faults port_number_faults(std::int64_t port);
/// "25%": digits and a percent sign.
Faults percent_faults(std::string_view text);

}  // namespace tetrarch::schema
