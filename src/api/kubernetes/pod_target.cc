// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/pod_target.h"

#include <fmt/core.h>

#include "api/kubernetes/parameters.h"

namespace tetrarch::api::kubernetes {
namespace {

/// "a b"
std::string names_of(object::View containers) {
  std::string out;
  for (const auto container : containers.elements()) {
    out += out.empty() ? "" : " ";
    out += container["name"].string();
  }
  return out;
}

bool has_container(object::View containers, std::string_view name) {
  for (const auto container : containers.elements()) {
    if (container["name"].string() == name) {
      return true;
    }
  }
  return false;
}

trust::Identity own_identity() {
  trust::Identity out;
  out.user = "system:apiserver";
  out.groups = {std::string(trust::kMasters)};
  return out;
}

}  // namespace

// Seen: kubectl logs and exec 1.20 to 1.35, against pods with several containers.
Result<std::string> choose_container(object::View pod, std::string_view asked) {
  const auto spec = pod["spec"];
  const auto name = pod["metadata"]["name"].string();
  if (!asked.empty()) {
    for (const auto* list : {"containers", "initContainers", "ephemeralContainers"}) {
      if (has_container(spec[list], asked)) {
        return std::string(asked);
      }
    }
    return Error{Code::malformed, fmt::format("container {} is not valid for pod {}", asked, name)};
  }
  if (spec["containers"].size() == 1) {
    return std::string(spec["containers"].at(0)["name"].string());
  }
  auto message = fmt::format("a container name must be specified for pod {}, choose one of: [{}]",
                             name,
                             names_of(spec["containers"]));
  if (spec["initContainers"].size() > 0) {
    message +=
        fmt::format(" or one of the init containers: [{}]", names_of(spec["initContainers"]));
  }
  return Error{Code::malformed, std::move(message)};
}

Status authorize_subresource(const Context& context, std::string verb) {
  const auto& match = context.match;
  registry::Attributes asked;
  asked.verb = std::move(verb);
  asked.version = match.version;
  asked.resource = match.resource;
  asked.subresource = match.subresource;
  asked.ns = match.ns;
  asked.name = match.name;
  return context.parts.registry.authorize(context.identity, asked);
}

std::unique_ptr<client::Client> own_client(const Context& context) {
  return context.parts.registry.client(own_identity());
}

Task<Result<PodTarget>> find_target(Context& context, std::string verb, bool needs_container) {
  CO_TRY_STATUS(authorize_subresource(context, std::move(verb)));
  const auto client = own_client(context);
  PodTarget out;
  Key key{"pods", context.match.ns, context.match.name};
  CO_TRY(out.pod, co_await client->get(std::move(key)));
  if (needs_container) {
    CO_TRY(out.container,
           choose_container(out.pod.root(), text_parameter(context.request, "container")));
  }
  out.node = NodeName{std::string(out.pod.root()["spec"]["nodeName"].string())};
  co_return out;
}

void begin_reach_request(object::Writer& writer, std::string_view kind, const PodTarget& target) {
  writer.begin_object()
      .field("kind", kind)
      .field("namespace", target.pod.metadata()["namespace"].string())
      .field("pod", target.pod.metadata()["name"].string())
      .field("uid", target.pod.uid())
      .field("container", target.container);
}

std::string port_request(std::string_view kind, const PodTarget& target, int port) {
  std::string out;
  object::Writer writer(out);
  begin_reach_request(writer, kind, target);
  writer.field("port", port).end_object();
  return out;
}

}  // namespace tetrarch::api::kubernetes
