// SPDX-License-Identifier: Apache-2.0
// Rules of device classes, claims for devices and slices of devices.
// Source: Kubernetes pkg/apis/resource/validation/validation.go, v1.35. Ours: expressions of
// selectors are taken as they are; nothing here reads them.
#include <set>
#include <string>

#include <fmt/format.h>

#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

using object::View;

// Source: k8s.io/api resource/v1/types.go, v1.35.
constexpr std::size_t kRequestsMax = 32;
constexpr std::size_t kConstraintsMax = 32;
constexpr std::size_t kConfigsMax = 32;
constexpr std::size_t kSelectorsMax = 32;
constexpr std::size_t kAlternativesMax = 8;
constexpr std::size_t kReservedMax = 256;
constexpr std::size_t kDevicesMax = 128;
constexpr std::size_t kExpressionMax = 10 * 1024;

constexpr std::string_view kReferenceFault =
    "must be the name of a request in the claim or the name of a request and a subrequest "
    "separated by '/'";

void check_count(Problems& problems, const std::string& path, View list, std::size_t max) {
  if (list.size() > max) {
    problems.too_many(path, list.size(), max);
  }
}

/// Names of a list's elements must differ.
void check_names(Problems& problems, const std::string& path, View list) {
  std::set<std::string_view> seen;
  std::size_t index = 0;
  for (const View each : list.elements()) {
    const auto name = each["name"].string();
    if (!name.empty() && !seen.insert(name).second) {
      problems.duplicate(index_path(path, index), name);
    }
    ++index;
  }
}

/// "request" and "request/subrequest" of a claim.
std::set<std::string> request_names(View claim) {
  std::set<std::string> out;
  for (const View request : claim["requests"].elements()) {
    const std::string name(request["name"].string());
    out.insert(name);
    for (const View part : request["firstAvailable"].elements()) {
      out.insert(fmt::format("{}/{}", name, part["name"].string()));
    }
  }
  return out;
}

void check_references(Problems& problems,
                      const std::string& path,
                      View list,
                      const std::set<std::string>& names) {
  std::size_t place = 0;
  for (const View each : list.elements()) {
    std::size_t index = 0;
    const auto requests = join_path(index_path(path, place++), "requests");
    for (const View name : each["requests"].elements()) {
      if (!names.contains(std::string(name.string()))) {
        problems.invalid(index_path(requests, index), name, kReferenceFault);
      }
      ++index;
    }
  }
}

/// Of the ways to say where devices are: an empty text and false say nothing.
bool is_said(View value) {
  return value.is_string() ? !value.string().empty() : value.boolean(value.exists());
}

void check_only_true(Problems& problems, const Site& site, std::string_view name) {
  if (const View value = site.fresh[name]; value && !value.boolean()) {
    problems.invalid(site.at(name), value, "must be either unset or set to true");
  }
}

}  // namespace

void check_device_claim(Problems& problems, const Site& site) {
  const View requests = site.fresh["requests"];
  check_count(problems, site.at("requests"), requests, kRequestsMax);
  check_names(problems, site.at("requests"), requests);
  const auto names = request_names(site.fresh);
  check_count(problems, site.at("constraints"), site.fresh["constraints"], kConstraintsMax);
  check_references(problems, site.at("constraints"), site.fresh["constraints"], names);
  check_count(problems, site.at("config"), site.fresh["config"], kConfigsMax);
  check_references(problems, site.at("config"), site.fresh["config"], names);
}

void check_device_request(Problems& problems, const Site& site) {
  const View alternatives = site.fresh["firstAvailable"];
  const bool has_exactly = site.fresh["exactly"].exists();
  if (!has_exactly && alternatives.size() == 0) {
    problems.required(site.path, "exactly one of `exactly` or `firstAvailable` is required");
  } else if (has_exactly && alternatives.size() > 0) {
    problems.invalid(site.path,
                     View(),
                     "exactly one of `exactly` or `firstAvailable` is required, but multiple "
                     "fields are set");
  }
  check_count(problems, site.at("firstAvailable"), alternatives, kAlternativesMax);
  check_names(problems, site.at("firstAvailable"), alternatives);
}

void check_device_amount(Problems& problems, const Site& site) {
  const View count = site.fresh["count"];
  const auto mode = site.fresh["allocationMode"].string();
  if (mode == "All" && count.integer() != 0) {
    problems.invalid(site.at("count"), count, "must not be specified when allocationMode is 'All'");
  } else if (mode == "ExactCount" && count.integer() <= 0) {
    problems.invalid(site.at("count"), count, "must be greater than zero");
  }
  check_count(problems, site.at("selectors"), site.fresh["selectors"], kSelectorsMax);
}

void check_device_class_spec(Problems& problems, const Site& site) {
  check_count(problems, site.at("selectors"), site.fresh["selectors"], kSelectorsMax);
  check_count(problems, site.at("config"), site.fresh["config"], kConfigsMax);
}

void check_device_selector(Problems& problems, const Site& site) {
  const View cel = site.fresh["cel"];
  if (!cel) {
    problems.required(site.at("cel"));
  } else if (cel["expression"].string().size() > kExpressionMax) {
    problems.too_long(site.at("cel.expression"), kExpressionMax);
  }
}

void check_device_config(Problems& problems, const Site& site) {
  if (!site.fresh["opaque"]) {
    problems.required(site.at("opaque"));
  }
}

void check_device_constraint(Problems& problems, const Site& site) {
  if (!site.fresh["matchAttribute"] && !site.fresh["distinctAttribute"]) {
    problems.required(site.at("matchAttribute"));
  }
}

void check_device(Problems& problems, const Site& site) {
  for (const auto [name, value] : site.fresh["attributes"].members()) {
    const auto count = value.size();
    if (count != 1) {
      problems.invalid(key_path(site.at("attributes"), name),
                       value,
                       count == 0 ? "exactly one value must be specified"
                                  : "exactly one value must be specified, but multiple are set");
    }
  }
}

void check_resource_slice_spec(Problems& problems, const Site& site) {
  std::string set;
  std::size_t count = 0;
  for (const auto* name : {"nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"}) {
    if (is_said(site.fresh[name])) {
      set += fmt::format("{}`{}`", count++ == 0 ? "" : ", ", name);
    }
  }
  check_only_true(problems, site, "allNodes");
  check_only_true(problems, site, "perDeviceNodeSelection");
  constexpr std::string_view kOne =
      "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
  if (count == 0) {
    problems.required(site.path, kOne);
  } else if (count > 1) {
    problems.invalid(site.path,
                     std::string_view(fmt::format("{{{}}}", set)),
                     fmt::format("{}, but multiple fields are set", kOne));
  }
  if (site.fresh["devices"].size() > 0 && site.fresh["sharedCounters"].size() > 0) {
    problems.invalid(site.path, "", "only one of `sharedCounters` or `devices` is allowed");
  }
  check_count(problems, site.at("devices"), site.fresh["devices"], kDevicesMax);
  check_names(problems, site.at("devices"), site.fresh["devices"]);
}

void check_resource_claim_status(Problems& problems, const Site& site) {
  const View reserved = site.fresh["reservedFor"];
  const View allocation = site.fresh["allocation"];
  check_count(problems, site.at("reservedFor"), reserved, kReservedMax);
  if (reserved.size() > 0 && !allocation) {
    problems.forbidden(site.at("reservedFor"), "may not be specified when `allocated` is not set");
  }
  const View before = site.old["allocation"];
  if (allocation && before && !allocation.same_as(before)) {
    problems.invalid(site.at("allocation"), allocation, "field is immutable");
  }
}

void check_pod_resource_claim(Problems& problems, const Site& site) {
  const bool has_name = site.fresh["resourceClaimName"].exists();
  const bool has_template = site.fresh["resourceClaimTemplateName"].exists();
  if (!has_name && !has_template) {
    problems.invalid(site.path,
                     site.fresh,
                     "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
  } else if (has_name && has_template) {
    problems.invalid(
        site.path,
        site.fresh,
        "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
  }
}

}  // namespace tetrarch::schema
