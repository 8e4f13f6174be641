// SPDX-License-Identifier: Apache-2.0
#include "agent/blob_server.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/blob_source.h"
#include "base/log.h"
#include "trust/identity.h"

namespace tetrarch::agent {
namespace {

constexpr std::int64_t kChunk = 256 * 1024;

bool is_node(const net::Peer& peer) {
  const auto& groups = peer.certificate_organizations;
  return peer.certificate_common_name.starts_with(trust::kNodeUserPrefix) &&
         std::find(groups.begin(), groups.end(), trust::kNodes) != groups.end();
}

Task<Status> refuse(net::Exchange& exchange, int status, std::string_view why) {
  net::Headers headers;
  headers.add("Content-Type", "text/plain");
  std::string text = fmt::format("{}\n", why);
  co_return co_await exchange.respond(status, std::move(headers), std::move(text));
}

Task<Status> copy(runtime::ContentReader& from, std::int64_t at, net::Exchange& to, Counter& sent) {
  while (at < from.size()) {
    const auto most = static_cast<std::size_t>(std::min(from.size() - at, kChunk));
    CO_TRY(const auto bytes, co_await from.read(at, most));
    if (bytes.empty()) {
      co_return Error{Code::unavailable, "the blob on disk is shorter than it was"};
    }
    net::Body body;
    body.pieces.emplace_back(bytes);
    CO_TRY_STATUS(co_await to.write(std::move(body)));
    sent.add(bytes.size());
    at += static_cast<std::int64_t>(bytes.size());
  }
  co_return co_await to.finish();
}

/// One stream for as long as it lives.
class Place {
 public:
  explicit Place(std::atomic<int>& taken) : taken_(taken), number_(++taken) {}

  ~Place() { --taken_; }

  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  bool is_within(int most) const { return number_ <= most; }

 private:
  std::atomic<int>& taken_;
  const int number_;
};

}  // namespace

BlobServer::BlobServer(async::IoPool& pool, runtime::Content& content, Metrics& metrics)
    : content_(content),
      sent_(metrics.counter("tetrarch_agent_blob_sent_bytes_total",
                            "Bytes of images that other machines fetched from this one.")),
      server_(pool, *this, net::ServerOptions{.name = "blobs"}) {}

Result<std::uint16_t> BlobServer::start(const std::string& address,
                                        std::uint16_t port,
                                        std::shared_ptr<net::TlsContext> tls) {
  TRY(const auto chosen, server_.listen(address, port, std::move(tls)));
  server_.run();
  is_running_ = true;
  return chosen;
}

Task<void> BlobServer::stop() {
  if (is_running_) {
    is_running_ = false;
    co_await server_.stop();
  }
}

Task<void> BlobServer::handle(net::Request request, net::Exchange& exchange) {
  const auto outcome = co_await serve(std::move(request), exchange);
  if (!outcome.ok()) {
    log::debug("agent", "a blob for another machine: {}", outcome.error().message);
  }
}

Task<Status> BlobServer::serve(net::Request request, net::Exchange& exchange) {
  if (!is_node(request.peer)) {
    co_return co_await refuse(exchange, 403, "this port is for nodes of the cluster alone");
  }
  if (request.method != "GET" || !request.path.starts_with(kPeerPath)) {
    co_return co_await refuse(exchange, 405, "this port knows GET of /blobs/<digest>");
  }
  const Place place(streams_);
  if (!place.is_within(kStreamsMax)) {
    co_return co_await refuse(exchange, 503, "it sends as much as it can already");
  }
  co_return co_await send(std::move(request), exchange);
}

/// Only what it keeps for the registry: not what its own pods have from elsewhere.
Task<Status> BlobServer::send(net::Request request, net::Exchange& exchange) {
  const auto digest = request.path.substr(kPeerPath.size());
  const auto info = co_await content_.find(digest);
  if (!info.ok() || !*info || !(*info)->labels.contains(runtime::kKeptLabel)) {
    co_return co_await refuse(exchange, 404, "it is not here");
  }
  const auto reader = co_await content_.open(digest);
  const auto begin = open_range(request.headers.get("Range"));
  if (!reader.ok()) {
    co_return co_await refuse(exchange, 404, "it is not here");
  }
  const auto size = (*reader)->size();
  if (!begin || *begin > size) {
    co_return co_await refuse(exchange, 416, "a range is bytes=N-");
  }
  net::Headers headers;
  headers.add("Content-Type", "application/octet-stream");
  headers.add("Content-Length", std::to_string(size - *begin));
  if (*begin > 0) {
    headers.add("Content-Range", fmt::format("bytes {}-{}/{}", *begin, size - 1, size));
  }
  CO_TRY_STATUS(co_await exchange.start(*begin > 0 ? 206 : 200, std::move(headers)));
  co_return co_await copy(**reader, *begin, exchange, sent_);
}

}  // namespace tetrarch::agent
