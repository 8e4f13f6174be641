// SPDX-License-Identifier: Apache-2.0
// Requests from many connections at once, each connection one after the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/io_pool.h"
#include "base/result.h"
#include "load/arguments.h"
#include "load/report.h"
#include "net/client.h"

namespace tetrarch::load {

/// One kept connection each: a client of its own per worker.
Result<std::vector<std::unique_ptr<net::Client>>> make_clients(const Arguments& arguments,
                                                               int count);

/// A JSON body of a pod that is placed already.
std::string pod_body(const Arguments& arguments, const std::string& name);

Result<Report> run_create(async::IoPool& pool, const Arguments& arguments, const std::string& run);
/// Gets one pod, or lists all of the namespace.
Result<Report> run_read(async::IoPool& pool,
                        const Arguments& arguments,
                        const std::string& run,
                        bool is_list);
/// Watchers of one ConfigMap that is updated at a steady rate; latencies are from before the update
/// is sent to the event's arrival at each watcher.
Result<Report> run_watch(async::IoPool& pool, const Arguments& arguments, const std::string& run);

}  // namespace tetrarch::load
