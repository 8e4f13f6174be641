// SPDX-License-Identifier: Apache-2.0
// What a manifest names: blobs, or other manifests. OCI and Docker's schema 2, images and indexes.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::api::distribution {

struct Descriptor {
  std::string digest;
  std::string media_type;
  std::int64_t size_bytes = 0;
};

struct Manifest {
  std::string media_type;
  std::vector<Descriptor> blobs = {};      ///< configuration and layers that a registry keeps
  std::vector<Descriptor> manifests = {};  ///< of an index
};

/// `content_type` is what came with it; where the manifest says what it is too, the two agree.
/// Code::invalid: why it is none that we keep.
Result<Manifest> parse_manifest(std::string_view content, std::string_view content_type);

}  // namespace tetrarch::api::distribution
