// SPDX-License-Identifier: Apache-2.0
// Where the API keeps an object, and query strings. Source: Kubernetes documentation, "API
// Concepts", resource URIs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "schema/catalog.h"

namespace tetrarch::client {

/// Parts of a path; empty where there is none.
struct Place {
  std::string_view resource;  ///< "pods", "deployments.apps"
  std::string_view ns = {};
  std::string_view name = {};
  std::string_view subresource = {};
};

/// "/apis/apps/v1/namespaces/n/deployments/d/scale". Code::not_found: the catalog has no such
/// resource.
Result<std::string> path_of(const schema::Catalog& catalog, const Place& place);

/// Collects "?a=b&c=d", encoded; what is empty is left out.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value);

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace tetrarch::client
