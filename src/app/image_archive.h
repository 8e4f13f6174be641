// SPDX-License-Identifier: Apache-2.0
// The images of an archive, as they are pushed: of `docker save` (manifest.json) or an OCI image
// layout (index.json).
#pragma once

#include <string>
#include <vector>

#include "app/tar_index.h"
#include "base/result.h"

namespace tetrarch::app {

struct ArchivedBlob {
  std::string digest;
  TarIndex::Entry where;
};

struct ArchivedManifest {
  std::string digest;
  std::string media_type;
  std::string content;
  bool is_sparse = false;  ///< an index, and manifests that it names are not in the archive
};

struct ArchivedImage {
  std::vector<std::string> names = {};  ///< as the archive has them; may be none
  std::vector<ArchivedBlob> blobs = {};
  std::vector<ArchivedManifest> manifests = {};  ///< those of an index before it; the last is all
};

/// Code::invalid: it holds no image, or parts of one are missing.
Result<std::vector<ArchivedImage>> read_image_archive(const TarIndex& archive);

}  // namespace tetrarch::app
