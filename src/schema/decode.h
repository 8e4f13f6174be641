// SPDX-License-Identifier: Apache-2.0
// From bytes of a client to a canonical object: one pass over the JSON, guided by the schema, that
// checks types, drops (or refuses, or warns of) unknown and duplicate fields, and writes defaults.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "object/document.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

enum class Unknown : std::uint8_t { ignore, warn, refuse };

struct Decoded {
  DocumentPtr document;  ///< canonical, defaulted, without metadata.resourceVersion; first members
                         ///< are kind, apiVersion and metadata
  std::string resource_version;       ///< what the body said in metadata.resourceVersion
  std::vector<std::string> warnings;  ///< texts for Warning headers
};

/// Errors: Code::malformed with the message that Kubernetes prints for unreadable JSON, a wrong
/// type, a wrong kind or apiVersion, or (under refuse) `strict decoding error: unknown field
/// "spec.foo"`.
Result<Decoded> decode(const Kind& kind, std::string_view json, Unknown unknown);

/// Structural validation: required, immutable (against `old`, absent on create), ranges, choices,
/// formats, list-map uniqueness. Empty: valid. Rules of a kind that a table cannot say are in
/// registry.
std::vector<FieldError> validate(const Kind& kind, object::View fresh, object::View old);

}  // namespace tetrarch::schema
