// SPDX-License-Identifier: Apache-2.0
// What a request is, as soon as its route is known: for the audit log and for fairness, which look
// before anything is served.
#pragma once

#include <string>

#include "api/kubernetes/routes.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// Whether the route is about objects of a kind; else about a path.
bool is_resource(Action action);

/// get, list, watch, create, update, patch, delete, deletecollection; for a path the method in
/// lower case.
std::string verb_of(const Match& match, const net::Request& request);

/// The answer stays open: a watch, a log, a stream to a container, a node's connection.
bool is_long_running(const Match& match, const net::Request& request);

}  // namespace tetrarch::api::kubernetes
