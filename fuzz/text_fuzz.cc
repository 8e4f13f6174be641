// SPDX-License-Identifier: Apache-2.0
// Any text in the small encodings: refused, or the same after another round.
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "input.h"
#include "net/url.h"

using namespace tetrarch;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::Input(data, size).rest();
  CHECK(*base64_decode(base64_encode(text)) == text);
  CHECK(*base64url_decode(base64url_encode(text)) == text);
  CHECK(*percent_decode(percent_encode(text), true) == text);
  if (const auto bytes = base64_decode(text); bytes.ok()) {
    CHECK(*base64_decode(base64_encode(*bytes)) == *bytes);
  }
  if (const auto bytes = base64url_decode(text); bytes.ok()) {
    CHECK(*base64url_decode(base64url_encode(*bytes)) == *bytes);
  }
  static_cast<void>(percent_decode(text, false));
  if (const auto time = parse_time(text); time.ok()) {
    const auto again = parse_time(format_micro_time(*time));
    CHECK(again.ok() && *again == *time);
  }
  if (const auto url = net::parse_url(text); url.ok()) {
    CHECK(!url->host.empty());
  }
  return 0;
}
