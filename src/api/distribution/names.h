// SPDX-License-Identifier: Apache-2.0
// Names of the registry: repositories as users write them, tags, digests; and the names of the
// objects that stand for them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::api::distribution {

inline constexpr std::string_view kImages = "images.images.tetrarch.dev";
inline constexpr std::string_view kManifests = "imagemanifests.images.tetrarch.dev";
inline constexpr std::string_view kBlobs = "imageblobs.images.tetrarch.dev";
inline constexpr std::string_view kApiVersion = "images.tetrarch.dev/v1";
/// An annotation: see reconcile/image_store.h.
inline constexpr std::string_view kUnusedSince = "images.tetrarch.dev/unused-since";
/// With PUT of an index: "true" where manifests that it names will not come. It is taken all the
/// same.
inline constexpr std::string_view kSparseHeader = "Tetrarch-Sparse-Index";

/// Components parted by '/', as the distribution specification has them.
bool is_repository_path(std::string_view path);
bool is_tag(std::string_view text);
/// "sha256:" and 64 lower-case hexadecimal digits.
bool is_digest(std::string_view text);

/// The repository that a path of /v2/ means. `ns` is the registry that a client was asked for where
/// it comes to us as a mirror (empty: none); `own` are names of this registry itself. What is of
/// Docker Hub, of ourselves or of no registry at all is one name: "app", "library/app" and
/// "docker.io/library/app" are the same.
std::string repository_of(std::string_view path,
                          std::string_view ns,
                          const std::vector<std::string>& own);

/// What `docker pull` takes: [HOST[:PORT]/]PATH[:TAG][@DIGEST].
struct Reference {
  std::string host = {};  ///< as written; empty: none
  std::string path;
  std::string tag = {};  ///< "latest" where there is neither tag nor digest
  std::string digest = {};
};

Result<Reference> parse_reference(std::string_view text);

// Names of objects.
std::string image_name(std::string_view repository, std::string_view tag);
std::string manifest_name(std::string_view repository, std::string_view digest);
std::string blob_name(std::string_view digest);

}  // namespace tetrarch::api::distribution
