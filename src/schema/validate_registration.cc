// SPDX-License-Identifier: Apache-2.0
// Rules of APIServices.
// Source: kube-aggregator pkg/apis/apiregistration/validation/validation.go, v1.35.
#include <fmt/format.h>

#include "base/encoding.h"
#include "schema/formats.h"
#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::int64_t kGroupPriorityMax = 20'000;
constexpr std::int64_t kVersionPriorityMax = 1'000;

/// In bytes, not in base64.
std::size_t bundle_size(View spec) {
  const auto bytes = base64_decode(spec["caBundle"].string());
  return bytes.ok() ? bytes->size() : 0;
}

void check_name(Problems& problems, const Site& site) {
  const auto name = site.fresh["metadata"]["name"].string();
  const auto wanted = fmt::format(
      "{}.{}", site.fresh["spec"]["version"].string(), site.fresh["spec"]["group"].string());
  if (format_faults("path-segment", name).empty() && name != wanted) {
    problems.invalid(site.child("metadata").at("name"),
                     name,
                     fmt::format("must be `spec.version+\".\"+spec.group`: \"{}\"", wanted));
  }
}

void check_group_version(Problems& problems, const Site& spec) {
  const auto group = spec.fresh["group"].string();
  const auto version = spec.fresh["version"].string();
  if (group.empty() && version != "v1") {
    problems.required(spec.at("group"),
                      "only v1 may have an empty group and it better be legacy kube");
  }
  if (!group.empty()) {
    problems.invalid_each(spec.at("group"), group, object::dns_subdomain_faults(group));
  }
  problems.invalid_each(spec.at("version"), version, format_faults("dns-1035-label", version));
}

void check_priority(Problems& problems, const Site& spec, const char* name, std::int64_t most) {
  const auto value = spec.fresh[name].integer();
  if (value <= 0 || value > most) {
    problems.invalid(spec.at(name),
                     View(spec.fresh[name]),
                     fmt::format("must be positive and less than {}", most));
  }
}

void check_local(Problems& problems, const Site& spec) {
  if (const auto size = bundle_size(spec.fresh); size > 0) {
    problems.invalid(spec.at("caBundle"),
                     fmt::format("{} bytes", size),
                     "local APIServices may not have a caBundle");
  }
  if (spec.fresh["insecureSkipTLSVerify"].boolean()) {
    problems.invalid(spec.at("insecureSkipTLSVerify"),
                     spec.fresh["insecureSkipTLSVerify"],
                     "local APIServices may not have insecureSkipTLSVerify");
  }
}

void check_service_reference(Problems& problems, const Site& service) {
  for (const auto* name : {"namespace", "name"}) {
    if (service.fresh[name].string().empty()) {
      problems.required(service.at(name));
    }
  }
  for (const auto& fault : port_number_faults(service.fresh["port"].integer())) {
    problems.invalid(
        service.at("port"), service.fresh["port"], fmt::format("port is not valid: {}", fault));
  }
}

}  // namespace

void check_api_service(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_name(problems, site);
  check_group_version(problems, spec);
  check_priority(problems, spec, "groupPriorityMinimum", kGroupPriorityMax);
  check_priority(problems, spec, "versionPriority", kVersionPriorityMax);
  if (!spec.fresh["service"]) {
    check_local(problems, spec);
    return;
  }
  check_service_reference(problems, spec.child("service"));
  if (spec.fresh["insecureSkipTLSVerify"].boolean() && bundle_size(spec.fresh) > 0) {
    problems.invalid(spec.at("insecureSkipTLSVerify"),
                     spec.fresh["insecureSkipTLSVerify"],
                     "may not be true if caBundle is present");
  }
}

void check_api_service_condition(Problems& problems, const Site& site) {
  const auto status = site.fresh["status"].string();
  if (status != "True" && status != "False" && status != "Unknown") {
    problems.not_supported(site.at("status"), status, {"True", "False", "Unknown"});
  }
}

}  // namespace tetrarch::schema
