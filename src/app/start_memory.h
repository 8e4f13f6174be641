// SPDX-License-Identifier: Apache-2.0
// What a process needs for its start alone: most of the code that it maps, and the heap of it. And
// what it needed for a moment later: free heap that the C library keeps.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace tetrarch::app {

struct Mapping {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// The mappings in the text of /proc/self/smaps (proc(5)) whose pages are all still those of a
/// file, and cannot be written to: code and constants.
std::vector<Mapping> clean_mappings(std::string_view smaps);

/// Lets go of such pages and of free heap. What is run again is mapped again when it is, from the
/// page cache, at the price of a minor fault. Any thread, at any time.
void give_back_start_memory();

/// All threads share two of the C library's heaps, where each would have its own: for a process
/// whose threads take turns at rare work that needs megabytes, as libnftables does for every
/// change, and which would hold those megabytes in every heap. Before other threads start.
void share_heaps();

/// Whether it is worth the walk through all of it: more than a little, and more than an eighth of
/// what is in use.
bool is_much_free(std::size_t free_bytes, std::size_t used_bytes);

/// Lets go of free heap where it is much; every minute or so. Any thread, at any time.
void give_back_free_heap();

}  // namespace tetrarch::app
