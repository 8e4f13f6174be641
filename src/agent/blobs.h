// SPDX-License-Identifier: Apache-2.0
// This node's share of the cluster's image registry: takes blobs that servers send, gives out those
// that it has, and keeps what the feed says it is to keep (ImageBlob.spec.nodes): fetches what is
// missing, says so (status.copies), and drops what it is not to keep any more. On the agent's
// strand, but for serve_put and serve_get.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "agent/blob_source.h"
#include "agent/objects.h"
#include "agent/runtime/content.h"
#include "agent/stray_blobs.h"
#include "async/timer.h"
#include "base/clock.h"
#include "base/random.h"
#include "client/client.h"
#include "net/http.h"

namespace tetrarch::agent {

inline constexpr std::string_view kImageBlobs = "imageblobs.images.tetrarch.dev";

class Blobs {
 public:
  struct Parts {
    runtime::Content& content;
    client::Client& client;
    BlobSource* source;  ///< of the cluster's registry; null: nothing is fetched
    const Objects& objects;
    const Clock& clock;
    Random& random;
    std::string node;
  };

  explicit Blobs(Parts parts) : parts_(std::move(parts)) {}

  /// {"kind":"blob-put"}: pieces behind the answer line, as api/distribution/uploads.cc writes
  /// them; then a line that says whether it is kept.
  Task<void> serve_put(net::Stream& stream);
  /// {"kind":"blob-get","digest":…,"offset":…,"length":…}: the bytes behind the answer line.
  Task<void> serve_get(object::View request, net::Stream& stream);

  /// The feed has brought something.
  void wake() { changed_.raise(); }

  /// Until cancelled.
  Task<void> keep();

 private:
  Task<bool> hold_all();
  Task<Status> hold(Stored blob);
  Task<Status> fetch(std::string digest, std::int64_t size);
  Task<Status> report(Stored blob);
  Task<void> drop_others();

  Parts parts_;
  async::Event changed_;
  std::set<std::string> held_;  ///< digests that have been seen to be here
  StrayBlobs strays_;
};

}  // namespace tetrarch::agent
