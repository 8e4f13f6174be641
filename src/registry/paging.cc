// SPDX-License-Identifier: Apache-2.0
#include "registry/paging.h"

#include "base/encoding.h"
#include "object/document.h"
#include "object/writer.h"
#include "registry/errors.h"

namespace tetrarch::registry {

namespace {

// Source: the shape that clients see in metadata.continue, base64 of {"v","rv","start"}; clients
// treat it as opaque.
constexpr std::string_view kTokenVersion = "meta.k8s.io/v1";

}  // namespace

std::string ContinueToken::text() const {
  std::string json;
  object::Writer out(json);
  out.begin_object().field("v", kTokenVersion);
  out.key("rv").unsigned_integer(revision);
  out.field("start", ns + "/" + name).end_object();
  return base64url_encode(json);
}

Result<ContinueToken> ContinueToken::parse(std::string_view text) {
  const auto refused = bad_request("continue key is not valid: the token was not issued here");
  const auto json = base64url_decode(text);
  if (!json.ok()) {
    return refused;
  }
  const auto document = Document::parse(*json);
  if (!document.ok()) {
    return refused;
  }
  const auto root = (*document)->root();
  const auto start = root["start"].string();
  const auto slash = start.find('/');
  const auto revision = root["rv"].integer(-1);
  if (root["v"].string() != kTokenVersion || slash == std::string_view::npos || revision < 0) {
    return refused;
  }
  ContinueToken out;
  out.revision = static_cast<std::uint64_t>(revision);
  out.ns = start.substr(0, slash);
  out.name = start.substr(slash + 1);
  return out;
}

void PagedSnapshots::keep(const store::Snapshot& snapshot) {
  const std::lock_guard lock(mutex_);
  kept_.insert_or_assign(snapshot.revision().number, Kept{snapshot, clock_.steady()});
  drop_old();
}

std::optional<store::Snapshot> PagedSnapshots::find(std::uint64_t revision) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(revision);
  if (found == kept_.end() ||
      clock_.steady() - found->second.last_use > options_.paged_snapshot_age_max) {
    return std::nullopt;
  }
  return found->second.snapshot;
}

void PagedSnapshots::drop_old() {
  const auto now = clock_.steady();
  std::erase_if(kept_, [&](const auto& each) {
    return now - each.second.last_use > options_.paged_snapshot_age_max;
  });
  while (kept_.size() > options_.paged_snapshots_max) {
    kept_.erase(kept_.begin());
  }
}

}  // namespace tetrarch::registry
