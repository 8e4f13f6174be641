// SPDX-License-Identifier: Apache-2.0
// Manifests: objects of the cluster. A tag is an Image that names one. Source: OCI distribution
// specification 1.1, "Pulling manifests", "Pushing manifests", "Deleting tags".
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "api/distribution/context.h"
#include "api/distribution/manifest.h"
#include "object/writer.h"
#include "trust/sha256.h"

namespace tetrarch::api::distribution {
namespace {

/// Source: the same: a registry takes manifests of at least 4 MB.
constexpr std::size_t kManifestMax = 4 * 1024 * 1024;
constexpr int kTriesMax = 4;

Key key_of(std::string_view resource, std::string name) {
  return {std::string(resource), "", std::move(name)};
}

/// Nothing: the tag or the digest is not known in this repository.
Task<Result<std::optional<Stored>>> find_manifest(Context& context) {
  std::string name;
  if (is_digest(context.route.rest)) {
    name = manifest_name(context.repository, context.route.rest);
  } else {
    auto tag = key_of(kImages, image_name(context.repository, context.route.rest));
    const auto image = co_await context.objects.get(std::move(tag));
    if (!image.ok() && image.error().code == Code::not_found) {
      co_return std::optional<Stored>();
    }
    if (!image.ok()) {
      co_return image.error();
    }
    name = image->root()["spec"]["manifest"].string();
  }
  auto key = key_of(kManifests, std::move(name));
  auto manifest = co_await context.objects.get(std::move(key));
  if (!manifest.ok() && manifest.error().code == Code::not_found) {
    co_return std::optional<Stored>();
  }
  if (!manifest.ok()) {
    co_return manifest.error();
  }
  co_return std::optional(*std::move(manifest));
}

Task<Status> refuse_unknown(Context& context) {
  co_return co_await refuse(
      context,
      kManifestUnknown,
      fmt::format("{} has no manifest {}", context.repository, context.route.rest));
}

Task<Status> get_manifest(Context& context) {
  CO_TRY(const auto manifest, co_await find_manifest(context));
  if (!manifest) {
    co_return co_await refuse_unknown(context);
  }
  CO_TRY_STATUS(co_await take_mark_off(context, *manifest));  // who asks may leave out a push
  const auto spec = manifest->root()["spec"];
  const auto content = spec["content"].string();
  auto headers = common_headers();
  headers.add("Content-Type", std::string(spec["mediaType"].string()));
  headers.add("Docker-Content-Digest", std::string(spec["digest"].string()));
  headers.add("ETag", fmt::format("\"{}\"", spec["digest"].string()));
  if (context.request.method == "HEAD") {
    headers.add("Content-Length", std::to_string(content.size()));
    CO_TRY_STATUS(co_await start(context, 200, std::move(headers)));
    co_return co_await context.exchange.finish();
  }
  auto text = std::string(content);
  co_return co_await answer(context, 200, std::move(headers), std::move(text));
}

/// Nothing: all are there. Else what a client is told.
Task<Result<std::string>> missing_blob(Context& context, const Manifest& manifest) {
  for (const auto& blob : manifest.blobs) {
    auto key = key_of(kBlobs, blob_name(blob.digest));
    const auto known = co_await context.objects.get(std::move(key));
    if (!known.ok() && known.error().code == Code::not_found) {
      auto words = fmt::format("the blob {} has not been pushed", blob.digest);
      co_return words;
    }
    if (!known.ok()) {
      co_return known.error();
    }
    const auto size = known->root()["spec"]["sizeBytes"].integer();
    if (size != blob.size_bytes) {
      auto words =
          fmt::format("the blob {} has {} bytes, not {}", blob.digest, size, blob.size_bytes);
      co_return words;
    }
    CO_TRY_STATUS(co_await take_mark_off(context, *known));
    const bool is_there = co_await is_given(context, *known);
    if (!is_there) {
      auto words =
          fmt::format("no machine that has the blob {} answers: push it again", blob.digest);
      co_return words;
    }
  }
  co_return std::string();
}

/// The same of an index. No tag leads to its manifests yet: each has its mark taken off.
Task<Result<std::string>> missing_manifest(Context& context, const Manifest& index) {
  const bool is_sparse = context.request.headers.get(kSparseHeader) == "true";
  std::string missing;
  for (const auto& part : index.manifests) {
    auto key = key_of(kManifests, manifest_name(context.repository, part.digest));
    const auto known = co_await context.objects.get(std::move(key));
    if (known.ok()) {
      CO_TRY_STATUS(co_await take_mark_off(context, *known));
    } else if (known.error().code != Code::not_found) {
      co_return known.error();
    } else if (!is_sparse) {
      missing = fmt::format("the manifest {} has not been pushed", part.digest);
    }
  }
  co_return missing;
}

void write_head(object::Writer& writer, std::string_view kind, std::string_view name) {
  writer.begin_object().field("apiVersion", kApiVersion).field("kind", kind);
  writer.key("metadata").begin_object().field("name", name).end_object();
  writer.key("spec").begin_object();
}

std::string manifest_object(const Context& context,
                            const Manifest& manifest,
                            std::string_view digest,
                            std::string_view content) {
  std::string out;
  object::Writer writer(out);
  write_head(writer, "ImageManifest", manifest_name(context.repository, digest));
  writer.key("blobs").begin_array();
  for (const auto& blob : manifest.blobs) {
    writer.begin_object().field("digest", blob.digest).field("mediaType", blob.media_type);
    writer.field("sizeBytes", blob.size_bytes).end_object();
  }
  writer.end_array().field("content", content).field("digest", digest);
  writer.key("manifests").begin_array();
  for (const auto& part : manifest.manifests) {
    writer.string(manifest_name(context.repository, part.digest));
  }
  writer.end_array().field("mediaType", manifest.media_type);
  writer.field("repository", context.repository).end_object().end_object();
  return out;
}

std::string image_object(const Context& context,
                         const Manifest& manifest,
                         std::string_view digest) {
  const auto size =
      std::accumulate(manifest.blobs.begin(),
                      manifest.blobs.end(),
                      std::int64_t{0},
                      [](auto sum, const auto& blob) { return sum + blob.size_bytes; });
  const auto& tag = context.route.rest;
  std::string out;
  object::Writer writer(out);
  write_head(writer, "Image", image_name(context.repository, tag));
  writer.field("digest", digest).field("manifest", manifest_name(context.repository, digest));
  writer.field("repository", context.repository).field("sizeBytes", size).field("tag", tag);
  writer.end_object().end_object();
  return out;
}

/// The last one who pushes a tag has it.
Task<Status> set_tag(Context& context, std::string digest, std::string object) {
  const auto document = Document::from_canonical(std::move(object));
  const auto key = key_of(kImages, image_name(context.repository, context.route.rest));
  Status last = ok();
  for (int tries = 0; tries < kTriesMax; ++tries) {
    client::WriteOptions options;
    const auto known = co_await context.objects.get(key);
    if (known.ok() && known->root()["spec"]["digest"].string() == digest) {
      co_return ok();
    }
    if (known.ok()) {
      options.expected = known->revision;
      const auto written = co_await context.objects.update(key, document, options);
      last = written.ok() ? ok() : Status(written.error());
    } else {
      const auto made =
          co_await context.objects.create(std::string(kImages), "", document, options);
      last = made.ok() ? ok() : Status(made.error());
    }
    if (last.ok()) {
      co_return last;
    }
  }
  co_return last;
}

Task<Status> put_manifest(Context& context) {
  const auto& reference = context.route.rest;
  if (!is_tag(reference) && !is_digest(reference)) {
    co_return co_await refuse(
        context, kTagInvalid, fmt::format("\"{}\" is neither a tag nor a digest", reference));
  }
  CO_TRY(const auto content, co_await read_whole(context, kManifestMax));
  const auto digest = "sha256:" + trust::sha256_hex(content);
  if (is_digest(reference) && reference != digest) {
    co_return co_await refuse(
        context, kDigestInvalid, fmt::format("the manifest is {}, not {}", digest, reference));
  }
  const auto manifest = parse_manifest(content, context.request.headers.get("Content-Type"));
  if (!manifest.ok()) {
    co_return co_await refuse(context, kManifestInvalid, manifest.error().message);
  }
  CO_TRY(auto missing, co_await missing_blob(context, *manifest));
  if (missing.empty()) {
    CO_TRY(missing, co_await missing_manifest(context, *manifest));
  }
  if (!missing.empty()) {
    co_return co_await refuse(context, kManifestBlobUnknown, std::move(missing));
  }
  auto object = manifest_object(context, *manifest, digest, content);
  auto key = key_of(kManifests, manifest_name(context.repository, digest));
  CO_TRY_STATUS(co_await keep_object(context, std::move(key), std::move(object)));
  if (!is_digest(reference)) {
    auto image = image_object(context, *manifest, digest);
    CO_TRY_STATUS(co_await set_tag(context, digest, std::move(image)));
  }
  auto headers = common_headers();
  headers.add("Location", location(context, fmt::format("manifests/{}", digest)));
  headers.add("Docker-Content-Digest", digest);
  co_return co_await answer(context, 201, std::move(headers), "");
}

/// One that somebody else has removed meanwhile is gone all the same.
Task<Status> remove_object(Context& context, Key key) {
  client::DeleteOptions options;
  const auto removed = co_await context.objects.remove(std::move(key), options);
  co_return removed.ok() || removed.error().code == Code::not_found ? ok()
                                                                    : Status(removed.error());
}

/// The manifest, and the tags that stand for it.
Task<Status> remove_manifest(Context& context, const Stored& manifest) {
  client::ListQuery query;
  query.resource = kImages;
  CO_TRY(const auto images, co_await context.objects.list(std::move(query)));
  for (const auto& image : images.items) {
    if (image.root()["spec"]["manifest"].string() == manifest.key.name) {
      CO_TRY_STATUS(co_await remove_object(context, image.key));
    }
  }
  co_return co_await remove_object(context, manifest.key);
}

Task<Status> delete_manifest(Context& context) {
  CO_TRY(const auto manifest, co_await find_manifest(context));
  if (!manifest) {
    co_return co_await refuse_unknown(context);
  }
  if (is_digest(context.route.rest)) {
    CO_TRY_STATUS(co_await remove_manifest(context, *manifest));
  } else {
    auto tag = key_of(kImages, image_name(context.repository, context.route.rest));
    CO_TRY_STATUS(co_await remove_object(context, std::move(tag)));
  }
  co_return co_await answer(context, 202, common_headers(), "");
}

}  // namespace

Task<Status> serve_manifest(Context& context) {
  const auto& method = context.request.method;
  if (method == "PUT") {
    co_return co_await put_manifest(context);
  }
  if (method == "DELETE") {
    co_return co_await delete_manifest(context);
  }
  if (method != "GET" && method != "HEAD") {
    co_return co_await refuse(context, kUnsupported, "manifests know GET, HEAD, PUT and DELETE");
  }
  co_return co_await get_manifest(context);
}

}  // namespace tetrarch::api::distribution
