// SPDX-License-Identifier: Apache-2.0
#include "net/spdy_codec.h"

#include <array>
#include <zlib.h>

#include "base/check.h"

namespace tetrarch::net::spdy {
namespace {

/// Longest control or data frame we take; clients send data in pieces of at most 32 KB.
constexpr std::size_t kFrameMax = 1024 * 1024;
constexpr std::size_t kHeaderBytesMax = 256 * 1024;
constexpr std::size_t kHeadersMax = 200;

// Source: Draft 3.1, section 2.6.10.1: the words, each behind its length as four bytes …
constexpr auto kWords = std::to_array<std::string_view>({
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
});

// … and the text behind them.
constexpr std::string_view kText =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 "
    "Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, "
    "GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/"
    "plain,"
    "text/"
    "javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq="
    "0.";

Bytef* bytes_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(
      const_cast<char*>(text.data()));  // NOLINT: zlib's old signature; it only reads
}

Error bad(std::string_view what) {
  return {Code::malformed, "SPDY: " + std::string(what)};
}

/// One length and that many bytes.
Result<std::string_view> take_text(std::string_view& rest) {
  if (rest.size() < 4) {
    return bad("a header block is cut off");
  }
  const std::size_t size = read_u32(rest, 0);
  if (rest.size() - 4 < size) {
    return bad("a header block is cut off");
  }
  const auto text = rest.substr(4, size);
  rest.remove_prefix(4 + size);
  return text;
}

Result<Headers> parse_pairs(std::string_view rest) {
  if (rest.size() < 4) {
    return bad("a header block is cut off");
  }
  const auto count = read_u32(rest, 0);
  rest.remove_prefix(4);
  Headers headers;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY(const auto name, take_text(rest));
    TRY(const auto value, take_text(rest));
    if (headers.list().size() >= kHeadersMax) {
      return bad("too many headers");
    }
    headers.add(std::string(name), std::string(value));
  }
  return headers;
}

}  // namespace

const std::string& dictionary() {
  static const std::string made = [] {
    std::string out;
    for (const auto word : kWords) {
      append_u32(out, static_cast<std::uint32_t>(word.size()));
      out += word;
    }
    return out + std::string(kText);
  }();
  return made;
}

void append_u32(std::string& out, std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out += static_cast<char>(value >> shift & 0xFFU);
  }
}

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::string control_frame(Type type, std::uint8_t flags, std::string_view payload) {
  std::string out;
  out.reserve(8 + payload.size());
  append_u32(out, 0x80030000U | static_cast<std::uint32_t>(type));
  append_u32(out,
             static_cast<std::uint32_t>(flags) << 24U | static_cast<std::uint32_t>(payload.size()));
  out += payload;
  return out;
}

std::string data_head(std::uint32_t stream, std::uint8_t flags, std::size_t size) {
  std::string out;
  append_u32(out, stream & 0x7FFFFFFFU);
  append_u32(out, static_cast<std::uint32_t>(flags) << 24U | static_cast<std::uint32_t>(size));
  return out;
}

Result<std::optional<Frame>> Decoder::next() {
  const auto in = std::string_view(buffer_).substr(begin_);
  if (in.size() < 8) {
    return std::optional<Frame>{};
  }
  const auto first = read_u32(in, 0);
  const auto second = read_u32(in, 4);
  const std::size_t size = second & 0xFFFFFFU;
  if (size > kFrameMax) {
    return bad("a frame is larger than " + std::to_string(kFrameMax) + " bytes");
  }
  const bool is_control = (first & 0x80000000U) != 0;
  if (is_control && (first >> 16U & 0x7FFFU) != 3) {
    return bad("a frame is not of version 3");
  }
  if (is_control && (first & 0xFFFFU) == 0) {
    return bad("a control frame has no type");  // ours for data: it would pass for such
  }
  if (in.size() - 8 < size) {
    return std::optional<Frame>{};
  }
  Frame frame;
  frame.type = is_control ? static_cast<Type>(first & 0xFFFFU) : Type::data;
  frame.flags = static_cast<std::uint8_t>(second >> 24U);
  frame.stream = is_control ? 0 : first;
  frame.payload = in.substr(8, size);
  begin_ += 8 + size;
  if (begin_ == buffer_.size() || begin_ > 64 * 1024) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  return std::optional<Frame>(std::move(frame));
}

struct HeaderBlocks::Streams {
  z_stream in{};
  z_stream out{};
};

HeaderBlocks::HeaderBlocks() : streams_(std::make_unique<Streams>()) {
  CHECK(inflateInit(&streams_->in) == Z_OK);
  CHECK(deflateInit(&streams_->out, Z_BEST_SPEED) == Z_OK);
  CHECK(deflateSetDictionary(&streams_->out,
                             bytes_of(dictionary()),
                             static_cast<uInt>(dictionary().size())) == Z_OK);
}

HeaderBlocks::~HeaderBlocks() {
  inflateEnd(&streams_->in);
  deflateEnd(&streams_->out);
}

Result<Headers> HeaderBlocks::decode(std::string_view block) {
  auto& z = streams_->in;
  z.next_in = bytes_of(block);
  z.avail_in = static_cast<uInt>(block.size());
  std::string plain;
  std::array<char, 4096> chunk{};
  while (true) {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = chunk.size();
    const int outcome = inflate(&z, Z_SYNC_FLUSH);
    if (outcome == Z_NEED_DICT) {
      if (inflateSetDictionary(
              &z, bytes_of(dictionary()), static_cast<uInt>(dictionary().size())) != Z_OK) {
        return bad("header blocks use another dictionary");
      }
      continue;
    }
    plain.append(chunk.data(), chunk.size() - z.avail_out);
    if (plain.size() > kHeaderBytesMax) {
      return bad("a header block is too large");
    }
    if (outcome != Z_OK && outcome != Z_BUF_ERROR) {
      return bad("a header block cannot be decompressed");
    }
    if (z.avail_out > 0) {
      return parse_pairs(plain);
    }
  }
}

std::string HeaderBlocks::encode(const Headers& headers) {
  std::string plain;
  append_u32(plain, static_cast<std::uint32_t>(headers.list().size()));
  for (const auto& header : headers.list()) {
    append_u32(plain, static_cast<std::uint32_t>(header.name.size()));
    plain += header.name;
    append_u32(plain, static_cast<std::uint32_t>(header.value.size()));
    plain += header.value;
  }
  auto& z = streams_->out;
  z.next_in = bytes_of(plain);
  z.avail_in = static_cast<uInt>(plain.size());
  std::string out;
  std::array<char, 1024> chunk{};
  do {
    z.next_out = reinterpret_cast<Bytef*>(chunk.data());
    z.avail_out = chunk.size();
    CHECK(deflate(&z, Z_SYNC_FLUSH) != Z_STREAM_ERROR);
    out.append(chunk.data(), chunk.size() - z.avail_out);
  } while (z.avail_out == 0);
  return out;
}

}  // namespace tetrarch::net::spdy
