// SPDX-License-Identifier: Apache-2.0
// The ready endpoints behind a service, for whoever passes requests on. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.h"
#include "object/document.h"

namespace tetrarch::api::kubernetes {

/// One address behind a service, and the pod that is said to have it.
struct Endpoint {
  std::string address;
  int port = 0;
  std::string pod_ns;  ///< empty: no pod is named
  std::string pod;
};

/// What a service's slices are found by.
client::ListQuery slices_of(std::string_view ns, std::string_view service);
/// The ready ones of a slice, at the TCP port of that name.
void add_endpoints(object::View slice, std::string_view port_name, std::vector<Endpoint>& out);
bool has_address(object::View pod, std::string_view address);
/// The name of the service's port of that number.
std::optional<std::string> name_of_port(object::View service, std::int64_t number);

/// Whether the server may connect to an address that an object names. Loopback, link-local,
/// unspecified and multicast addresses are the server's own affairs.
/// Source: Kubernetes pkg/apis/core/validation, ValidateNonSpecialIP, v1.35.
bool may_be_dialled(const std::string& address);

}  // namespace tetrarch::api::kubernetes
