// SPDX-License-Identifier: Apache-2.0
// BlobSource: a blob of the cluster's registry, as this node gets one: straight from another node
// that has it where that one can be dialled, else through a server. Whoever breaks off is followed
// by the next, from the byte where it stopped. What comes is checked by who keeps it: containerd
// looks at the digest. Used by ImageMirror and Blobs; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/client.h"
#include "net/tls.h"

namespace tetrarch::agent {

/// A node that has a blob, as a server names it in the header of kPeersHeader.
struct BlobPeer {
  std::string node;
  std::string url;  ///< https://address:port
  bool operator==(const BlobPeer&) const = default;
};

// Source: docs/adr/0051-blobs-between-machines.md.
inline constexpr std::string_view kPeersHeader = "Tetrarch-Peers";
inline constexpr std::string_view kPeerPath = "/blobs/";

/// "m1 https://10.0.0.1:6444, m2 https://…": in the order in which they are to be asked. Pure.
std::vector<BlobPeer> parse_peers(std::string_view header);

/// The begin of "bytes=N-"; 0 where there is no header. Nothing: another range. Pure.
std::optional<std::int64_t> open_range(std::string_view header);

struct BlobRequest {
  std::string target;  ///< at the servers: /v2/<repository>/blobs/<digest>
  std::string digest;
  std::int64_t begin = 0;
};

/// The bytes of one blob from BlobRequest::begin on.
class BlobStream {
 public:
  virtual ~BlobStream() = default;
  /// Of the whole blob.
  virtual std::int64_t size() const = 0;
  /// The next bytes; empty at the end. An error: nobody can go on.
  virtual Task<Result<std::string>> read() = 0;
};

class BlobSource {
 public:
  struct Parts {
    net::Client& servers;
    std::shared_ptr<net::TlsContext> tls;  ///< towards other nodes; null: only servers are asked
    const Clock& clock;
    Metrics& metrics;
    /// One that sends to many others just now is asked again after this.
    std::chrono::nanoseconds busy_pause = std::chrono::seconds(1);
  };

  explicit BlobSource(Parts parts);
  ~BlobSource();
  BlobSource(const BlobSource&) = delete;
  BlobSource& operator=(const BlobSource&) = delete;

  /// Code::not_found: the cluster has no such blob. The source outlives the stream.
  Task<Result<std::unique_ptr<BlobStream>>> open(BlobRequest request);

 private:
  class Reading;
  struct Known;
  using Answer = std::unique_ptr<net::ResponseStream>;

  std::shared_ptr<net::Client> client_of(const BlobPeer& peer);
  void note_silent(const BlobPeer& peer);
  Task<Result<Answer>> ask_peer(BlobPeer peer, std::string digest, std::int64_t begin);
  Task<Result<Answer>> ask_server(std::string target, std::int64_t begin);

  const Parts parts_;
  Counter& from_peers_;
  Counter& from_servers_;
  std::mutex mutex_;  // guards known_
  std::map<std::string, Known> known_;
};

}  // namespace tetrarch::agent
