// SPDX-License-Identifier: Apache-2.0
// Rules of one volume: exactly one source, and what that source needs.
// Source: Kubernetes pkg/apis/core/validation/validation.go, v1.34.
#include <fmt/format.h>

#include "object/quantity.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

bool climbs(std::string_view path) {
  if (path.find("..") == path.npos) {
    return false;
  }
  const auto padded = fmt::format("/{}/", path);
  return padded.find("/../") != padded.npos;
}

void check_relative_path(Problems& problems, const std::string& place, std::string_view path) {
  if (path.starts_with('/')) {
    problems.invalid(place, path, "must be a relative path");
  }
  if (climbs(path)) {
    problems.invalid(place, path, "must not contain '..'");
  }
  if (path.starts_with("..") && !path.starts_with("../")) {
    problems.invalid(place, path, "must not start with '..'");  // names of the volume's own
  }
}

/// Where the one file of a projection is to be, or its few.
void check_projected_paths(Problems& problems, const std::string& place, object::View projection) {
  for (const auto* name : {"path", "credentialBundlePath", "keyPath", "certificateChainPath"}) {
    check_relative_path(problems, join_path(place, name), projection[name].string());
  }
}

/// The `items` of a source: their paths stay inside the volume.
void check_items(Problems& problems, const std::string& place, object::View items) {
  std::size_t index = 0;
  for (const auto item : items.elements()) {
    const auto path = join_path(index_path(place, index++), "path");
    check_relative_path(problems, path, item["path"].string());
  }
}

void check_downward_items(Problems& problems, const std::string& place, object::View items) {
  std::size_t index = 0;
  for (const auto item : items.elements()) {
    const auto path = index_path(place, index++);
    const bool has_field = static_cast<bool>(item["fieldRef"]);
    const bool has_resource = static_cast<bool>(item["resourceFieldRef"]);
    if (!has_field && !has_resource) {
      problems.required(join_path(path, "fieldRef"),
                        "one of fieldRef and resourceFieldRef is required");
    } else if (has_field && has_resource) {
      problems.invalid(
          path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    }
  }
}

void check_projections(Problems& problems, const Site& projected) {
  std::size_t index = 0;
  for (const auto source : projected.fresh["sources"].elements()) {
    const auto path = index_path(projected.at("sources"), index++);
    if (source.size() > 1) {
      problems.forbidden(path, "may not specify more than 1 volume type per source");
    }
    for (const auto member : source.members()) {
      const auto inner = join_path(path, member.key);
      const bool is_named = member.key == "secret" || member.key == "configMap";
      if (is_named && member.value["name"].string().empty()) {
        problems.required(join_path(inner, "name"));
      }
      check_items(problems, join_path(inner, "items"), member.value["items"]);
      check_projected_paths(problems, inner, member.value);
      if (member.key == "downwardAPI") {
        check_downward_items(problems, join_path(inner, "items"), member.value["items"]);
      }
    }
  }
}

}  // namespace

void check_volume(Problems& problems, const Site& site) {
  int sources = 0;
  for (const auto member : site.fresh.members()) {
    if (member.key != "name" && sources++ > 0) {
      problems.forbidden(site.at(member.key), "may not specify more than 1 volume type");
    }
  }
  const views::VolumeView volume{site.fresh};
  if (volume.secret() && volume.secret().secret_name().empty()) {
    problems.required(site.at("secret.secretName"));
  }
  if (volume.config_map() && volume.config_map().name().empty()) {
    problems.required(site.at("configMap.name"));
  }
  if (volume.host_path() && climbs(volume.host_path().path())) {
    problems.invalid(site.at("hostPath.path"), volume.host_path().path(), "must not contain '..'");
  }
  const auto limit = volume.empty_dir().view()["sizeLimit"];
  if (limit && object::Quantity::from(limit).value_or({}).is_negative()) {
    problems.forbidden(site.at("emptyDir.sizeLimit"),
                       "SizeLimit field must be a valid resource quantity");
  }
  check_items(problems, site.at("secret.items"), volume.secret().items().view());
  check_items(problems, site.at("configMap.items"), volume.config_map().items().view());
  check_items(problems, site.at("downwardAPI.items"), volume.downward_api().items().view());
  check_downward_items(
      problems, site.at("downwardAPI.items"), volume.downward_api().items().view());
  check_projections(problems, site.child("projected"));
}

}  // namespace tetrarch::schema
