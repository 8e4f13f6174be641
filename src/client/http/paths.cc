// SPDX-License-Identifier: Apache-2.0
#include "client/http/paths.h"

#include "base/encoding.h"

namespace tetrarch::client {

Result<std::string> path_of(const schema::Catalog& catalog, const Place& place) {
  const auto* const kind = catalog.by_resource(place.resource);
  if (kind == nullptr) {
    return Error{Code::not_found,
                 "the resource \"" + std::string(place.resource) + "\" is not known"};
  }
  std::string path =
      kind->group.empty() ? "/api/" + kind->version : "/apis/" + kind->group + "/" + kind->version;
  if (kind->is_namespaced && !place.ns.empty()) {
    path += "/namespaces/" + percent_encode(place.ns);
  }
  path += "/" + kind->plural;
  if (!place.name.empty()) {
    path += "/" + percent_encode(place.name);
  }
  if (!place.subresource.empty()) {
    path += "/" + std::string(place.subresource);
  }
  return path;
}

Query& Query::add(std::string_view name, std::string_view value) {
  if (!value.empty()) {
    text_ += text_.empty() ? '?' : '&';
    text_ += name;
    text_ += '=';
    text_ += percent_encode(value);
  }
  return *this;
}

}  // namespace tetrarch::client
