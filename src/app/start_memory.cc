// SPDX-License-Identifier: Apache-2.0
#include "app/start_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <malloc.h>
#include <sstream>
#include <string>

#include <sys/mman.h>

#include "base/log.h"

namespace tetrarch::app {
namespace {

/// "55d0-55e0 r-xp 00001000 fe:00 1234  /usr/lib/x.so": begin and end where it is a file's and not
/// writable; else an empty mapping.
Mapping unwritable_file(std::string_view line) {
  Mapping out;
  const auto* const text_end = line.data() + line.size();
  const auto dash = std::from_chars(line.data(), text_end, out.begin, 16).ptr;
  const auto blank = std::from_chars(dash + 1, text_end, out.end, 16).ptr;
  const std::string_view rest(blank, static_cast<std::size_t>(text_end - blank));
  const bool is_private_unwritable = rest.starts_with(" r-xp") || rest.starts_with(" r--p");
  return is_private_unwritable && rest.find(" /") != std::string_view::npos ? out : Mapping{};
}

/// Source: proc(5): in this order, "Anonymous:   0 kB" and some lines later "Swap:   0 kB".
bool is_zero(std::string_view line) {
  return line.ends_with(" 0 kB");
}

/// Header lines begin with an address, the lines below with a name in capitals.
bool is_header(std::string_view line) {
  const auto dash = line.find('-');
  return dash != std::string_view::npos && dash < line.find(' ');
}

}  // namespace

std::vector<Mapping> clean_mappings(std::string_view smaps) {
  std::vector<Mapping> out;
  Mapping current;
  bool is_unchanged = false;
  while (!smaps.empty()) {
    const auto line = smaps.substr(0, smaps.find('\n'));
    smaps.remove_prefix(std::min(smaps.size(), line.size() + 1));
    if (is_header(line)) {
      current = unwritable_file(line);
      is_unchanged = false;
    } else if (line.starts_with("Anonymous:")) {
      is_unchanged = is_zero(line);
    } else if (line.starts_with("Swap:") && is_zero(line) && is_unchanged && current.end > 0) {
      out.push_back(current);  // what was changed and is in swap does not count as anonymous
    }
  }
  return out;
}

void give_back_start_memory() {
  ::malloc_trim(0);
  const std::ifstream file("/proc/self/smaps");
  std::ostringstream text;
  text << file.rdbuf();
  for (const auto& mapping : clean_mappings(text.str())) {
    auto* begin = reinterpret_cast<void*>(mapping.begin);
    // Source: madvise(2): pages of a file are read from it again. None of these was changed.
    if (::madvise(begin, mapping.end - mapping.begin, MADV_DONTNEED) != 0) {
      log::debug("app", "memory of the start is kept");
      return;
    }
  }
}

void share_heaps() {
  ::mallopt(M_ARENA_MAX, 2);
}

bool is_much_free(std::size_t free_bytes, std::size_t used_bytes) {
  constexpr std::size_t kLittle = std::size_t{2} << 20;
  return free_bytes > kLittle && free_bytes > used_bytes / 8;
}

void give_back_free_heap() {
  const auto heap = ::mallinfo2();
  if (is_much_free(heap.fordblks, heap.uordblks)) {
    ::malloc_trim(0);
  }
}

}  // namespace tetrarch::app
