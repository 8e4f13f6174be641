// SPDX-License-Identifier: Apache-2.0
// Rules of Ingresses and their classes.
// Source: Kubernetes pkg/apis/networking/validation/validation.go, v1.35.
#include <array>

#include <fmt/format.h>

#include "schema/formats.h"
#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::size_t kControllerMax = 250;
constexpr std::string_view kClassAnnotation = "kubernetes.io/ingress.class";
constexpr std::string_view kPathCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~%!$&'()*+,;=:";

bool is_ip(std::string_view text) {
  return ip_faults(text).empty();
}

Faults wildcard_faults(std::string_view host) {
  if (host.starts_with("*.") && object::dns_subdomain_faults(host.substr(2)).empty()) {
    return {};
  }
  return {
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
      "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
      "alphanumeric character (e.g. '*.example.com', regex used for validation is "
      "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"};
}

Faults host_faults(std::string_view host) {
  const bool is_wildcard = host.find('*') != std::string_view::npos;
  return is_wildcard ? wildcard_faults(host) : object::dns_subdomain_faults(host);
}

/// "example.com/some/path"
void check_domain_prefixed(Problems& problems, const std::string& path, std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size()) {
    problems.invalid(path, text, R"(must be a domain-prefixed path (such as "acme.io/foo"))");
    return;
  }
  const auto host = text.substr(0, slash);
  problems.invalid_each(path, host, object::dns_subdomain_faults(host));
  const auto rest = text.substr(slash + 1);
  if (rest.find_first_not_of(kPathCharacters) != std::string_view::npos) {
    problems.invalid(
        path,
        rest,
        "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
  }
}

/// Exact and Prefix are compared as they are written, so what another reader could resolve is
/// refused.
void check_compared_path(Problems& problems, const std::string& path, std::string_view text) {
  constexpr std::array kInside{"//", "/./", "/../", "%2f", "%2F"};
  constexpr std::array kEnds{"/..", "/."};
  for (const std::string_view part : kInside) {
    if (text.find(part) != std::string_view::npos) {
      problems.invalid(path, text, fmt::format("must not contain '{}'", part));
    }
  }
  for (const std::string_view end : kEnds) {
    if (text.ends_with(end)) {
      problems.invalid(path, text, fmt::format("cannot end with '{}'", end));
    }
  }
}

void check_service_port(Problems& problems, const Site& backend) {
  const View port = backend.fresh["service"]["port"];
  const auto name = port["name"].string();
  const auto number = port["number"].integer();
  if (!name.empty() && number != 0) {
    problems.invalid(backend.path, "", "cannot set both port name & port number");
  } else if (!name.empty()) {
    problems.invalid_each(backend.at("service.port.name"), name, port_name_faults(name));
  } else if (number != 0) {
    for (const auto& fault : port_number_faults(number)) {
      problems.invalid(backend.at("service.port.number"), port["number"], fault);
    }
  } else {
    problems.required(backend.path, "port name or number is required");
  }
}

}  // namespace

void check_ingress(Problems& problems, const Site& site) {
  const View asked = site.fresh["spec"]["ingressClassName"];
  const View annotated = site.fresh["metadata"]["annotations"][kClassAnnotation];
  if (!site.is_update() && asked && annotated && asked.string() != annotated.string()) {
    problems.invalid(fmt::format("annotations.{}", kClassAnnotation),
                     annotated,
                     "must match `ingressClassName` when both are specified");
  }
}

void check_ingress_spec(Problems& problems, const Site& site) {
  if (site.fresh["rules"].size() == 0 && !site.fresh["defaultBackend"]) {
    problems.invalid(
        site.path, site.fresh["rules"], "either `defaultBackend` or `rules` must be specified");
  }
  std::size_t place = 0;
  for (const View entry : site.fresh["tls"].elements()) {
    const auto hosts = join_path(index_path(site.at("tls"), place++), "hosts");
    std::size_t index = 0;
    for (const View host : entry["hosts"].elements()) {
      problems.invalid_each(index_path(hosts, index++), host.string(), host_faults(host.string()));
    }
  }
}

void check_ingress_rule(Problems& problems, const Site& site) {
  const auto host = site.fresh["host"].string();
  if (host.empty()) {
    return;
  }
  if (is_ip(host)) {
    problems.invalid(site.at("host"), host, "must be a DNS name, not an IP address");
  }
  problems.invalid_each(site.at("host"), host, host_faults(host));
}

void check_ingress_path(Problems& problems, const Site& site) {
  const auto type = site.fresh["pathType"].string();
  const auto path = site.fresh["path"].string();
  const bool is_compared = type == "Exact" || type == "Prefix";
  if (type.empty()) {
    problems.required(site.at("pathType"), "pathType must be specified");
  } else if (!is_compared && type != "ImplementationSpecific") {
    problems.not_supported(
        site.at("pathType"), type, {"Exact", "ImplementationSpecific", "Prefix"});
  } else if (!path.starts_with('/') && (is_compared || !path.empty())) {
    problems.invalid(site.at("path"), path, "must be an absolute path");
  }
  if (is_compared) {
    check_compared_path(problems, site.at("path"), path);
  }
}

void check_ingress_backend(Problems& problems, const Site& site) {
  const bool has_resource = site.fresh["resource"].exists();
  const bool has_service = site.fresh["service"].exists();
  if (has_resource && has_service) {
    problems.invalid(site.path, "", "cannot set both resource and service backends");
  } else if (has_service) {
    check_service_port(problems, site);
  } else if (!has_resource) {
    problems.invalid(site.path, "", "resource or service backend is required");
  }
}

void check_ingress_address(Problems& problems, const Site& site) {
  if (const auto host = site.fresh["hostname"].string(); !host.empty() && is_ip(host)) {
    problems.invalid(site.at("hostname"), host, "must be a DNS name, not an IP address");
  }
}

void check_ingress_class_spec(Problems& problems, const Site& site) {
  const auto controller = site.fresh["controller"].string();
  if (controller.empty()) {
    problems.required(site.at("controller"));
    return;
  }
  if (controller.size() > kControllerMax) {
    problems.too_long(site.at("controller"), kControllerMax);
  }
  check_domain_prefixed(problems, site.at("controller"), controller);
}

void check_ingress_class_parameters(Problems& problems, const Site& site) {
  const View ns = site.fresh["namespace"];
  const auto scope = site.fresh["scope"].string();
  if (scope == "Namespace" && !ns) {
    problems.required(site.at("namespace"), "`parameters.scope` is set to 'Namespace'");
  } else if (scope == "Namespace") {
    problems.invalid_each(site.at("namespace"), ns.string(), object::dns_label_faults(ns.string()));
  } else if (scope == "Cluster" && ns) {
    problems.forbidden(site.at("namespace"), "`parameters.scope` is set to 'Cluster'");
  }
}

}  // namespace tetrarch::schema
