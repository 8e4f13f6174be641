// SPDX-License-Identifier: Apache-2.0
#include "base/encoding.h"

#include <array>
#include <ostream>

#include <gtest/gtest.h>

namespace tetrarch {
namespace {

struct Base64Row {
  std::string_view plain;
  std::string_view standard;
  std::string_view url;
};

// Source: RFC 4648 section 10, and bytes whose text differs between the alphabets.
constexpr auto kBase64 = std::to_array<Base64Row>({
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
});

TEST(Base64, HasAStandardAndAUrlForm) {
  for (const auto& row : kBase64) {
    EXPECT_EQ(base64_encode(row.plain), row.standard);
    EXPECT_EQ(base64url_encode(row.plain), row.url);
    EXPECT_EQ(*base64_decode(row.standard), row.plain);
    EXPECT_EQ(*base64url_decode(row.url), row.plain);
  }
}

TEST(Base64, CarriesEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
  }

  EXPECT_EQ(*base64_decode(base64_encode(all)), all);
  EXPECT_EQ(*base64url_decode(base64url_encode(all)), all);
}

TEST(Base64, SkipsLineBreaksAsInPem) {
  EXPECT_EQ(*base64_decode("Zm9v\r\nYmFy\n"), "foobar");
}

TEST(Base64, IsRefusedWhereItIsNone) {
  for (const std::string_view text :
       {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Zm9v!", "Zm 9v", "-__-", "=Zg="}) {
    const auto bytes = base64_decode(text);
    ASSERT_FALSE(bytes.ok()) << text;
    EXPECT_EQ(bytes.error().message, "illegal base64 data");
    EXPECT_EQ(bytes.error().code, Code::malformed);
  }
  for (const std::string_view text : {"Z", "Zg==", "+//+", "Zm9vY"}) {
    EXPECT_FALSE(base64url_decode(text).ok()) << text;
  }
}

TEST(Hex, IsLowerCase) {
  EXPECT_EQ(hex_encode(std::string_view("\x00\x7f\xab\xff", 4)), "007fabff");
}

struct PercentRow {
  std::string_view text;
  bool plus_is_space;
  std::string_view decoded;
};

TEST(PercentEncoding, IsDecodedAsAPathOrAsAQuery) {
  for (const auto& row : {PercentRow{"a%20b", false, "a b"},
                          PercentRow{"a+b", false, "a+b"},
                          PercentRow{"a+b", true, "a b"},
                          PercentRow{"%2B", true, "+"},
                          PercentRow{"%c3%A9", false, "\xc3\xa9"},
                          PercentRow{"100%25", false, "100%"},
                          PercentRow{"", true, ""}}) {
    EXPECT_EQ(*percent_decode(row.text, row.plus_is_space), row.decoded);
  }
}

TEST(PercentEncoding, IsRefusedWhereAnEscapeIsBroken) {
  for (const std::string_view text : {"%", "%2", "a%", "%zz", "%2g", "%%20", "% 20"}) {
    const auto decoded = percent_decode(text, false);
    ASSERT_FALSE(decoded.ok()) << text;
    EXPECT_EQ(decoded.error().message, "invalid URL escape in \"" + std::string(text) + "\"");
  }
}

TEST(PercentEncoding, LeavesOnlyTheUnreservedAsTheyAre) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/c?d&e=f+g%\xff"), "a%20b%2Fc%3Fd%26e%3Df%2Bg%25%FF");
}

}  // namespace
}  // namespace tetrarch
