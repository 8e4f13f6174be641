// SPDX-License-Identifier: Apache-2.0
// The cluster's image registry as the commands use it: push an archive's images, remove a tag.
#pragma once

#include <string>

#include "api/distribution/names.h"
#include "app/connect.h"
#include "app/image_archive.h"

namespace tetrarch::app {

class ImageRegistry {
 public:
  explicit ImageRegistry(Connection& connection) : connection_(connection) {}

  /// Says what it does on stdout. The digest of what was pushed.
  Result<std::string> push(const TarIndex& archive,
                           const ArchivedImage& image,
                           const api::distribution::Reference& name);
  Status remove(const api::distribution::Reference& name);

 private:
  using Reference = api::distribution::Reference;

  Result<net::Response> ask(net::ClientRequest request, int expected);
  Result<bool> has_blob(const Reference& name, const std::string& digest);
  Status push_blob(const TarIndex& archive, const ArchivedBlob& blob, const Reference& name);
  Status push_manifest(const ArchivedManifest& manifest,
                       const Reference& name,
                       const std::string& reference);

  Connection& connection_;
};

}  // namespace tetrarch::app
