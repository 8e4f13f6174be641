// SPDX-License-Identifier: Apache-2.0
#include "schema/catalog.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "schema/table_reader.h"

namespace tetrarch::schema {

struct Catalog::Lookup {
  std::unordered_map<std::string, const Kind*> by_kind;      // "apps/v1/Deployment"
  std::unordered_map<std::string, const Kind*> by_plural;    // "apps/v1/deployments"
  std::unordered_map<std::string, const Kind*> by_resource;  // "deployments.apps"
  std::unordered_map<std::string, const Type*> types;
};

namespace {

std::string joined(std::string_view group, std::string_view version, std::string_view name) {
  return fmt::format("{}/{}/{}", group, version, name);
}

template <class Map>
auto found(const Map& map, const std::string& key) -> typename Map::mapped_type {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : at->second;
}

}  // namespace

const Field* Type::field(std::string_view wanted) const {
  const auto is_before = [this](auto place, std::string_view text) {
    return fields[place].name < text;
  };
  const auto at = std::lower_bound(by_name.begin(), by_name.end(), wanted, is_before);
  if (at == by_name.end() || fields[*at].name != wanted) {
    return nullptr;
  }
  return &fields[*at];
}

std::string Kind::api_version() const {
  return group.empty() ? version : group + "/" + version;
}

bool Kind::has_verb(std::string_view verb) const {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

bool Kind::has_subresource(std::string_view subresource) const {
  return std::find(subresources.begin(), subresources.end(), subresource) != subresources.end();
}

Result<std::unique_ptr<Catalog>> Catalog::load(
    const std::vector<std::pair<std::string, std::string>>& files) {
  TRY(auto tables, read_tables(files));
  auto catalog = std::make_unique<Catalog>();
  catalog->kinds_ = std::move(tables.kinds);
  catalog->types_ = std::move(tables.types);
  catalog->index();
  return catalog;
}

Catalog::Catalog() = default;
Catalog::~Catalog() = default;

void Catalog::index() {
  lookup_ = std::make_unique<Lookup>();
  for (const auto& kind : kinds_) {
    lookup_->by_kind.emplace(joined(kind->group, kind->version, kind->kind), kind.get());
    if (!kind->plural.empty()) {
      lookup_->by_plural.emplace(joined(kind->group, kind->version, kind->plural), kind.get());
    }
    if (!kind->plural.empty() && kind->is_storage_version) {
      lookup_->by_resource.emplace(kind->resource, kind.get());
    }
  }
  for (const auto& type : types_) {
    lookup_->types.emplace(type->full_name, type.get());
  }
}

const Kind* Catalog::find(std::string_view group,
                          std::string_view version,
                          std::string_view kind) const {
  return found(lookup_->by_kind, joined(group, version, kind));
}

const Kind* Catalog::by_plural(std::string_view group,
                               std::string_view version,
                               std::string_view plural) const {
  return found(lookup_->by_plural, joined(group, version, plural));
}

const Kind* Catalog::by_resource(std::string_view resource) const {
  return found(lookup_->by_resource, std::string{resource});
}

const Type* Catalog::type(std::string_view full_name) const {
  return found(lookup_->types, std::string{full_name});
}

}  // namespace tetrarch::schema
