// SPDX-License-Identifier: Apache-2.0
// Spare buffers: what one connection has read into or sent from is lent to the next that reads or
// sends, so that thousands of idle connections hold none and busy ones use memory that is warm.
// Each thread keeps a few. Inside net only.
#pragma once

#include <cstddef>
#include <string>

namespace tetrarch::net {

/// The largest that is kept, and how many a thread keeps.
constexpr std::size_t kSpareBytesMax = 256 * 1024;
constexpr std::size_t kSparesMax = 8;

/// A buffer without storage of its own takes a spare's, if there is one of at most `bytes_max`,
/// so that who holds on to a little does not hold a lot. It stays empty.
void take_spare(std::string& buffer, std::size_t bytes_max = kSpareBytesMax);
/// Leaves `buffer` empty and without storage.
void give_spare(std::string& buffer);

}  // namespace tetrarch::net
