// SPDX-License-Identifier: Apache-2.0
// Bodies of requests: objects with their preconditions, delete options, patches.
#pragma once

#include <string>

#include "base/result.h"
#include "client/client.h"

namespace tetrarch::client {

/// The object as it is sent: with metadata.resourceVersion where a revision is expected.
std::string object_body(const Document& document, const WriteOptions& options);
/// DeleteOptions of meta/v1.
std::string delete_body(const DeleteOptions& options);
/// The patch, with the expected revision and uid put in.
Result<std::string> patch_body(PatchType type,
                               const std::string& body,
                               const WriteOptions& options);
/// Source: Kubernetes documentation, "API Concepts", patch types.
std::string_view patch_media_type(PatchType type);

}  // namespace tetrarch::client
