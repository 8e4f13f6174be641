// SPDX-License-Identifier: Apache-2.0
// PartialObjectMetadata: an object of which only the metadata is shown.
#pragma once

#include <string>
#include <string_view>

#include "object/stored.h"

namespace tetrarch::api::kubernetes {

/// Appends `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{…}}`.
void append_partial(std::string& out, const Stored& object, std::string_view meta_version);

}  // namespace tetrarch::api::kubernetes
