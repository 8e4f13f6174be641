// SPDX-License-Identifier: Apache-2.0
// Pulling a blob: from an agent that has it, over reach, to whoever asks; from the next where one
// breaks off. Source: OCI distribution specification 1.1, "Pulling blobs".
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "api/distribution/context.h"
#include "api/distribution/peers.h"
#include "api/distribution/ranges.h"
#include "async/timer.h"
#include "async/together.h"
#include "base/log.h"
#include "object/writer.h"

namespace tetrarch::api::distribution {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
/// How long an agent may take for its next bytes.
constexpr std::chrono::minutes kSilenceMax{1};

/// Those that say they have it, then those that are to have it.
std::vector<std::string> sources_of(const Stored& blob) {
  std::vector<std::string> out;
  for (const auto [node, since] : blob.root()["status"]["copies"].members()) {
    out.emplace_back(node);
  }
  for (const auto node : blob.root()["spec"]["nodes"].elements()) {
    if (std::find(out.begin(), out.end(), node.string()) == out.end()) {
      out.emplace_back(node.string());
    }
  }
  return out;
}

std::string get_request(std::string_view digest, ByteRange range) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().field("kind", "blob-get").field("digest", digest);
  writer.field("offset", range.begin).field("length", range.end - range.begin).end_object();
  return out;
}

Task<void> read_some(net::Stream& from, std::string& into, Result<std::size_t>& outcome) {
  outcome = co_await from.read(into.data(), into.size());
}

Task<void> expire() {
  co_await async::sleep_for(kSilenceMax);
}

/// Bytes from one node until it has no more; `range.begin` moves on. An error: of the client.
Task<Status> copy(net::Stream& from, Context& to, ByteRange& range) {
  std::string buffer(kChunk, '\0');
  while (range.begin < range.end) {
    Result<std::size_t> count = Error{Code::timeout, "it is silent"};
    co_await async::first_of(read_some(from, buffer, count), expire());
    if (!count.ok() || *count == 0) {
      co_return ok();
    }
    net::Body body;
    body.pieces.emplace_back(buffer.data(), *count);
    CO_TRY_STATUS(co_await to.exchange.write(std::move(body)));
    to.parts.relayed.add(*count);
    range.begin += static_cast<std::int64_t>(*count);
  }
  co_return ok();
}

struct Source {
  std::unique_ptr<net::Stream> stream;
  std::size_t next = 0;  ///< of the nodes, where this one breaks off
};

/// The first of the nodes, from `next` on, that has it.
Task<Result<Source>> open_source(Context& context,
                                 const std::vector<std::string>& nodes,
                                 std::size_t next,
                                 std::string request) {
  for (; next < nodes.size(); ++next) {
    auto stream = co_await context.parts.open(NodeName(nodes[next]), request);
    if (stream.ok()) {
      Source out{*std::move(stream), next + 1};
      co_return std::move(out);
    }
    log::debug("images", "node {}: {}", nodes[next], stream.error().message);
  }
  co_return Error{Code::unavailable, "no machine that has this blob answers"};
}

Task<Status> send_blob(
    Context& context, const Stored& blob, ByteRange range, int status, net::Headers headers) {
  const std::string digest(blob.root()["spec"]["digest"].string());
  const auto nodes = sources_of(blob);
  CO_TRY(auto source, co_await open_source(context, nodes, 0, get_request(digest, range)));
  CO_TRY_STATUS(co_await start(context, status, std::move(headers)));
  context.visit.started(status);
  while (true) {
    auto copied = co_await copy(*source.stream, context, range);
    source.stream->close();
    CO_TRY_STATUS(std::move(copied));
    if (range.begin == range.end) {
      co_return co_await context.exchange.finish();
    }
    const auto next = source.next;
    CO_TRY(source, co_await open_source(context, nodes, next, get_request(digest, range)));
  }
}

Task<Status> answer_blob(Context& context, const Stored& blob) {
  const auto size = blob.root()["spec"]["sizeBytes"].integer();
  const auto wanted = parse_range(context.request.headers.get("Range"), size);
  auto headers = common_headers();
  headers.add("Accept-Ranges", "bytes");
  if (wanted.is_unsatisfiable) {
    headers.add("Content-Range", fmt::format("bytes */{}", size));
    co_return co_await answer(context,
                              416,
                              std::move(headers),
                              error_text(kRangeInvalid, fmt::format("it has {} bytes", size)));
  }
  const auto range = wanted.part.value_or(ByteRange{0, size});
  if (wanted.part) {
    headers.add("Content-Range", fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, size));
  }
  headers.add("Content-Type", "application/octet-stream");
  headers.add("Content-Length", std::to_string(range.end - range.begin));
  headers.add("Docker-Content-Digest", context.route.rest);
  headers.add("ETag", fmt::format("\"{}\"", context.route.rest));
  const int status = wanted.part ? 206 : 200;
  if (context.request.method == "HEAD") {
    if (auto peers = co_await peers_of(context, blob); !peers.empty()) {
      headers.add(std::string(kPeersHeader), std::move(peers));
    }
    CO_TRY_STATUS(co_await start(context, status, std::move(headers)));
    co_return co_await context.exchange.finish();
  }
  co_return co_await send_blob(context, blob, range, status, std::move(headers));
}

}  // namespace

Task<bool> gives_blob(Context& context, std::string node, std::string digest) {
  const ByteRange nothing{0, 0};
  auto request = get_request(digest, nothing);
  const auto stream = co_await context.parts.open(NodeName(std::move(node)), std::move(request));
  if (stream.ok()) {
    (*stream)->close();
  }
  co_return stream.ok();
}

Task<bool> is_given(Context& context, const Stored& blob) {
  const std::string digest(blob.root()["spec"]["digest"].string());
  for (auto& node : sources_of(blob)) {
    const bool is_there = co_await gives_blob(context, std::move(node), digest);
    if (is_there) {
      co_return true;
    }
  }
  co_return false;
}

Task<Status> serve_blob(Context& context) {
  const auto& method = context.request.method;
  if (method != "GET" && method != "HEAD") {
    co_return co_await refuse(
        context, kUnsupported, "blobs are not deleted: they go when no manifest names them");
  }
  if (!is_digest(context.route.rest)) {
    co_return co_await refuse(
        context, kDigestInvalid, "a digest is sha256: and 64 hexadecimal digits in lower case");
  }
  Key key{std::string(kBlobs), "", blob_name(context.route.rest)};
  const auto blob = co_await context.objects.get(std::move(key));
  if (!blob.ok() && blob.error().code == Code::not_found) {
    co_return co_await refuse(context, kBlobUnknown, "there is no such blob");
  }
  if (!blob.ok()) {
    co_return blob.error();
  }
  CO_TRY_STATUS(co_await take_mark_off(context, *blob));
  if (method == "HEAD" && !is_node(context.identity)) {
    // Who asks means to leave out a push.
    const bool is_there = co_await is_given(context, *blob);
    if (!is_there) {
      co_return co_await refuse(
          context, kBlobUnknown, "no machine that has this blob answers: push it again");
    }
  }
  co_return co_await answer_blob(context, *blob);
}

}  // namespace tetrarch::api::distribution
