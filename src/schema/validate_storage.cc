// SPDX-License-Identifier: Apache-2.0
// Rules of storage classes.
// Source: Kubernetes pkg/apis/storage/validation/validation.go, v1.35.
#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include "schema/formats.h"
#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::size_t kParametersMax = 512;
constexpr std::size_t kParametersBytesMax = std::size_t{256} * 1024;

void check_provisioner(Problems& problems, const Site& site) {
  std::string lower(site.fresh["provisioner"].string());
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  if (!lower.empty()) {
    problems.invalid_each(site.at("provisioner"),
                          site.fresh["provisioner"].string(),
                          object::label_key_faults(lower));
  }
}

void check_parameters(Problems& problems, const Site& site) {
  const View parameters = site.fresh["parameters"];
  const auto path = site.at("parameters");
  if (parameters.size() > kParametersMax) {
    problems.too_long(path, kParametersMax);
    return;
  }
  std::size_t bytes = 0;
  for (const auto [name, value] : parameters.members()) {
    bytes += name.size() + value.string().size();
    if (name.empty()) {
      problems.invalid(path, "", "field can not be empty.");
    }
  }
  if (bytes > kParametersBytesMax) {
    problems.too_long(path, kParametersBytesMax);
  }
}

void check_kept(Problems& problems, const Site& site) {
  for (const std::string name : {"parameters", "provisioner", "reclaimPolicy"}) {
    if (!site.fresh[name].same_as(site.old[name])) {
      problems.forbidden(site.at(name), "updates to " + name + " are forbidden.");
    }
  }
}

}  // namespace

void check_storage_class(Problems& problems, const Site& site) {
  if (site.is_update()) {
    check_kept(problems, site);
  }
  check_provisioner(problems, site);
  check_parameters(problems, site);
}

void check_topology_term(Problems& problems, const Site& site) {
  std::set<std::string_view> keys;
  std::size_t index = 0;
  for (const View each : site.fresh["matchLabelExpressions"].elements()) {
    const auto path = index_path(site.at("matchLabelExpressions"), index++);
    const auto key = each["key"].string();
    if (!keys.insert(key).second) {
      problems.duplicate(join_path(path, "key"), key);
    }
    std::set<std::string_view> values;
    std::size_t place = 0;
    for (const View value : each["values"].elements()) {
      if (!values.insert(value.string()).second) {
        problems.duplicate(index_path(join_path(path, "values"), place), value.string());
      }
      ++place;
    }
  }
}

}  // namespace tetrarch::schema
