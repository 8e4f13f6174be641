// SPDX-License-Identifier: Apache-2.0
// The actions of the route table. Each answers the exchange, or returns the error that the driver
// answers with.
#pragma once

#include "api/kubernetes/context.h"
#include "async/task.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_collection(Context& context);
Task<Status> serve_object(Context& context);
Task<Status> serve_subresource(Context& context);
Task<Status> serve_legacy_watch(Context& context);

Task<Status> serve_get(Context& context);
Task<Status> serve_list(Context& context);
Task<Status> serve_create(Context& context);
Task<Status> serve_update(Context& context);
Task<Status> serve_patch(Context& context);
Task<Status> serve_delete(Context& context);
Task<Status> serve_delete_collection(Context& context);

Task<Status> serve_document(Context& context);
Task<Status> serve_openapi(Context& context);
Task<Status> serve_definitions(Context& context);
Task<Status> serve_health(Context& context);
Task<Status> serve_metrics(Context& context);
Task<Status> serve_openid(Context& context);

Task<Status> serve_log(Context& context);
Task<Status> serve_exec(Context& context);
Task<Status> serve_portforward(Context& context);
Task<Status> serve_proxy(Context& context);
Task<Status> serve_remote(Context& context);
/// To context.remote, without a question whether that may be.
Task<Status> pass_on(Context& context);

Task<Status> serve_join(Context& context);
Task<Status> serve_feed(Context& context);
Task<Status> serve_reach(Context& context);
Task<Status> serve_backup(Context& context);

}  // namespace tetrarch::api::kubernetes
