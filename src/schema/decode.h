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

/// The same without defaults: what the client said and nothing else (an applied configuration).
Result<Decoded> decode_as_given(const Kind& kind, std::string_view json, Unknown unknown);

/// What is wrong with an object, field by field, in the words of Kubernetes; empty: nothing. Both
/// views are canonical (decoded) objects of this kind; `old` is absent on create and what is stored
/// on update. Checked: what the tables say (required, ranges, choices, formats, immutable) and the
/// rules of src/schema/rules.h, pod updates included; so do not call it, with `old`, before
/// server-given fields (uid, creationTimestamp, cluster IPs) are carried over. A generateName has
/// become a name before. `part`: the subresource through which the change comes; what only an
/// update of the object itself may not change is then not looked at.
std::vector<FieldError> validate(const Kind& kind,
                                 object::View fresh,
                                 object::View old,
                                 std::string_view part = {});

}  // namespace tetrarch::schema
