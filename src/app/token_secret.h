// SPDX-License-Identifier: Apache-2.0
// A bootstrap token as the Secret that the API server knows it by.
#pragma once

#include <string>

#include "trust/bearer_tokens.h"

namespace tetrarch::app {

/// Canonical JSON, for the namespace kube-system. `ends` (RFC 3339) empty: for ever.
/// Source: Kubernetes documentation, "Authenticating with Bootstrap Tokens", Secret format.
std::string token_secret(const trust::BootstrapToken& token, const std::string& ends = "");

}  // namespace tetrarch::app
