// SPDX-License-Identifier: Apache-2.0
// Makes sure that a container's image is there, as its pull policy says. Used on the agent's
// strand.
#pragma once

#include <filesystem>
#include <string>

#include "agent/container_config.h"
#include "agent/objects.h"
#include "agent/pod_state.h"
#include "agent/runtime/runtime.h"

namespace tetrarch::agent {

struct ReadyImage {
  std::string id;
  ImageUser user;
  bool was_pulled = false;
};

/// Failure: `reason` is what the container waits for: ErrImagePull, ErrImageNeverPull,
/// InvalidImageName.
struct ImageAnswer {
  std::optional<ReadyImage> image;
  Reason failure = {};
};

/// The login of an image's registry in a .dockerconfigjson text, and for no other one. Pure.
std::optional<runtime::RegistryLogin> login_for(std::string_view image,
                                                std::string_view docker_config_json);
/// The value of an Authorization header for a URL's host; empty: the text has no login of it. Pure.
std::string basic_for(std::string_view url, std::string_view docker_config_json);
/// "docker.io" of "nginx", "registry.example:5000" of "registry.example:5000/a/b". Pure.
std::string registry_of(std::string_view image);

class Images {
 public:
  /// `logins`: a file like docker's config.json, for what no Secret of a Pod has a login of, read
  /// at each pull; empty: none.
  Images(runtime::Runtime& runtime, const Objects& objects, std::filesystem::path logins = {})
      : runtime_(runtime), objects_(objects), logins_(std::move(logins)) {}

  Task<ImageAnswer> ensure(DocumentPtr pod, std::string image, std::string policy);

 private:
  Task<Result<std::string>> pull(DocumentPtr pod, std::string image);

  runtime::Runtime& runtime_;
  const Objects& objects_;
  const std::filesystem::path logins_;
};

}  // namespace tetrarch::agent
