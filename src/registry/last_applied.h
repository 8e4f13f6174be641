// SPDX-License-Identifier: Apache-2.0
// The annotation in which kubectl keeps what it applied from the client's side. Where `kubectl
// apply
// --server-side` takes over, it says which conflicts are none, and is kept up to date so that the
// client's side can take over again.
#pragma once

#include <string>

#include "base/result.h"
#include "object/document.h"
#include "object/field_set.h"
#include "schema/catalog.h"

namespace tetrarch::registry {

/// The manager whose applies heed and keep the annotation.
inline constexpr std::string_view kKubectl = "kubectl";

/// The fields that the annotation names and that are as it says; both of `kind`.
object::FieldSet last_applied_fields(const schema::Kind& kind, object::View live);

/// The object with its annotation, if it has one, made to say `applied` (as it was sent).
DocumentPtr with_last_applied(const DocumentPtr& object, object::View applied);

}  // namespace tetrarch::registry
