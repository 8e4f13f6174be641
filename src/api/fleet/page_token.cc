// SPDX-License-Identifier: Apache-2.0
#include "api/fleet/page_token.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace tetrarch::api::fleet {
namespace {

constexpr std::size_t kTokenBytes = 4;
constexpr unsigned int kByteBits = 8;

std::uint16_t little_endian(std::string_view bytes) {
  const auto low = static_cast<unsigned char>(bytes[0]);
  const auto high = static_cast<unsigned char>(bytes[1]);
  return static_cast<std::uint16_t>(low | (high << kByteBits));
}

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

}  // namespace

std::string PageToken::text() const {
  std::string bytes;
  for (const std::uint16_t number : {limit, page}) {
    bytes += static_cast<char>(number & 0xff);
    bytes += static_cast<char>(number >> kByteBits);
  }
  return base64url_encode(bytes) + "==";  // four bytes always need both
}

Result<PageToken> read_page_token(std::string_view text) {
  if (text.empty()) {
    return PageToken{};
  }
  if (!text.ends_with("==")) {
    return malformed("unable to decode page token: wrong padding");
  }
  const auto bytes = base64url_decode(text.substr(0, text.size() - 2));
  if (!bytes) {
    return malformed("unable to decode page token: " + bytes.error().message);
  }
  if (bytes->size() != kTokenBytes) {
    return malformed("unable to decode page token: it has " + std::to_string(bytes->size()) +
                     " bytes, not 4");
  }
  const PageToken token{little_endian(*bytes), little_endian(bytes->substr(2))};
  if (token.limit != kPageSize) {
    return malformed("token limit must be 100");
  }
  if (token.page == 0) {
    return malformed("token page must be greater than zero");
  }
  return token;
}

Page page_of(PageToken token, std::size_t items) {
  const std::size_t begin = std::min(items, (std::size_t{token.page} - 1) * token.limit);
  const std::size_t end = std::min(items, begin + token.limit);
  Page page{begin, end};
  if (end - begin == token.limit && token.page < UINT16_MAX) {
    page.next = PageToken{token.limit, static_cast<std::uint16_t>(token.page + 1)}.text();
  }
  return page;
}

}  // namespace tetrarch::api::fleet
