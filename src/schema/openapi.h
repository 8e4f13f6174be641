// SPDX-License-Identifier: Apache-2.0
// OpenAPI descriptions of everything in a catalog, as kubectl and client-go read them: for apply
// (merge keys), explain, client-side validation (1.24 and older) and the question whether PATCH
// knows fieldValidation (1.25 and newer). Built at every call: hundreds of kilobytes that callers
// keep.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "object/document.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

/// What another server says of its API, as Swagger 2.0: only what is below `root` is its to say.
struct ForeignApi {
  std::string root;  ///< /apis/example.com/v1
  DocumentPtr document;
};

/// Swagger 2.0, served at /openapi/v2.
std::string openapi_v2_json(const Catalog& catalog, const std::vector<ForeignApi>& others = {});
/// The same as application/com.github.proto-openapi.spec.v2@v1.0+protobuf, the only form that
/// kubectl 1.20 reads.
std::string openapi_v2_protobuf(const Catalog& catalog, const std::vector<ForeignApi>& others = {});
/// OpenAPI 3.0 of one group and version ("" is the core group), served at
/// /openapi/v3/apis/<group>/<version>. Empty: there are no kinds in it.
std::string openapi_v3(const Catalog& catalog, std::string_view group, std::string_view version);

}  // namespace tetrarch::schema
