// SPDX-License-Identifier: Apache-2.0
// Builds the index of a Document in one pass over its bytes. Private to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "object/document.h"

namespace tetrarch::object {

/// Of bytes that are known to be canonical; ends the process where they are not even JSON.
std::unique_ptr<DocumentIndex> build_index(std::string_view canonical);

/// Of valid JSON; nullptr where it is not canonical (white space, an unusual spelling of a number
/// or an escape, a member twice), so that it has to be printed anew.
std::unique_ptr<DocumentIndex> build_index_if_canonical(std::string_view valid_json);

}  // namespace tetrarch::object
