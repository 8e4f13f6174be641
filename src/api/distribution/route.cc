// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/route.h"

#include <array>

namespace tetrarch::api::distribution {
namespace {

constexpr std::string_view kBase = "/v2/";

struct Row {
  std::string_view middle;  ///< between the repository and the rest
  Endpoint with_rest;
  Endpoint without_rest;
};

// The longer before the shorter. Source: OCI distribution specification 1.1, "Endpoints".
constexpr auto kRows = std::to_array<Row>({
    {"/blobs/uploads/", Endpoint::upload, Endpoint::uploads},
    {"/manifests/", Endpoint::manifest, Endpoint::none},
    {"/blobs/", Endpoint::blob, Endpoint::none},
});

}  // namespace

bool is_distribution_path(std::string_view path) {
  return path == "/v2" || path.starts_with(kBase);
}

Route find_route(std::string_view path) {
  if (path == "/v2" || path == kBase) {
    return {Endpoint::base};
  }
  if (!path.starts_with(kBase)) {
    return {};
  }
  path.remove_prefix(kBase.size());
  if (path == "_catalog") {
    return {Endpoint::catalog};
  }
  constexpr std::string_view kTags = "/tags/list";
  if (path.ends_with(kTags)) {
    return {Endpoint::tags, std::string(path.substr(0, path.size() - kTags.size()))};
  }
  constexpr std::string_view kUploads = "/blobs/uploads";
  if (path.ends_with(kUploads)) {
    return {Endpoint::uploads, std::string(path.substr(0, path.size() - kUploads.size()))};
  }
  for (const auto& row : kRows) {
    const auto at = path.rfind(row.middle);
    if (at == std::string_view::npos) {
      continue;
    }
    const auto rest = path.substr(at + row.middle.size());
    return {rest.empty() ? row.without_rest : row.with_rest,
            std::string(path.substr(0, at)),
            std::string(rest)};
  }
  return {};
}

}  // namespace tetrarch::api::distribution
