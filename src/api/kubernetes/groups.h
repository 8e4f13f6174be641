// SPDX-License-Identifier: Apache-2.0
// The catalog as discovery sees it: groups in the order of their priority, versions, resources,
// subresources.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/remote_api.h"
#include "schema/catalog.h"

namespace tetrarch::api::kubernetes {

struct Version {
  std::string name;                              ///< v1
  std::vector<const schema::Kind*> kinds = {};   ///< those with a path, by plural
  int priority = 0;                              ///< the higher, the earlier
  std::shared_ptr<const RemoteApi> remote = {};  ///< who serves it instead of us
};

struct Group {
  std::string name;               ///< "" for core
  std::vector<Version> versions;  ///< the preferred one first
  int priority = 0;               ///< the higher, the earlier
};

/// Core first.
std::vector<Group> groups_of(const schema::Catalog& catalog);
/// By priority, then by stability and name.
void sort_groups(std::vector<Group>& groups);

/// An APIService for each version that is served here, canonical.
std::vector<std::string> local_api_services(const schema::Catalog& catalog);

struct Subresource {
  std::string_view name;
  std::string_view
      group;  ///< with kind: of the object that it takes and gives; all empty: the parent's
  std::string_view version;
  std::string_view kind;
  std::vector<std::string_view> verbs;
};

/// What is known of a subresource that the kind declares.
const Subresource& subresource_of(const schema::Kind& kind, std::string_view name);

}  // namespace tetrarch::api::kubernetes
