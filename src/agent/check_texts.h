// SPDX-License-Identifier: Apache-2.0
// What an HTTP check asks, and what a check that fails says, in the words of a kubelet: users and
// tools search events for them. Pure. Source: Kubernetes pkg/probe (1.35) and the texts of Go's net
// and net/http.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/system/error_code.hpp>

#include "object/document.h"

namespace tetrarch::agent {

/// "10.42.0.5:8080", "[fd00::1]:8080".
std::string authority(std::string_view host, int port);
/// Of an httpGet handler: "http://10.42.0.5:8080/healthz".
std::string url_of(object::View handler, std::string_view host, int port);

/// The request of an httpGet handler, whole. `agent` is the User-Agent where the handler has none.
std::string http_request(object::View handler,
                         std::string_view host,
                         int port,
                         std::string_view agent);

/// What Go says of a name without an address; that the look-up was aborted means that its time was
/// up.
std::string lookup_fault(std::string_view host, const boost::system::error_code& error);
/// What Go says of an operation that failed; that it was aborted means that its time was up.
std::string dial_fault(std::string_view authority, const boost::system::error_code& error);
/// Of a connection that stands and gives no answer.
std::string answer_fault(const boost::system::error_code& error);
/// Get "http://…": fault.
std::string get_fault(std::string_view url, std::string_view fault);
/// command "sleep 10" timed out
std::string command_timeout(const std::vector<std::string>& command);

}  // namespace tetrarch::agent
