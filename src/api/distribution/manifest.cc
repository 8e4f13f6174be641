// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/manifest.h"

#include <array>

#include <fmt/format.h>

#include "api/distribution/names.h"
#include "object/document.h"

namespace tetrarch::api::distribution {
namespace {

struct Type {
  std::string_view name;
  bool is_index;
};

// Source: OCI image specification 1.1, media types; Docker "Image Manifest V 2, Schema 2".
constexpr auto kTypes = std::to_array<Type>({
    {"application/vnd.oci.image.manifest.v1+json", false},
    {"application/vnd.oci.image.index.v1+json", true},
    {"application/vnd.docker.distribution.manifest.v2+json", false},
    {"application/vnd.docker.distribution.manifest.list.v2+json", true},
});

constexpr std::size_t kPartsMax = 10'000;

Error invalid(std::string message) {
  return {Code::invalid, std::move(message)};
}

const Type* find_type(std::string_view name) {
  for (const auto& type : kTypes) {
    if (type.name == name) {
      return &type;
    }
  }
  return nullptr;
}

/// Layers that may be fetched from elsewhere only are not pushed.
bool is_foreign(object::View descriptor) {
  const auto type = descriptor["mediaType"].string();
  return type.find("nondistributable") != std::string_view::npos ||
         type.find(".foreign.") != std::string_view::npos;
}

Status add(std::vector<Descriptor>& out, object::View from, std::string_view what) {
  if (!from.is_object() || !is_digest(from["digest"].string())) {
    return invalid(fmt::format("{} has no digest that is sha256: and 64 hexadecimal digits", what));
  }
  const auto size = from["size"].integer(-1);
  if (size < 0) {
    return invalid(fmt::format("{} has no size", what));
  }
  out.push_back(
      {std::string(from["digest"].string()), std::string(from["mediaType"].string()), size});
  return ok();
}

Status add_all(std::vector<Descriptor>& out, object::View from, std::string_view what) {
  if (!from.is_array() || from.size() > kPartsMax) {
    return invalid(fmt::format("it has no list of {}s, or one that is too long", what));
  }
  for (const auto each : from.elements()) {
    if (!is_foreign(each)) {
      TRY_STATUS(add(out, each, what));
    }
  }
  return ok();
}

/// "application/json; charset=utf-8" is "application/json".
std::string_view bare_type(std::string_view text) {
  text = text.substr(0, text.find(';'));
  while (text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  return text;
}

Result<const Type*> type_of(object::View root, std::string_view content_type) {
  const auto inside = root["mediaType"].string();
  const auto given = bare_type(content_type);
  const auto* type = find_type(inside.empty() ? given : inside);
  if (type == nullptr) {
    return invalid(fmt::format("\"{}\" is no type of manifest that is kept here",
                               inside.empty() ? given : inside));
  }
  if (!inside.empty() && find_type(given) != nullptr && inside != given) {
    return invalid(fmt::format("it says that it is {}, and came as {}", inside, given));
  }
  return type;
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view content, std::string_view content_type) {
  const auto parsed = object::Document::parse(content);
  if (!parsed.ok() || !(*parsed)->root().is_object()) {
    return invalid("it is no JSON object");
  }
  const auto root = (*parsed)->root();
  TRY(const auto* type, type_of(root, content_type));
  if (root["schemaVersion"].integer() != 2) {
    return invalid("its schemaVersion is not 2");
  }
  Manifest out;
  out.media_type = type->name;
  if (type->is_index) {
    TRY_STATUS(add_all(out.manifests, root["manifests"], "manifest"));
    return out;
  }
  TRY_STATUS(add(out.blobs, root["config"], "the configuration"));
  TRY_STATUS(add_all(out.blobs, root["layers"], "layer"));
  return out;
}

}  // namespace tetrarch::api::distribution
