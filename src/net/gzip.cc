// SPDX-License-Identifier: Apache-2.0
#include "net/gzip.h"

#include <array>
#include <zlib.h>

#include "base/check.h"
#include "base/trim.h"

namespace tetrarch::net {
namespace {

// Source: zlib.h, deflateInit2: 15 bits of window, 16 more for a gzip header.
constexpr int kWindowBits = 15 + 16;
constexpr int kMemoryLevel = 8;

/// `q=0`, `q=0.0` …: the client does not want it.
bool is_refusal(std::string_view parameters) {
  const auto at = parameters.find("q=");
  return at != std::string_view::npos &&
         parameters.find_first_not_of("0. \t", at + 2) == std::string_view::npos;
}

}  // namespace

struct Gzip::Impl {
  z_stream stream{};
};

Gzip::Gzip() : impl_(std::make_unique<Impl>()) {
  CHECK(deflateInit2(&impl_->stream,
                     Z_BEST_SPEED,
                     Z_DEFLATED,
                     kWindowBits,
                     kMemoryLevel,
                     Z_DEFAULT_STRATEGY) == Z_OK);
}

Gzip::~Gzip() {
  deflateEnd(&impl_->stream);
}

void Gzip::run(std::string_view bytes, int flush, std::string& out) {
  auto& stream = impl_->stream;
  // zlib reads it only; its interface is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::array<char, 16 * 1024> made;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(made.data());
    stream.avail_out = static_cast<uInt>(made.size());
    CHECK(deflate(&stream, flush) != Z_STREAM_ERROR);
    out.append(made.data(), made.size() - stream.avail_out);
  } while (stream.avail_out == 0);
}

void Gzip::add(std::string_view bytes, std::string& out) {
  run(bytes, Z_NO_FLUSH, out);
}

void Gzip::finish(std::string& out) {
  run({}, Z_FINISH, out);
}

bool accepts_gzip(const Headers& headers) {
  for (auto rest : headers.all("Accept-Encoding")) {
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      const auto clause = rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      const auto semicolon = std::min(clause.find(';'), clause.size());
      if (equals_ignoring_case(trim(clause.substr(0, semicolon)), "gzip")) {
        return !is_refusal(clause.substr(semicolon));
      }
    }
  }
  return false;
}

}  // namespace tetrarch::net
