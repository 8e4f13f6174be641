// SPDX-License-Identifier: Apache-2.0
// What a plain scalar of YAML means. Private to this room.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace tetrarch::object {

struct YamlNull {};

/// Text that JSON cannot say (`.inf`, `.nan`).
struct YamlNoNumber {};

/// A monostate is text: it means itself.
using YamlScalar =
    std::variant<std::monostate, YamlNull, bool, std::int64_t, std::uint64_t, double, YamlNoNumber>;

/// Source: gopkg.in/yaml.v2 (which sigs.k8s.io/yaml carries), resolve.go, as it behaves: YAML 1.1.
YamlScalar resolve_yaml(std::string_view text);

}  // namespace tetrarch::object
