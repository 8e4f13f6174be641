// SPDX-License-Identifier: Apache-2.0
// Bodies in Kubernetes' protobuf form, which kubectl 1.35 sends for kinds that it knows: turned
// into the JSON that the same client would have sent, for decode() to judge.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

/// `body` is anything a client may send. The JSON has kind and apiVersion first. Numbers that the
/// tables do not know are passed over. Errors: Code::malformed.
Result<std::string> json_of_protobuf(const Catalog& catalog, std::string_view body);

}  // namespace tetrarch::schema
