// SPDX-License-Identifier: Apache-2.0
#include "app/image_archive.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/distribution/manifest.h"
#include "base/encoding.h"
#include "object/document.h"
#include "object/writer.h"
#include "trust/sha256.h"

namespace tetrarch::app {
namespace {

constexpr std::uint64_t kDocumentMax = 16 * 1024 * 1024;
constexpr std::size_t kPiece = 1024 * 1024;
constexpr int kDepthMax = 4;

Error missing(std::string_view name) {
  return {Code::invalid, fmt::format("{} is missing in the archive", name)};
}

Result<DocumentPtr> read_document(const TarIndex& archive, std::string_view name) {
  const auto* entry = archive.find(name);
  if (entry == nullptr) {
    return missing(name);
  }
  TRY(const auto text, archive.read(*entry, kDocumentMax));
  return Document::parse(text);
}

void add_blob(ArchivedImage& image, std::string_view digest, const TarIndex::Entry& where) {
  const auto is_same = [&](const ArchivedBlob& blob) { return blob.digest == digest; };
  if (std::none_of(image.blobs.begin(), image.blobs.end(), is_same)) {
    image.blobs.push_back({std::string(digest), where});
  }
}

std::string place_of(std::string_view digest) {
  const auto colon = digest.find(':');
  return fmt::format("blobs/{}/{}", digest.substr(0, colon), digest.substr(colon + 1));
}

/// Of an OCI layout: a manifest, or an index with its manifests before it. Manifests of an index
/// that are not in the archive (of other machines' kinds) are left out.
Status add_manifest(const TarIndex& archive,
                    const api::distribution::Descriptor& wanted,
                    ArchivedImage& image,
                    int depth) {
  const auto* entry = archive.find(place_of(wanted.digest));
  if (entry == nullptr || depth > kDepthMax) {
    return missing(wanted.digest);
  }
  TRY(auto content, archive.read(*entry, kDocumentMax));
  TRY(const auto manifest, api::distribution::parse_manifest(content, wanted.media_type));
  bool is_sparse = false;
  for (const auto& part : manifest.manifests) {
    if (archive.find(place_of(part.digest)) != nullptr) {
      TRY_STATUS(add_manifest(archive, part, image, depth + 1));
    } else {
      is_sparse = true;
    }
  }
  for (const auto& blob : manifest.blobs) {
    const auto* where = archive.find(place_of(blob.digest));
    if (where == nullptr) {
      return missing(blob.digest);
    }
    add_blob(image, blob.digest, *where);
  }
  image.manifests.push_back({wanted.digest, manifest.media_type, std::move(content), is_sparse});
  return ok();
}

/// Source: containerd, images/annotations.go; OCI image specification 1.1, annotations.
void add_names(object::View annotations, ArchivedImage& image) {
  const auto full = annotations["io.containerd.image.name"].string();
  const auto reference = annotations["org.opencontainers.image.ref.name"].string();
  if (!full.empty()) {
    image.names.emplace_back(full);
  } else if (reference.find_first_of(":/") != std::string_view::npos) {
    image.names.emplace_back(reference);  // else it is a tag alone
  }
}

Result<std::vector<ArchivedImage>> read_layout(const TarIndex& archive) {
  TRY(const auto index, read_document(archive, "index.json"));
  std::vector<ArchivedImage> out;
  for (const auto each : index->root()["manifests"].elements()) {
    ArchivedImage image;
    const api::distribution::Descriptor wanted{std::string(each["digest"].string()),
                                               std::string(each["mediaType"].string()),
                                               each["size"].integer()};
    TRY_STATUS(add_manifest(archive, wanted, image, 0));
    add_names(each["annotations"], image);
    const auto same = std::find_if(out.begin(), out.end(), [&](const ArchivedImage& other) {
      return other.manifests.back().digest == image.manifests.back().digest;
    });
    if (same != out.end()) {
      same->names.insert(same->names.end(), image.names.begin(), image.names.end());
    } else {
      out.push_back(std::move(image));
    }
  }
  return out;
}

struct Hashed {
  std::string digest;
  bool is_gzip = false;
};

Result<Hashed> hash(const TarIndex& archive, const TarIndex::Entry& entry) {
  trust::Sha256 sum;
  Hashed out;
  bool is_first = true;
  TRY_STATUS(archive.read_pieces(entry, kPiece, [&](const std::string& piece) {
    out.is_gzip = is_first ? piece.starts_with("\x1f\x8b") : out.is_gzip;
    is_first = false;
    sum.update(piece);
    return ok();
  }));
  out.digest = "sha256:" + hex_encode(sum.finish());
  return out;
}

void describe(object::Writer& writer,
              std::string_view type,
              std::string_view digest,
              std::uint64_t size) {
  writer.begin_object().field("mediaType", type).field("size", static_cast<std::int64_t>(size));
  writer.field("digest", digest).end_object();
}

/// `docker save` has no manifest that a registry would take: it is made here, of Docker's types.
Result<ArchivedImage> read_saved(const TarIndex& archive, object::View saved) {
  constexpr std::string_view kType = "application/vnd.docker.distribution.manifest.v2+json";
  ArchivedImage out;
  for (const auto name : saved["RepoTags"].elements()) {
    out.names.emplace_back(name.string());
  }
  std::string content;
  object::Writer writer(content);
  writer.begin_object().field("schemaVersion", 2).field("mediaType", kType);
  const auto add = [&](std::string_view name, bool is_layer) -> Status {
    const auto* entry = archive.find(name);
    if (entry == nullptr) {
      return missing(name);
    }
    TRY(const auto hashed, hash(archive, *entry));
    describe(writer,
             !is_layer        ? "application/vnd.docker.container.image.v1+json"
             : hashed.is_gzip ? "application/vnd.docker.image.rootfs.diff.tar.gzip"
                              : "application/vnd.docker.image.rootfs.diff.tar",
             hashed.digest,
             entry->size);
    add_blob(out, hashed.digest, *entry);
    return ok();
  };
  writer.key("config");
  TRY_STATUS(add(saved["Config"].string(), false));
  writer.key("layers").begin_array();
  for (const auto layer : saved["Layers"].elements()) {
    TRY_STATUS(add(layer.string(), true));
  }
  writer.end_array().end_object();
  out.manifests.push_back(
      {"sha256:" + trust::sha256_hex(content), std::string(kType), std::move(content)});
  return out;
}

}  // namespace

Result<std::vector<ArchivedImage>> read_image_archive(const TarIndex& archive) {
  std::vector<ArchivedImage> out;
  if (archive.find("index.json") != nullptr) {
    TRY(out, read_layout(archive));
  } else if (archive.find("manifest.json") != nullptr) {
    TRY(const auto list, read_document(archive, "manifest.json"));
    for (const auto saved : list->root().elements()) {
      TRY(auto image, read_saved(archive, saved));
      out.push_back(std::move(image));
    }
  } else {
    return Error{Code::invalid, "it is no image: neither index.json nor manifest.json is in it"};
  }
  if (out.empty()) {
    return Error{Code::invalid, "there is no image in it"};
  }
  return out;
}

}  // namespace tetrarch::app
