// SPDX-License-Identifier: Apache-2.0
#include "app/image_registry.h"

#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

#include "base/encoding.h"
#include "object/document.h"

namespace tetrarch::app {
namespace {

constexpr std::size_t kPiece = 4 * 1024 * 1024;

/// A path of the registry for what the name means.
std::string target(const api::distribution::Reference& name, std::string_view rest) {
  return fmt::format(
      "/v2/{}/{}{}", name.path, rest, name.host.empty() ? "" : "?ns=" + percent_encode(name.host));
}

std::string with_parameter(std::string location, std::string_view parameter) {
  location += location.find('?') == std::string::npos ? '?' : '&';
  return location.append(parameter);
}

Error refusal_of(const net::Response& answer) {
  const auto body = Document::parse(answer.body);
  const auto first = body.ok() ? (*body)->root()["errors"].at(0) : object::View();
  return {Code::unavailable,
          fmt::format("the registry answers {}: {}",
                      answer.status,
                      first.exists() ? first["message"].string() : answer.body)};
}

/// "sha256:0123456789ab"
std::string_view brief(std::string_view digest) {
  return digest.substr(0, 19);
}

/// Rewrites its line on a terminal; elsewhere says nothing until the end.
void show_progress(const ArchivedBlob& blob, std::uint64_t done) {
  if (::isatty(STDOUT_FILENO) == 1) {
    fmt::print("\r{}  {:>3}%",
               brief(blob.digest),
               done * 100 / std::max<std::uint64_t>(blob.where.size, 1));
    std::fflush(stdout);
  }
}

void show_end(const ArchivedBlob& blob, std::string_view how) {
  const char* begin = ::isatty(STDOUT_FILENO) == 1 ? "\r" : "";
  fmt::print("{}{}  {:>12} bytes  {}\n", begin, brief(blob.digest), blob.where.size, how);
  std::fflush(stdout);
}

}  // namespace

Result<net::Response> ImageRegistry::ask(net::ClientRequest request, int expected) {
  TRY(auto answer, connection_.ask(std::move(request)));
  if (answer.status != expected) {
    return refusal_of(answer);
  }
  return answer;
}

Result<bool> ImageRegistry::has_blob(const Reference& name, const std::string& digest) {
  net::ClientRequest request{.method = "HEAD", .target = target(name, "blobs/" + digest)};
  TRY(const auto answer, connection_.ask(std::move(request)));
  if (answer.status != 200 && answer.status != 404) {
    return Error{Code::unavailable, fmt::format("the registry answers {}", answer.status)};
  }
  return answer.status == 200;
}

Status ImageRegistry::push_blob(const TarIndex& archive,
                                const ArchivedBlob& blob,
                                const Reference& name) {
  TRY(const bool is_there, has_blob(name, blob.digest));
  if (is_there) {
    show_end(blob, "is there already");
    return ok();
  }
  net::ClientRequest begin{.method = "POST", .target = target(name, "blobs/uploads/")};
  TRY(const auto begun, ask(std::move(begin), 202));
  std::string location(begun.headers.get("Location"));
  std::uint64_t done = 0;
  TRY_STATUS(archive.read_pieces(blob.where, kPiece, [&](std::string piece) -> Status {
    net::ClientRequest more{.method = "PATCH", .target = location};
    more.headers.add("Content-Type", "application/octet-stream");
    more.headers.add("Content-Range", fmt::format("{}-{}", done, done + piece.size() - 1));
    done += piece.size();
    more.body = std::move(piece);
    TRY(const auto taken, ask(std::move(more), 202));
    location = taken.headers.get("Location");
    show_progress(blob, done);
    return ok();
  }));
  net::ClientRequest end{
      .method = "PUT", .target = with_parameter(location, "digest=" + percent_encode(blob.digest))};
  TRY_STATUS(ask(std::move(end), 201));
  show_end(blob, "pushed");
  return ok();
}

Status ImageRegistry::push_manifest(const ArchivedManifest& manifest,
                                    const Reference& name,
                                    const std::string& reference) {
  net::ClientRequest request{.method = "PUT", .target = target(name, "manifests/" + reference)};
  request.headers.add("Content-Type", manifest.media_type);
  if (manifest.is_sparse) {
    request.headers.add(std::string(api::distribution::kSparseHeader), "true");
  }
  request.body = manifest.content;
  TRY_STATUS(ask(std::move(request), 201));
  return ok();
}

Result<std::string> ImageRegistry::push(const TarIndex& archive,
                                        const ArchivedImage& image,
                                        const Reference& name) {
  for (const auto& blob : image.blobs) {
    TRY_STATUS(push_blob(archive, blob, name));
  }
  for (const auto& manifest : image.manifests) {
    const bool is_last = &manifest == &image.manifests.back();
    TRY_STATUS(push_manifest(manifest, name, is_last ? name.tag : manifest.digest));
  }
  return image.manifests.back().digest;
}

Status ImageRegistry::remove(const Reference& name) {
  const auto& reference = name.digest.empty() ? name.tag : name.digest;
  net::ClientRequest request{.method = "DELETE", .target = target(name, "manifests/" + reference)};
  TRY_STATUS(ask(std::move(request), 202));
  return ok();
}

}  // namespace tetrarch::app
