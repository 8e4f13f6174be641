// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apimachinery, pkg/api/validation/objectmeta.go, v0.34.
#include "schema/validate_metadata.h"

#include <array>

#include <fmt/format.h>

#include "schema/formats.h"
#include "schema/views/meta.h"

namespace tetrarch::schema {

namespace {

constexpr std::size_t kAnnotationBytesMax = 256 * 1024;

std::string lower_case(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

void check_name(Problems& problems,
                const Kind& kind,
                const Site& site,
                const views::ObjectMetaView& metadata) {
  if (!metadata.generate_name().empty()) {
    // A name made from it ends in other characters, so the last '-' does not count.
    std::string prefix{metadata.generate_name()};
    if (prefix.back() == '-' && prefix.size() > 1) {
      prefix.back() = 'a';
    }
    problems.invalid_each(
        site.at("generateName"), metadata.generate_name(), format_faults(kind.name_format, prefix));
  }
  if (metadata.name().empty()) {
    problems.required(site.at("name"), "name or generateName is required");
  } else {
    problems.invalid_each(
        site.at("name"), metadata.name(), format_faults(kind.name_format, metadata.name()));
  }
  if (kind.is_namespaced && metadata.namespace_().empty()) {
    problems.required(site.at("namespace"));
  } else if (kind.is_namespaced) {
    problems.invalid_each(site.at("namespace"),
                          metadata.namespace_(),
                          object::dns_label_faults(metadata.namespace_()));
  } else if (!metadata.namespace_().empty()) {
    problems.forbidden(site.at("namespace"), "not allowed on this type");
  }
}

void check_annotations(Problems& problems,
                       const Site& site,
                       const views::ObjectMetaView& metadata) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : metadata.annotations()) {
    problems.invalid_each(site.at("annotations"), key, object::label_key_faults(lower_case(key)));
    bytes += key.size() + value.size();
  }
  if (bytes > kAnnotationBytesMax) {
    problems.too_long(site.at("annotations"), kAnnotationBytesMax);
  }
}

void check_owner(Problems& problems,
                 const std::string& path,
                 const views::OwnerReferenceView& owner) {
  if (owner.api_version().empty()) {
    problems.invalid(
        join_path(path, "apiVersion"), owner.api_version(), "version must not be empty");
  }
  if (owner.kind().empty()) {
    problems.invalid(join_path(path, "kind"), owner.kind(), "must not be empty");
  }
  if (owner.name().empty()) {
    problems.invalid(join_path(path, "name"), owner.name(), "must not be empty");
  }
  if (owner.uid().empty()) {
    problems.invalid(join_path(path, "uid"), owner.uid(), "must not be empty");
  }
}

void check_owners(Problems& problems, const Site& site, const views::ObjectMetaView& metadata) {
  std::string controller;
  std::size_t index = 0;
  for (const auto owner : metadata.owner_references()) {
    check_owner(problems, index_path(site.at("ownerReferences"), index++), owner);
    if (owner.controller() && !controller.empty()) {
      problems.invalid(
          site.at("ownerReferences"),
          metadata.owner_references().view(),
          fmt::format(
              "Only one reference can have Controller set to true. Found \"true\" in references "
              "for {} and {}",
              controller,
              owner.name()));
    } else if (owner.controller()) {
      controller = owner.name();
    }
  }
}

void check_finalizers(Problems& problems, const Site& site, const views::ObjectMetaView& metadata) {
  for (const auto finalizer : metadata.finalizers()) {
    problems.invalid_each(site.at("finalizers"), finalizer, object::label_key_faults(finalizer));
    const bool is_standard =
        finalizer == "orphan" || finalizer == "foregroundDeletion" || finalizer == "kubernetes";
    if (finalizer.find('/') == finalizer.npos && !is_standard) {
      problems.invalid(site.at("finalizers"),
                       finalizer,
                       "name is neither a standard finalizer name nor is it fully qualified");
    }
  }
}

void check_unchanged(Problems& problems, const Site& site) {
  constexpr std::array kFixed{"name", "namespace", "uid", "creationTimestamp"};
  for (const auto* name : kFixed) {
    // What the client left out is carried over.
    if (site.fresh[name] && !site.fresh[name].same_as(site.old[name])) {
      problems.invalid(site.at(name), site.fresh[name], "field is immutable");
    }
  }
}

}  // namespace

void check_metadata(Problems& problems, const Kind& kind, const Site& site) {
  const views::ObjectMetaView metadata{site.fresh};
  check_name(problems, kind, site, metadata);
  check_annotations(problems, site, metadata);
  check_owners(problems, site, metadata);
  check_finalizers(problems, site, metadata);
  if (site.is_update()) {
    check_unchanged(problems, site);
  }
}

}  // namespace tetrarch::schema
