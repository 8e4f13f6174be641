// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/proxy_headers.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace tetrarch::api::kubernetes {
namespace {

constexpr auto kHopByHop = std::to_array<std::string_view>({"Connection",
                                                            "Proxy-Connection",
                                                            "Keep-Alive",
                                                            "Proxy-Authenticate",
                                                            "Proxy-Authorization",
                                                            "TE",
                                                            "Trailer",
                                                            "Transfer-Encoding",
                                                            "Upgrade"});

/// What was for us: credentials (Source: Kubernetes apiserver, WithAuthentication and
/// WithImpersonation take them off), and what the server has acted on already.
constexpr auto kOurs =
    std::to_array<std::string_view>({"Authorization", "Host", "Content-Length", "Expect"});
constexpr std::string_view kImpersonate = "Impersonate-";
constexpr auto kSaidByUs = std::to_array<std::string_view>({"X-Forwarded-For", "X-Forwarded-Uri"});

/// Of an answer: what would allow other sites more than this server does, and what it says itself.
constexpr auto kLeftOut = std::to_array<std::string_view>({"Date",
                                                           "Access-Control-Allow-Credentials",
                                                           "Access-Control-Allow-Headers",
                                                           "Access-Control-Allow-Methods",
                                                           "Access-Control-Allow-Origin"});

template <std::size_t n>
bool is_one_of(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [name](std::string_view one) {
    return net::equals_ignoring_case(one, name);
  });
}

/// Also what the Connection header names.
bool is_hop_by_hop(const net::Headers& headers, std::string_view name) {
  return is_one_of(kHopByHop, name) || headers.has_word("Connection", name);
}

bool is_ours(std::string_view name) {
  const auto start = name.substr(0, kImpersonate.size());
  return is_one_of(kOurs, name) || net::equals_ignoring_case(start, kImpersonate);
}

/// The address without its port.
std::string_view address_of(std::string_view peer) {
  auto out = peer.substr(0, peer.rfind(':'));
  if (out.size() > 1 && out.front() == '[' && out.back() == ']') {
    out = out.substr(1, out.size() - 2);
  }
  return out;
}

std::string forwarded_for(const net::Request& request) {
  std::string out;
  for (const auto before : request.headers.all("X-Forwarded-For")) {
    out += std::string(before) + ", ";
  }
  return out + std::string(address_of(request.peer.address));
}

/// A URL in its parts; `host` empty: there is none.
struct Parts {
  std::string_view scheme;
  std::string_view host;
  std::string_view rest;  ///< path, query and fragment
};

Parts split_url(std::string_view url) {
  Parts out;
  const auto colon = url.find(':');
  const auto is_letter = [](unsigned char c) { return std::isalnum(c) != 0; };
  if (colon != std::string_view::npos && colon > 0 &&
      std::all_of(url.begin(), url.begin() + static_cast<std::ptrdiff_t>(colon), is_letter)) {
    out.scheme = url.substr(0, colon);
    url.remove_prefix(colon + 1);
  }
  if (url.substr(0, 2) == "//") {
    const auto end = url.find_first_of("/?#", 2);
    out.host = url.substr(2, end == std::string_view::npos ? end : end - 2);
    url = end == std::string_view::npos ? std::string_view{} : url.substr(end);
  }
  out.rest = url;
  return out;
}

}  // namespace

// Source: k8s.io/apimachinery 1.35, pkg/util/net, SplitSchemeNamePort.
std::optional<ProxyName> parse_proxy_name(std::string_view text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  ProxyName out;
  switch (parts.size()) {
    case 1:
      out.name = parts[0];
      break;
    case 2:
      out.name = parts[0];
      out.port = parts[1];
      break;
    case 3:
      out = {parts[0], parts[1], parts[2]};
      break;
    default:
      return std::nullopt;
  }
  const bool is_known = out.scheme.empty() || out.scheme == "http" || out.scheme == "https";
  return is_known && !out.name.empty() ? std::optional(std::move(out)) : std::nullopt;
}

bool wants_upgrade(const net::Headers& headers) {
  return headers.has_word("Connection", "upgrade") && headers.contains("Upgrade");
}

net::Headers forwarded_headers(const net::Request& request) {
  net::Headers out;
  out.add("Host", std::string(request.headers.get("Host")));
  for (const auto& header : request.headers.list()) {
    if (!is_hop_by_hop(request.headers, header.name) && !is_ours(header.name) &&
        !is_one_of(kSaidByUs, header.name)) {
      out.add(header.name, header.value);
    }
  }
  out.add("X-Forwarded-For", forwarded_for(request));
  out.add("X-Forwarded-Uri", request.path);
  if (wants_upgrade(request.headers)) {
    out.add("Connection", "Upgrade");
    out.add("Upgrade", std::string(request.headers.get("Upgrade")));
  } else {
    out.add("Connection", "close");  // a stream of reach is for one request
  }
  return out;
}

std::string forwarded_location(std::string_view location, const Way& way) {
  const auto url = split_url(location);
  const bool is_elsewhere = !url.host.empty() && url.host != way.host && url.host != way.backend;
  if (is_elsewhere || url.rest.substr(0, 1) != "/") {
    return std::string(location);
  }
  // Where the backend names the host that the client asked for, scheme and host stay.
  std::string out;
  if (!url.host.empty() && url.host == way.host) {
    out = std::string(url.scheme) + (url.scheme.empty() ? "//" : "://") + std::string(url.host);
  }
  if (url.rest.substr(0, way.prefix.size()) != way.prefix) {
    out += way.prefix;
  }
  return out += url.rest;
}

net::Headers forwarded_answer(const net::Headers& headers, bool is_upgrade) {
  net::Headers out;
  for (const auto& header : headers.list()) {
    if (!is_hop_by_hop(headers, header.name) && !is_one_of(kLeftOut, header.name)) {
      out.add(header.name, header.value);
    }
  }
  if (is_upgrade) {
    out.add("Connection", "Upgrade");
    out.add("Upgrade", std::string(headers.get("Upgrade")));
  }
  return out;
}

net::Headers forwarded_answer(const net::Headers& headers, bool is_upgrade, const Way& way) {
  const auto kept = forwarded_answer(headers, is_upgrade);
  net::Headers out;
  for (const auto& header : kept.list()) {
    const bool is_location = net::equals_ignoring_case(header.name, "Location");
    out.add(header.name, is_location ? forwarded_location(header.value, way) : header.value);
  }
  return out;
}

}  // namespace tetrarch::api::kubernetes
