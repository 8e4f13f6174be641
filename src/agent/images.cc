// SPDX-License-Identifier: Apache-2.0
#include "agent/images.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/encoding.h"

namespace tetrarch::agent {

std::string registry_of(std::string_view image) {
  // Source: distribution reference grammar: the first part is a host if it has a dot or a port or
  // is "localhost".
  const auto slash = image.find('/');
  if (slash == std::string_view::npos) {
    return "docker.io";
  }
  const auto first = image.substr(0, slash);
  const bool is_host = first.find_first_of(".:") != std::string_view::npos || first == "localhost";
  return is_host ? std::string(first) : "docker.io";
}

namespace {

/// The host of a URL, or of what docker writes for one.
std::string_view host_of(std::string_view url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    url = url.starts_with(scheme) ? url.substr(scheme.size()) : url;
  }
  return url.substr(0, url.find('/'));
}

/// Of the member `auths`; nothing: it has no login of that registry.
object::View entry_of(object::View config, std::string_view registry) {
  for (const auto [host, entry] : config["auths"].members()) {
    const auto name = host_of(host);
    const bool is_hub =
        registry == "docker.io" && (name == "index.docker.io" || name == "registry-1.docker.io");
    if (name == registry || is_hub) {
      return entry;
    }
  }
  return {};
}

std::string read_logins(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

std::optional<runtime::RegistryLogin> login_for(std::string_view image,
                                                std::string_view docker_config_json) {
  const auto config = Document::parse(docker_config_json);
  const auto registry = registry_of(image);
  const auto entry = config.ok() ? entry_of((*config)->root(), registry) : object::View();
  if (!entry.exists()) {
    return std::nullopt;
  }
  // Source: containerd 1.6.20, pkg/cri/server/image_pull.go, ParseAuth: with a server's address no
  // other host is shown the login, and so no mirror either; Docker Hub's host is registry-1.
  return runtime::RegistryLogin{
      std::string(entry["username"].string()),
      std::string(entry["password"].string()),
      std::string(entry["auth"].string()),
      "https://" + (registry == "docker.io" ? std::string("registry-1.docker.io") : registry)};
}

std::string basic_for(std::string_view url, std::string_view docker_config_json) {
  const auto config = Document::parse(docker_config_json);
  const auto entry = config.ok() ? entry_of((*config)->root(), host_of(url)) : object::View();
  if (!entry.exists()) {
    return "";
  }
  const auto auth = entry["auth"].string();
  return "Basic " + (auth.empty()
                         ? base64_encode(fmt::format(
                               "{}:{}", entry["username"].string(), entry["password"].string()))
                         : std::string(auth));
}

Task<Result<std::string>> Images::pull(DocumentPtr pod, std::string image) {
  std::optional<runtime::RegistryLogin> login;
  for (const auto reference : pod->root().find("spec.imagePullSecrets").elements()) {
    const auto secret = objects_.document(
        "secrets", pod->root().find("metadata.namespace").string(), reference["name"].string());
    if (secret == nullptr || login) {
      continue;
    }
    const auto config = base64_decode(secret->root()["data"][".dockerconfigjson"].string());
    login = config.ok() ? login_for(image, *config) : std::nullopt;
  }
  if (!login && !logins_.empty()) {
    login = login_for(image, read_logins(logins_));
  }
  co_return co_await runtime_.pull_image(std::move(image), std::move(login));
}

namespace {

/// Source: OCI distribution specification 1.0, "Pulling manifests": names are lower-case components
/// parted by '/'; a registry's host may stand before them, a tag or digest behind.
bool is_image_name(std::string_view image) {
  const auto digest = image.find('@');
  auto name = image.substr(0, digest);
  const auto slash = name.rfind('/');
  const auto colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
  name = name.substr(0, colon);
  const auto first = name.find('/');
  const bool has_host = first != std::string_view::npos &&
                        (name.substr(0, first).find_first_of(".:") != std::string_view::npos ||
                         name.substr(0, first) == "localhost");
  if (has_host) {
    name.remove_prefix(first + 1);
  }
  const bool has_parts = !name.empty() && name.front() != '/' && name.back() != '/' &&
                         name.find("//") == std::string_view::npos;
  return has_parts && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-/") ==
                          std::string_view::npos;
}

}  // namespace

Task<ImageAnswer> Images::ensure(DocumentPtr pod, std::string image, std::string policy) {
  ImageAnswer answer;
  if (!is_image_name(image)) {
    answer.failure = {"InvalidImageName", fmt::format("\"{}\" is not an image's name", image)};
    co_return answer;
  }
  auto known = co_await runtime_.image(image);
  if (!known.ok()) {
    const bool is_invalid = known.error().code == Code::invalid;
    answer.failure = {is_invalid ? "InvalidImageName" : "ImageInspectError", known.error().message};
    co_return answer;
  }
  bool was_pulled = false;
  if (policy == "Always" || (!known->has_value() && policy != "Never")) {
    const auto pulled = co_await pull(pod, image);
    if (!pulled.ok()) {
      answer.failure = {"ErrImagePull", pulled.error().message};
      co_return answer;
    }
    was_pulled = true;
    known = co_await runtime_.image(image);
  }
  if (!known.ok() || !known->has_value()) {
    answer.failure = {
        policy == "Never" ? "ErrImageNeverPull" : "ErrImagePull",
        policy == "Never"
            ? fmt::format("Container image \"{}\" is not present with pull policy of Never", image)
            : fmt::format("image \"{}\" is not there after it was pulled", image)};
    co_return answer;
  }
  ReadyImage ready;
  ready.id = (**known).id;
  ready.user.id = (**known).user_id;
  ready.user.name = (**known).user_name;
  ready.was_pulled = was_pulled;
  answer.image = std::move(ready);
  co_return answer;
}

}  // namespace tetrarch::agent
