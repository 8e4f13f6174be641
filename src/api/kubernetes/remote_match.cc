// SPDX-License-Identifier: Apache-2.0
// Source: k8s.io/apiserver pkg/endpoints/request/requestinfo.go, v1.35.
#include "api/kubernetes/remote_match.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kMethods = "GET POST PUT PATCH DELETE HEAD OPTIONS";
constexpr Route kRemote{kMethods, "/apis/{group}/{version}/{path}", Action::remote};
constexpr Route kRemoteRoot{kMethods, "/apis/{group}/{version}", Action::remote_root};

/// What a server may resolve to another path than the one that we have looked at.
bool is_ambiguous(const std::string& segment, bool may_hold_slashes) {
  std::string_view rest = segment;
  if (!may_hold_slashes && rest.find('/') != std::string_view::npos) {
    return true;
  }
  while (true) {
    const auto end = rest.find('/');
    const auto part = rest.substr(0, end);
    if (part == "." || part == ".." || part.find('\\') != std::string_view::npos) {
      return true;
    }
    if (end == std::string_view::npos) {
      return false;
    }
    rest.remove_prefix(end + 1);
  }
}

bool is_of_namespace_itself(std::string_view part) {
  return part == "status" || part == "finalize";
}

}  // namespace

Match describe_remote(const std::vector<std::string>& segments) {
  Match out;
  out.route = segments.empty() ? &kRemoteRoot : &kRemote;
  std::size_t at = 0;
  const auto left = [&] { return segments.size() - at; };
  if (left() > 1 && segments[at] == "watch") {
    out.is_watch = true;
    ++at;
  }
  if (left() > 1 && segments[at] == "namespaces") {
    out.ns = segments[at + 1];
    at += left() > 2 && !is_of_namespace_itself(segments[at + 2]) ? 2 : 0;
  }
  const auto take = [&] { return left() > 0 ? segments[at++] : std::string(); };
  out.resource = take();
  out.name = take();
  out.subresource = take();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (is_ambiguous(segments[i], i >= at)) {
      out.route = nullptr;
    }
  }
  return out;
}

Result<Match> match_remote(std::string_view path,
                           const Aggregator& aggregator,
                           std::shared_ptr<const RemoteApi>& remote) {
  constexpr std::string_view kApis = "apis";
  TRY(auto segments, split_path(path));
  if (segments.size() < 3 || segments[0] != kApis) {
    return Match{};
  }
  auto found = aggregator.find(segments[1], segments[2]);
  if (!found) {
    return Match{};
  }
  segments.erase(segments.begin(), segments.begin() + 3);
  auto out = describe_remote(segments);
  if (path.find("//") != std::string_view::npos) {
    out.route = nullptr;  // how many segments that is, servers do not agree on
  }
  out.group = found->group;
  out.version = found->version;
  remote = std::move(found);
  return out;
}

}  // namespace tetrarch::api::kubernetes
