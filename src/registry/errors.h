// SPDX-License-Identifier: Apache-2.0
// The sentences in which Kubernetes refuses: clients and their users know them by heart, so they
// are made in one place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/catalog.h"

namespace tetrarch::registry {

using FieldErrors = std::vector<FieldError>;

/// "pods", "deployments.apps": in the caller's group.
std::string qualified(const schema::Kind& kind);
/// "Pod", "Deployment.apps".
std::string qualified_kind(const schema::Kind& kind);

Error not_found(std::string_view qualified, std::string_view name);
Error already_exists(std::string_view qualified, std::string_view name);
/// `Operation cannot be fulfilled on pods "x": <reason>`
Error conflict(std::string_view qualified, std::string_view name, std::string_view reason);
/// A stale resource version.
Error modified(std::string_view qualified, std::string_view name);
/// `pods "x" is forbidden: <reason>`
Error forbidden(std::string_view qualified, std::string_view name, std::string_view reason);
Error bad_request(std::string text);
/// `Pod "x" is invalid: spec.a: <message>`; several in brackets.
Error invalid(std::string_view qualified_kind, std::string_view name, FieldErrors fields);

FieldError required(std::string field, std::string_view detail = "");
/// `value` as it is printed: quoted for a string.
FieldError invalid_value(std::string field, std::string_view value, std::string_view detail);
FieldError invalid_text(std::string field, std::string_view text, std::string_view detail);
FieldError forbidden_field(std::string field, std::string_view detail);
FieldError not_supported(std::string field,
                         std::string_view text,
                         const std::vector<std::string_view>& choices);
FieldError duplicate(std::string field, std::string_view text);
FieldError too_long(std::string field, std::string_view detail);
FieldError not_found_value(std::string field, std::string_view text);

}  // namespace tetrarch::registry
