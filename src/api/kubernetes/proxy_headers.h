// SPDX-License-Identifier: Apache-2.0
// What a request and its answer lose and gain when they are passed on. Pure.
// Source: k8s.io/apimachinery 1.35, pkg/util/proxy (transport.go, upgradeaware.go); Go's
// net/http/httputil.ReverseProxy; RFC 9110 section 7.6.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// `name`, `name:port` or `scheme:name:port`.
struct ProxyName {
  std::string scheme;  ///< http, https or empty
  std::string name;
  std::string port;  ///< a number or a name; empty: not given
};

std::optional<ProxyName> parse_proxy_name(std::string_view text);

/// The client wants the connection for another protocol.
bool wants_upgrade(const net::Headers& headers);

/// All but what concerns this connection (hop by hop, credentials, impersonation), and who asked:
/// X-Forwarded-For and X-Forwarded-Uri. An upgrade keeps its headers.
net::Headers forwarded_headers(const net::Request& request);

/// How an answer's Location is found again through us.
struct Way {
  std::string_view prefix;   ///< our path up to and with `proxy`
  std::string_view host;     ///< that the client asked for
  std::string_view backend;  ///< host:port of the one who answers
};

/// A path of the backend's becomes one of ours; relative ones and other hosts stay as they are.
std::string forwarded_location(std::string_view location, const Way& way);

/// All but what concerns the backend's connection; `is_upgrade` keeps the headers of the new
/// protocol. What the backend allows browsers on other sites is not ours to allow.
net::Headers forwarded_answer(const net::Headers& headers, bool is_upgrade);

/// The same with Location as clients of the proxy subresources need it.
net::Headers forwarded_answer(const net::Headers& headers, bool is_upgrade, const Way& way);

}  // namespace tetrarch::api::kubernetes
