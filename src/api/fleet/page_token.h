// SPDX-License-Identifier: Apache-2.0
// Where a list goes on. Source: fleet reference, section 2 (paging).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::api::fleet {

/// How many items a page has; clients may ask for no other number.
inline constexpr std::size_t kPageSize = 100;

/// A page, counted from 1.
struct PageToken {
  std::uint16_t limit = kPageSize;
  std::uint16_t page = 1;

  std::string text() const;
};

/// Empty text: the first page. Code::malformed with fleet's sentence for what is no token.
Result<PageToken> read_page_token(std::string_view text);

/// The items of a page, of so many.
struct Page {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string next = {};  ///< the token of the next page; empty: this is the last
};

/// A page that is just full has a next one, though it may be empty: fleet's clients know it so.
Page page_of(PageToken token, std::size_t items);

}  // namespace tetrarch::api::fleet
