// SPDX-License-Identifier: Apache-2.0
#include "agent/volumes.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace tetrarch::agent {
namespace {

constexpr int kDefaultMode = 0644;

/// A ConfigMap or Secret as one source: its object, its `items` and `optional`.
struct KeyedSource {
  DocumentPtr document;
  std::string_view what;  ///< "configmap" or "secret"
  std::string_view name;
  object::View items;
  bool is_optional = false;
  int mode = kDefaultMode;
};

std::optional<std::string> value_of_key(const KeyedSource& source, std::string_view key) {
  const auto root = source.document->root();
  const bool is_secret = source.what == "secret";
  const auto plain = root["data"][key];
  if (plain.exists() && !is_secret) {
    return std::string(plain.string());
  }
  const auto encoded = is_secret ? plain : root["binaryData"][key];
  if (!encoded.exists()) {
    return std::nullopt;
  }
  auto decoded = base64_decode(encoded.string());
  return decoded.ok() ? std::optional(std::move(*decoded)) : std::nullopt;
}

void add_every_key(Payload& out, const KeyedSource& source) {
  for (const char* member : {"data", "binaryData"}) {
    for (const auto [key, value] : source.document->root()[member].members()) {
      if (auto bytes = value_of_key(source, key)) {
        out[std::string(key)] = {std::move(*bytes), source.mode};
      }
    }
  }
}

Status add_keyed(Payload& out, const KeyedSource& source) {
  if (source.document == nullptr) {
    if (source.is_optional) {
      return ok();
    }
    return Error{Code::not_found, fmt::format("{} \"{}\" not found", source.what, source.name)};
  }
  if (source.items.size() == 0) {
    add_every_key(out, source);
    return ok();
  }
  for (const auto item : source.items.elements()) {
    const auto key = item["key"].string();
    const auto path = item["path"].string();
    auto bytes = value_of_key(source, key);
    if (!bytes) {
      if (source.is_optional) {
        continue;
      }
      return Error{Code::not_found,
                   fmt::format("references non-existent {} key: {}",
                               source.what == "secret" ? "secret" : "config",
                               key)};
    }
    if (!is_inner_path(path)) {
      return Error{Code::invalid, fmt::format("path \"{}\" leaves the volume", path)};
    }
    const int mode = item["mode"].exists() ? static_cast<int>(item["mode"].integer()) : source.mode;
    out[std::string(path)] = {std::move(*bytes), mode};
  }
  return ok();
}

Status add_downward(
    Payload& out, views::PodView pod, object::View items, int mode, const PodFacts& facts) {
  for (const auto item : items.elements()) {
    const views::DownwardAPIVolumeFileView file(item);
    if (!is_inner_path(file.path())) {
      return Error{Code::invalid, fmt::format("path \"{}\" leaves the volume", file.path())};
    }
    std::string bytes;
    if (file.has_field_ref()) {
      TRY(bytes, field_value(pod, facts, file.field_ref().field_path()));
    } else {
      TRY(bytes, resource_value(pod, facts, file.resource_field_ref(), ""));
    }
    out[std::string(file.path())] = {std::move(bytes),
                                     item["mode"].exists() ? static_cast<int>(file.mode()) : mode};
  }
  return ok();
}

int mode_of(object::View source) {
  const auto mode = source["defaultMode"];
  return mode.exists() ? static_cast<int>(mode.integer()) : kDefaultMode;
}

TokenWish wish_of(object::View source) {
  return {std::string(source["audience"].string()), source["expirationSeconds"].integer(3600)};
}

Status add_token(Payload& out, object::View source, int mode, const PayloadSources& sources) {
  const auto path = source["path"].string();
  if (!is_inner_path(path)) {
    return Error{Code::invalid, fmt::format("path \"{}\" leaves the volume", path)};
  }
  auto token = sources.token(wish_of(source));
  if (!token) {
    return Error{Code::unavailable, "the service account token has not been issued yet"};
  }
  out[std::string(path)] = {std::move(*token), mode};
  return ok();
}

Status add_projection(Payload& out,
                      views::PodView pod,
                      object::View source,
                      int mode,
                      const PayloadSources& sources) {
  const auto ns = pod.metadata().namespace_();
  if (const auto map = source["configMap"]) {
    const auto name = map["name"].string();
    return add_keyed(out,
                     {sources.objects.config_map(ns, name),
                      "configmap",
                      name,
                      map["items"],
                      map["optional"].boolean(),
                      mode});
  }
  if (const auto secret = source["secret"]) {
    const auto name = secret["name"].string();
    return add_keyed(out,
                     {sources.objects.secret(ns, name),
                      "secret",
                      name,
                      secret["items"],
                      secret["optional"].boolean(),
                      mode});
  }
  if (const auto downward = source["downwardAPI"]) {
    return add_downward(out, pod, downward["items"], mode, sources.facts);
  }
  if (const auto token = source["serviceAccountToken"]) {
    return add_token(out, token, mode, sources);
  }
  return Error{Code::unimplemented,
               "a projected source other than configMap, secret, downwardAPI and "
               "serviceAccountToken is not supported"};
}

}  // namespace

VolumeKind kind_of(views::VolumeView volume) {
  if (volume.has_config_map() || volume.has_secret() || volume.has_downward_api() ||
      volume.has_projected()) {
    return VolumeKind::payload;
  }
  if (volume.has_host_path()) {
    return VolumeKind::host_path;
  }
  // Source: Kubernetes API, Volume: one without a source is an emptyDir.
  return volume.has_empty_dir() || volume.view().size() <= 1 ? VolumeKind::empty_dir
                                                             : VolumeKind::unsupported;
}

bool is_kept_in_memory(views::VolumeView volume) {
  return kind_of(volume) == VolumeKind::payload ? !volume.has_config_map()
                                                : volume.empty_dir().medium() == "Memory";
}

std::vector<TokenWish> token_wishes(views::PodView pod) {
  std::vector<TokenWish> out;
  for (const auto volume : pod.spec().volumes()) {
    for (const auto source : volume.projected().view()["sources"].elements()) {
      if (const auto token = source["serviceAccountToken"]) {
        out.push_back(wish_of(token));
      }
    }
  }
  return out;
}

Result<Payload> payload_of(views::PodView pod,
                           views::VolumeView volume,
                           const PayloadSources& sources) {
  Payload out;
  const auto ns = pod.metadata().namespace_();
  const auto view = volume.view();
  if (const auto map = view["configMap"]) {
    const auto name = map["name"].string();
    TRY_STATUS(add_keyed(out,
                         {sources.objects.config_map(ns, name),
                          "configmap",
                          name,
                          map["items"],
                          map["optional"].boolean(),
                          mode_of(map)}));
  } else if (const auto secret = view["secret"]) {
    const auto name = secret["secretName"].string();
    TRY_STATUS(add_keyed(out,
                         {sources.objects.secret(ns, name),
                          "secret",
                          name,
                          secret["items"],
                          secret["optional"].boolean(),
                          mode_of(secret)}));
  } else if (const auto downward = view["downwardAPI"]) {
    TRY_STATUS(add_downward(out, pod, downward["items"], mode_of(downward), sources.facts));
  } else {
    const auto projected = view["projected"];
    for (const auto source : projected["sources"].elements()) {
      TRY_STATUS(add_projection(out, pod, source, mode_of(projected), sources));
    }
  }
  return out;
}

bool is_inner_path(std::string_view path) {
  if (path.empty() || path.starts_with('/')) {
    return false;
  }
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (path.substr(0, slash) == "..") {
      return false;
    }
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return true;
}

}  // namespace tetrarch::agent
