// SPDX-License-Identifier: Apache-2.0
// Requests from many connections at once, each connection one after the other.
#pragma once

#include <functional>
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

/// What `arguments.mode` says, with names of its own for what it makes.
Result<Report> run(async::IoPool& pool, const Arguments& arguments);

/// One kept connection each: a client of its own per worker.
Result<std::vector<std::unique_ptr<net::Client>>> make_clients(const Arguments& arguments,
                                                               int count);

/// The body of a PATCH is a merge patch.
net::ClientRequest json_request(std::string method, std::string target, std::string body);
void wait_until_empty(const async::TaskGroup& group);

using RequestOf = std::function<net::ClientRequest(int)>;
/// Sends requests 0 to `arguments.requests` over `arguments.connections`.
Result<Report> run_requests(async::IoPool& pool,
                            const Arguments& arguments,
                            const RequestOf& request_of);
std::string pods_path(const Arguments& arguments);

/// Ends the pods of a run at once, those that are there; with --keep, none.
Status clean_up(async::IoPool& pool, const Arguments& arguments, const std::string& run);

/// A JSON body of a pod on `arguments.node`, or on none where that is empty; stored it has about
/// 2.2 KB.
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

/// Pods that the scheduler places on `arguments.nodes` hollow nodes; latencies are from before the
/// create is sent to the event of a watcher that shows the pod on a node.
Result<Report> run_bind(async::IoPool& pool, const Arguments& arguments, const std::string& run);
/// The same where all pods wait, and then one of the nodes is opened; latencies are from that.
Result<Report> run_backlog(async::IoPool& pool, const Arguments& arguments, const std::string& run);

/// Pods one after the other on a cluster that runs them; latencies are from the create's
/// acknowledgement to the event of a watcher that shows the pod running.
Result<Report> run_run(async::IoPool& pool, const Arguments& arguments, const std::string& run);

}  // namespace tetrarch::load
