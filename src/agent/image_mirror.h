// SPDX-License-Identifier: Apache-2.0
// The registry that this node's containerd asks first: a listener on loopback that passes what it
// is asked to the cluster's registry (GET and HEAD of /v2/), and fetches blobs from the machines
// that have them (blob_source.h). What the cluster does not know is 404 here, and containerd goes
// on to the registries behind. Made by the agent; it answers nobody who does not show the word that
// stands in containerd's settings, which root alone can read.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/blob_source.h"
#include "async/io_pool.h"
#include "base/random.h"
#include "net/client.h"
#include "net/server.h"

namespace tetrarch::agent {

/// Another registry that stands in for one.
struct RegistryMirror {
  std::string url;
  std::string authorization = {};  ///< the header that it is shown; empty: none
};

/// Which registries stand in for which: "docker.io" to them, in order; "*" for all others.
using RegistryMirrors = std::map<std::string, std::vector<RegistryMirror>>;

/// The text of a hosts.toml of containerd: the cluster's registry, then `mirrors`. Pure.
std::string hosts_file(std::uint16_t port,
                       std::string_view word,
                       const std::vector<RegistryMirror>& mirrors);

/// What a request asks of a blob from some byte on; nothing: it asks for something else. Pure.
std::optional<BlobRequest> blob_request(const net::Request& request);

class ImageMirror final : public net::Handler {
 public:
  /// `servers` and `blobs` outlive it.
  ImageMirror(async::IoPool& pool, net::Client& servers, BlobSource& blobs, Random& random);

  /// Listens, and writes containerd's settings into `registries`.
  Status start(const std::filesystem::path& registries, const RegistryMirrors& mirrors);
  Task<void> stop();

  Task<void> handle(net::Request request, net::Exchange& exchange) override;

 private:
  Task<Status> pass_on(net::Request request, net::Exchange& exchange);
  Task<Status> send_blob(BlobRequest wanted, net::Request request, net::Exchange& exchange);

  net::Client& servers_;
  BlobSource& blobs_;
  const std::string word_;
  net::Server server_;
  bool is_running_ = false;
};

}  // namespace tetrarch::agent
