// SPDX-License-Identifier: Apache-2.0
// RemoteApi: one version of a group that another server serves behind this one, as its APIService
// says it and as it was last seen. Immutable once it is published.
#pragma once

#include <memory>
#include <string>

#include "object/document.h"
#include "object/stored.h"

namespace tetrarch::net {
class TlsContext;
}

namespace tetrarch::api::kubernetes {

struct RemoteApi {
  std::string name;  ///< of the APIService: v1.example.com
  std::string group;
  std::string version;
  int group_priority = 0;
  int version_priority = 0;
  std::string service_ns;
  std::string service;
  int port = 443;
  std::string ca_pem;            ///< empty: the certificates of the system count
  bool trusts_anybody = false;   ///< whatever certificate is shown
  std::string unavailable = {};  ///< why nothing is passed on; empty: it is

  /// What connections are made with; null: its caBundle cannot be read.
  std::shared_ptr<net::TlsContext> tls = nullptr;  // shared with connections under way
  /// The newest APIResourceList that it gave; null: it never did.
  DocumentPtr resources = nullptr;
  bool is_fresh = false;         ///< it was given at the last try
  std::string openapi_url = {};  ///< of its own version 3 document; empty: it has none

  /// What is known of it is what it has now.
  bool is_current() const { return is_fresh && unavailable.empty(); }

  /// host:port, of its certificate and of requests.
  std::string host() const;
  std::string server_name() const;
  /// /apis/example.com/v1
  std::string root() const;
};

/// Of an APIService with a service. What was seen of its server is not in there.
RemoteApi read_remote(const Stored& api_service);
/// The same server, asked the same way.
bool is_same_place(const RemoteApi& a, const RemoteApi& b);

}  // namespace tetrarch::api::kubernetes
