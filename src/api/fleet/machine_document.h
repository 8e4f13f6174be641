// SPDX-License-Identifier: Apache-2.0
// Machines as clients of fleet see them, and changes of their metadata. Source: fleet reference,
// section 2.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/document.h"
#include "object/stored.h"
#include "unitfile/machine_metadata.h"

namespace tetrarch::api::fleet {

using unitfile::Metadata;

/// The object that keeps a machine's overlay.
DocumentPtr machine_object(std::string_view id, const unitfile::Overlay& overlay, object::View old);

struct Machine {
  std::string id;
  std::string address;
  Metadata metadata;
};

/// The Node as a machine; nothing where it is none of fleet's: it has no systemd, or is not ready.
std::optional<Machine> machine_of(object::View node);
std::string machine_json(const Machine& machine);

/// One change of a PATCH.
struct MetadataChange {
  std::string machine_id;
  std::string key;
  std::optional<std::string> value;  ///< nothing: remove
};

/// Checks the whole body first. Code::malformed with fleet's sentence.
Result<std::vector<MetadataChange>> read_metadata_changes(std::string_view json);

}  // namespace tetrarch::api::fleet
