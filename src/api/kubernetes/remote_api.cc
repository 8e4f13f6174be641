// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/remote_api.h"

#include <tuple>

#include <fmt/core.h>

#include "base/encoding.h"

namespace tetrarch::api::kubernetes {
namespace {

/// Empty while the APIService says that it is available.
std::string why_unavailable(object::View api_service) {
  for (const auto condition : api_service["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Available") {
      return condition["status"].string() == "True"
                 ? ""
                 : fmt::format(
                       "{}: {}", condition["reason"].string(), condition["message"].string());
    }
  }
  return "its server was not asked yet";
}

}  // namespace

std::string RemoteApi::server_name() const {
  return fmt::format("{}.{}.svc", service, service_ns);
}

std::string RemoteApi::host() const {
  return fmt::format("{}:{}", server_name(), port);
}

std::string RemoteApi::root() const {
  return fmt::format("/apis/{}/{}", group, version);
}

RemoteApi read_remote(const Stored& api_service) {
  const auto spec = api_service.root()["spec"];
  const auto service = spec["service"];
  RemoteApi out;
  out.name = api_service.key.name;
  out.group = spec["group"].string();
  out.version = spec["version"].string();
  out.group_priority = static_cast<int>(spec["groupPriorityMinimum"].integer());
  out.version_priority = static_cast<int>(spec["versionPriority"].integer());
  out.service_ns = service["namespace"].string();
  out.service = service["name"].string();
  out.port = static_cast<int>(service["port"].integer());
  out.trusts_anybody = spec["insecureSkipTLSVerify"].boolean();
  if (auto bundle = base64_decode(spec["caBundle"].string()); bundle.ok()) {
    out.ca_pem = *std::move(bundle);
  }
  out.unavailable = why_unavailable(api_service.root());
  return out;
}

bool is_same_place(const RemoteApi& a, const RemoteApi& b) {
  const auto place = [](const RemoteApi& each) {
    return std::tie(
        each.name, each.service_ns, each.service, each.port, each.ca_pem, each.trusts_anybody);
  };
  return place(a) == place(b);
}

}  // namespace tetrarch::api::kubernetes
