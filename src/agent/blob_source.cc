// SPDX-License-Identifier: Apache-2.0
#include "agent/blob_source.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "async/timer.h"
#include "base/log.h"
#include "base/trim.h"
#include "trust/identity.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

constexpr const char* kBytes = "tetrarch_agent_blob_bytes_total";
constexpr const char* kBytesHelp = "Bytes of images that this machine fetched, by who sent them.";

/// A machine whose port is closed to us costs this much once a minute.
constexpr seconds kDialMax{2};
constexpr seconds kSilentFor{60};
constexpr seconds kPieceMax{20};
/// As often a busy one is asked, before a server has to do it.
constexpr int kBusyLooks = 5;
/// Clients that are kept for their connections.
constexpr std::size_t kKnownMax = 64;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool is_whole = error == std::errc() && end == text.data() + text.size() && out >= 0;
  return is_whole ? std::optional(out) : std::nullopt;
}

/// An answer that gives the bytes from `begin` on.
Status check_bytes(const net::ResponseStream& answer, std::int64_t begin) {
  const auto status = answer.status();
  if (status == 206 && begin > 0) {
    const auto range = answer.headers().get("Content-Range");
    return range.starts_with(fmt::format("bytes {}-", begin))
               ? ok()
               : Status(Error{Code::unavailable, fmt::format("it gives {}", range)});
  }
  if (status == 200 && begin == 0) {
    return ok();
  }
  return Error{status == 404   ? Code::not_found
               : status == 503 ? Code::exhausted
                               : Code::unavailable,
               fmt::format("it answers {}", status)};
}

net::ClientRequest get(std::string target, std::int64_t begin) {
  net::ClientRequest out;
  out.target = std::move(target);
  if (begin > 0) {
    out.headers.add("Range", fmt::format("bytes={}-", begin));
  }
  return out;
}

}  // namespace

std::vector<BlobPeer> parse_peers(std::string_view header) {
  std::vector<BlobPeer> out;
  while (!header.empty()) {
    const auto comma = header.find(',');
    const auto one = trim(header.substr(0, comma));
    const auto space = one.find(' ');
    if (space != std::string_view::npos) {
      out.push_back({std::string(one.substr(0, space)), std::string(trim(one.substr(space)))});
    }
    header.remove_prefix(comma == std::string_view::npos ? header.size() : comma + 1);
  }
  return out;
}

std::optional<std::int64_t> open_range(std::string_view header) {
  constexpr std::string_view kUnit = "bytes=";
  if (header.empty()) {
    return 0;
  }
  if (!header.starts_with(kUnit) || !header.ends_with('-')) {
    return std::nullopt;
  }
  return number(header.substr(kUnit.size(), header.size() - kUnit.size() - 1));
}

/// A client of another node, and until when it is not tried.
struct BlobSource::Known {
  std::string url;
  std::shared_ptr<net::Client> client;  // shared with the requests under way
  SteadyPoint silent_until = {};
};

/// Reads from one after the other: the peers, those that were busy again, then a server.
class BlobSource::Reading final : public BlobStream {
 public:
  Reading(BlobSource& source, BlobRequest request, std::int64_t size, std::vector<BlobPeer> peers)
      : source_(source), request_(std::move(request)), size_(size), peers_(std::move(peers)) {}

  std::int64_t size() const override { return size_; }

  Task<Result<std::string>> read() override {
    while (request_.begin < size_) {
      if (!answer_) {
        CO_TRY_STATUS(co_await open_next());
      }
      auto piece = co_await answer_->read();
      if (piece.ok() && !piece->empty()) {
        take(piece->size());
        co_return piece;
      }
      // It broke off: the next goes on. A server is the last.
      answer_.reset();
      if (is_server_) {
        co_return Error{Code::unavailable, "the blob broke off"};
      }
    }
    co_return std::string();
  }

  Task<Status> open_next() {
    for (int looks = 0; looks < kBusyLooks; ++looks) {
      co_await ask_peers();
      if (answer_) {
        co_return ok();
      }
      if (peers_.empty()) {
        break;
      }
      co_await async::sleep_for(source_.parts_.busy_pause);
    }
    is_server_ = true;
    CO_TRY(answer_, co_await source_.ask_server(request_.target, request_.begin));
    co_return ok();
  }

 private:
  /// Leaves those that may be asked again.
  Task<void> ask_peers() {
    auto peers = std::exchange(peers_, {});
    for (std::size_t at = 0; at < peers.size(); ++at) {
      auto answer = co_await source_.ask_peer(peers[at], request_.digest, request_.begin);
      if (answer.ok()) {
        answer_ = *std::move(answer);
        peers_.insert(
            peers_.end(), peers.begin() + static_cast<std::ptrdiff_t>(at) + 1, peers.end());
        co_return;
      }
      log::debug("agent", "blob of {}: {}", peers[at].node, answer.error().message);
      if (answer.error().code == Code::exhausted) {
        peers_.push_back(peers[at]);
      }
    }
  }

  void take(std::size_t size) {
    request_.begin += static_cast<std::int64_t>(size);
    (is_server_ ? source_.from_servers_ : source_.from_peers_).add(size);
  }

  BlobSource& source_;
  BlobRequest request_;  // its begin moves on
  const std::int64_t size_;
  std::vector<BlobPeer> peers_;  // those that have not been asked, or were busy
  Answer answer_;
  bool is_server_ = false;
};

BlobSource::BlobSource(Parts parts)
    : parts_(std::move(parts)),
      from_peers_(parts_.metrics.counter(kBytes, kBytesHelp, R"(from="machine")")),
      from_servers_(parts_.metrics.counter(kBytes, kBytesHelp, R"(from="server")")) {}

BlobSource::~BlobSource() = default;

Task<Result<std::unique_ptr<BlobStream>>> BlobSource::open(BlobRequest request) {
  net::ClientRequest ask;
  ask.method = "HEAD";
  ask.target = request.target;
  CO_TRY(const auto head, co_await parts_.servers.request(std::move(ask)));
  const auto size = number(head.headers.get("Content-Length"));
  if (head.status != 200 || !size) {
    co_return Error{head.status == 404 ? Code::not_found : Code::unavailable,
                    fmt::format("the server answers {}", head.status)};
  }
  if (request.begin > 0 && request.begin >= *size) {
    co_return Error{Code::invalid, fmt::format("the blob has {} bytes", *size)};
  }
  auto peers =
      parts_.tls == nullptr ? std::vector<BlobPeer>() : parse_peers(head.headers.get(kPeersHeader));
  auto reading = std::make_unique<Reading>(*this, std::move(request), *size, std::move(peers));
  CO_TRY_STATUS(co_await reading->open_next());
  co_return std::unique_ptr<BlobStream>(std::move(reading));
}

/// Null: it did not answer a moment ago, or its address is none.
std::shared_ptr<net::Client> BlobSource::client_of(const BlobPeer& peer) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kKnownMax && !known_.contains(peer.node)) {
    known_.clear();
  }
  auto& known = known_[peer.node];
  if (known.url != peer.url) {
    net::ClientOptions to;
    to.url = peer.url;
    // A user's name: whose client certificate must be shown (net/tls_engine.cc).
    to.tls_name = std::string(trust::kNodeUserPrefix) + peer.node;
    to.connect_limit = kDialMax;
    to.request_limit = kPieceMax;
    to.silence_limit = kPieceMax;
    to.response_bytes_max = std::uint64_t{1} << 50U;
    auto made = net::Client::make(std::move(to), parts_.tls, parts_.clock);
    known = {peer.url, made.ok() ? *std::move(made) : nullptr, {}};
  }
  return parts_.clock.steady() < known.silent_until ? nullptr : known.client;
}

void BlobSource::note_silent(const BlobPeer& peer) {
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(peer.node);
  if (at != known_.end()) {
    at->second.silent_until = parts_.clock.steady() + kSilentFor;
  }
}

Task<Result<BlobSource::Answer>> BlobSource::ask_peer(BlobPeer peer,
                                                      std::string digest,
                                                      std::int64_t begin) {
  const auto client = client_of(peer);
  if (!client) {
    co_return Error{Code::unavailable, "it did not answer a moment ago"};
  }
  auto request = get(std::string(kPeerPath) + digest, begin);
  auto answer = co_await client->stream(std::move(request));
  if (!answer.ok()) {
    note_silent(peer);
    co_return answer.error();
  }
  CO_TRY_STATUS(check_bytes(**answer, begin));
  co_return answer;
}

Task<Result<BlobSource::Answer>> BlobSource::ask_server(std::string target, std::int64_t begin) {
  auto request = get(std::move(target), begin);
  CO_TRY(auto answer, co_await parts_.servers.stream(std::move(request)));
  CO_TRY_STATUS(check_bytes(*answer, begin));
  co_return answer;
}

}  // namespace tetrarch::agent
