// SPDX-License-Identifier: Apache-2.0
// Content negotiation: which representation of an object the Accept header asks for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// One clause of an Accept header: `application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9`.
struct MediaRange {
  std::string type;
  std::vector<std::pair<std::string, std::string>> parameters = {};
  double quality = 1;
  std::string_view parameter(std::string_view name) const;
};

/// In order of preference: by quality, then as written.
std::vector<MediaRange> parse_accept(std::string_view header);

enum class Form : std::uint8_t { object, table, metadata };

struct Representation {
  Form form = Form::object;
  std::string meta_version = "v1";  ///< of meta.k8s.io, for tables and metadata: v1 or v1beta1
  /// What the Content-Type of the answer says.
  std::string content_type() const;
  bool is_list_form = false;  ///< asked for as PartialObjectMetadataList
};

/// Empty: nothing that the client takes is served (406). What is never stored (reviews) has no
/// metadata to make a table of: `has_other_forms` is false then.
std::optional<Representation> negotiate(std::string_view accept, bool has_other_forms = true);

/// All Accept headers of a request, as one.
std::string accept_of(const net::Request& request);

/// The media type of a body, without its parameters, in lower case.
std::string media_type(std::string_view content_type);

}  // namespace tetrarch::api::kubernetes
