// SPDX-License-Identifier: Apache-2.0
#include "agent/stray_blobs.h"

#include "reach/blob_times.h"

namespace tetrarch::agent {
namespace {

/// What was written down, and is no more, was given up: only the feed may be late.
constexpr std::chrono::minutes kGivenUpMax{1};

/// Kept again, it has another time.
std::string kept_at(const runtime::ContentInfo& info) {
  const auto at = info.labels.find(runtime::kKeptLabel);
  return at == info.labels.end() ? "" : at->second;
}

}  // namespace

std::vector<std::string> StrayBlobs::look(const std::vector<runtime::ContentInfo>& kept,
                                          const Digests& wanted,
                                          TimePoint now) {
  std::vector<std::string> out;
  std::map<std::string, Stray> strays;
  std::map<std::string, std::string> named;
  goes_soon_ = false;
  for (const auto& info : kept) {
    auto time = kept_at(info);
    if (wanted.contains(info.digest)) {
      named[info.digest] = std::move(time);
      continue;
    }
    const auto known = named_.find(info.digest);
    const bool was_named = known != named_.end() && known->second == time;
    const auto before = strays_.find(info.digest);
    const bool is_same = before != strays_.end() && before->second.kept_at == time;
    const auto since = is_same ? before->second.since : now;
    const std::chrono::minutes patience = was_named ? kGivenUpMax : reach::kBlobStrayMax;
    if (now - since >= patience) {
      out.push_back(info.digest);
      continue;
    }
    strays[info.digest] = {since, time};
    if (was_named) {
      named[info.digest] = std::move(time);
      goes_soon_ = true;
    }
  }
  strays_ = std::move(strays);
  named_ = std::move(named);
  return out;
}

}  // namespace tetrarch::agent
