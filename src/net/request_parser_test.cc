// SPDX-License-Identifier: Apache-2.0
// The parsers alone, with bytes cut at every place: what arrives is the same.
#include "net/request_parser.h"

#include <gtest/gtest.h>

#include "net/response_parser.h"

namespace tetrarch::net {
namespace {

/// Feeds the first `cut` bytes, then one byte more at a time. The error that is left.
template <class Parser>
boost::system::error_code feed(Parser& parser, std::string_view bytes, std::size_t cut) {
  boost::system::error_code error;
  std::size_t begin = 0;
  for (std::size_t end = cut; end <= bytes.size() && !parser.is_done(); ++end) {
    while (begin < end && !parser.is_done()) {
      error = {};
      begin += parser.put(boost::asio::const_buffer(bytes.data() + begin, end - begin), error);
      if (error) {
        break;
      }
    }
    if (error && error != boost::beast::http::error::need_more) {
      return error;
    }
  }
  return error;
}

TEST(RequestParser, TakesARequestCutAtAnyPlace) {
  struct Row {
    std::string_view bytes;
    std::string_view body;
  };

  constexpr Row kRows[] = {
      {"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
      {"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
       "hi"},
      {"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nh\r\n1\r\ni\r\n"
       "0;c\r\nTrailer: t\r\n\r\n",
       "hi"},
      {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "hi"},
      {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", ""},
  };
  for (const auto& row : kRows) {
    for (std::size_t cut = 1; cut <= row.bytes.size(); ++cut) {
      RequestParser parser(ParseLimits{});
      feed(parser, row.bytes, cut);
      ASSERT_TRUE(parser.is_done()) << row.bytes << " cut at " << cut;
      EXPECT_EQ(parser.request().path, "/x");
      EXPECT_EQ(parser.request().body, row.body);
    }
  }
}

TEST(RequestParser, RefusesBrokenChunksCutAtAnyPlace) {
  for (const std::string_view chunks : {"zz\r\n",
                                        "2\r\nhixxxx\r\n",
                                        "0\r\nno field\r\n\r\n",
                                        "1\r\na\r\n0\rx\r\n\r\n",
                                        "ffffffffffffffffff\r\n"}) {
    const auto bytes =
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(chunks);
    for (std::size_t cut = 1; cut <= bytes.size(); ++cut) {
      RequestParser parser(ParseLimits{});
      const auto error = feed(parser, bytes, cut);
      EXPECT_FALSE(parser.is_done()) << chunks << " cut at " << cut;
      EXPECT_NE(error, boost::beast::http::error::need_more) << chunks << " cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace tetrarch::net
