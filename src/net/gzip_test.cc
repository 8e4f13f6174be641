// SPDX-License-Identifier: Apache-2.0
#include "net/gzip.h"

#include <zlib.h>

#include <gtest/gtest.h>

namespace tetrarch::net {
namespace {

std::string unzip(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1024 * 1024 * 8, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Gzip, MakesWhatUnzipsToTheSame) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) {
    text += std::to_string(i * 7919) + ",";
  }
  Gzip gzip;
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += 100'003) {
    gzip.add(std::string_view(text).substr(at, 100'003), out);
  }
  EXPECT_GT(out.size(), 0U) << "it does not keep all to the end";
  gzip.finish(out);

  EXPECT_LT(out.size(), text.size() / 2);
  EXPECT_EQ(unzip(out), text);
}

TEST(Gzip, MakesAnEmptyStream) {
  Gzip gzip;
  std::string out;
  gzip.finish(out);

  EXPECT_EQ(unzip(out), "");
}

struct AcceptRow {
  std::string_view name;
  std::vector<std::string> headers;
  bool is_accepted;
};

void PrintTo(const AcceptRow& row, std::ostream* out) {
  *out << row.name;
}

class AcceptsGzipTest : public ::testing::TestWithParam<AcceptRow> {};

TEST_P(AcceptsGzipTest, ReadsTheHeader) {
  Headers headers;
  for (const auto& value : GetParam().headers) {
    headers.add("Accept-Encoding", value);
  }
  EXPECT_EQ(accepts_gzip(headers), GetParam().is_accepted);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         AcceptsGzipTest,
                         ::testing::Values(AcceptRow{"none", {}, false},
                                           AcceptRow{"gzip", {"gzip"}, true},
                                           AcceptRow{"among", {"deflate, GZIP;q=0.5, br"}, true},
                                           AcceptRow{"second_header", {"br", "gzip"}, true},
                                           AcceptRow{"other", {"br, x-gzip, gzipped"}, false},
                                           AcceptRow{"refused", {"gzip;q=0"}, false},
                                           AcceptRow{"refused_at_length", {"gzip; q=0.000"}, false},
                                           AcceptRow{"hardly", {"gzip;q=0.001"}, true},
                                           AcceptRow{"empty", {"", ",,"}, false}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace tetrarch::net
