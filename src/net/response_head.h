// SPDX-License-Identifier: Apache-2.0
// What the heads of responses have in common in every version of HTTP. Inside net only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http.h"

namespace tetrarch::net {

/// A header's value cannot end its line: what could becomes a space.
void append_clean(std::string& out, std::string_view text);

/// The first line, `date` and the headers; further ones and the empty line are the caller's.
void begin_head(std::string& head, int status, std::string_view date, const Headers& headers);

std::uint64_t size_of(const Body& body);

/// Source: RFC 9110 section 8.6: these have no content and no Content-Length.
bool has_no_content(int status);

/// The text of the Date header, made anew once a second. One strand.
class DateText {
 public:
  std::string_view at(TimePoint now);

 private:
  std::string text_;
  std::int64_t second_ = -1;
};

}  // namespace tetrarch::net
