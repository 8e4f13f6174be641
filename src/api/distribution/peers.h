// SPDX-License-Identifier: Apache-2.0
// Which machines give a blob to other machines without us: what a node is told that looks at a
// blob, so that its bytes need not pass through a server. docs/adr/0051-blobs-between-machines.md
#pragma once

#include <string>

#include "api/distribution/context.h"
#include "object/stored.h"

namespace tetrarch::api::distribution {

inline constexpr std::string_view kPeersHeader = "Tetrarch-Peers";

/// Whether a machine's agent asks.
bool is_node(const trust::Identity& who);
/// "m1 https://10.0.0.1:6444, m2 https://…" in the order in which they are to be asked, which is by
/// chance, so that not all ask the same one. Empty: nobody, or who asks is no node.
Task<std::string> peers_of(Context& context, const Stored& blob);

}  // namespace tetrarch::api::distribution
