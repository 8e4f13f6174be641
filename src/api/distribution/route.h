// SPDX-License-Identifier: Apache-2.0
// Which endpoint of the distribution API a path means. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tetrarch::api::distribution {

enum class Endpoint : unsigned char {
  none,      ///< no path of this API
  base,      ///< /v2/
  catalog,   ///< /v2/_catalog
  tags,      ///< /v2/<name>/tags/list
  manifest,  ///< /v2/<name>/manifests/<reference>
  blob,      ///< /v2/<name>/blobs/<digest>
  uploads,   ///< /v2/<name>/blobs/uploads/
  upload,    ///< /v2/<name>/blobs/uploads/<id>
};

struct Route {
  Endpoint endpoint = Endpoint::none;
  std::string path = {};  ///< of the repository, as written
  std::string rest = {};  ///< reference, digest or id
};

/// Whether it is ours at all.
bool is_distribution_path(std::string_view path);
/// `path` without its query, percent-encoded (nothing that is allowed needs to be).
Route find_route(std::string_view path);

}  // namespace tetrarch::api::distribution
