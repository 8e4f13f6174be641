// SPDX-License-Identifier: Apache-2.0
// From bytes of the API to objects, pages, events and errors.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "client/client.h"
#include "object/document.h"
#include "schema/catalog.h"

namespace tetrarch::client {

/// An object of the API as we keep it: without metadata.resourceVersion, which becomes the
/// revision. `kind` and `api_version` are put in where the object has none (items of lists).
Result<Stored> parse_object(std::string_view resource,
                            object::View root,
                            std::string_view kind = {},
                            std::string_view api_version = {});
/// The same for an object of any kind of the catalog (a feed).
Result<Stored> parse_any_object(const schema::Catalog& catalog, object::View root);
Result<ListPage> parse_list(std::string_view resource, std::string_view json);
/// One line of a watch. An ERROR event is an Error. `catalog` null: all objects are of `resource`.
Result<WatchEvent> parse_event(std::string_view resource,
                               const schema::Catalog* catalog,
                               std::string_view line);
/// What a Status, or any other body of a failed request, says.
Error parse_failure(int http_status, std::string_view body);
/// The code that a Status' reason stands for; by the HTTP status where the reason is not known.
Code code_of(std::string_view reason, int http_status);

}  // namespace tetrarch::client
