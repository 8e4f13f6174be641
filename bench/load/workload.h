// SPDX-License-Identifier: Apache-2.0
// Requests from many connections at once, each connection one after the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/result.h"
#include "load/arguments.h"
#include "load/report.h"
#include "net/client.h"

namespace tetrarch::load {

/// One kept connection each: a client of its own per worker.
Result<std::vector<std::unique_ptr<net::Client>>> make_clients(const Arguments& arguments,
                                                               int count);

net::ClientRequest json_request(std::string method, std::string target, std::string body);
void wait_until_empty(const async::TaskGroup& group);

/// A JSON body of a pod that is placed already; stored it has about 2.2 KB.
std::string pod_body(const Arguments& arguments, const std::string& name);

Result<Report> run_create(async::IoPool& pool, const Arguments& arguments, const std::string& run);
/// Gets one pod.
Result<Report> run_get(async::IoPool& pool, const Arguments& arguments, const std::string& run);
/// Lists all pods of the namespace, of which there are `arguments.objects`; what comes is counted
/// and dropped.
Result<Report> run_list(async::IoPool& pool, const Arguments& arguments, const std::string& run);
/// Watchers of one ConfigMap that is updated at a steady rate; latencies are from before the update
/// is sent to the event's arrival at each watcher.
Result<Report> run_watch(async::IoPool& pool, const Arguments& arguments, const std::string& run);

}  // namespace tetrarch::load
