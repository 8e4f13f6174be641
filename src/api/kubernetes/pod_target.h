// SPDX-License-Identifier: Apache-2.0
// Which container of which pod on which node a log, exec, attach or port-forward request means, and
// what is asked of that node's agent.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/kubernetes/context.h"
#include "async/task.h"
#include "client/client.h"
#include "net/http.h"
#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {

struct PodTarget {
  Stored pod;
  std::string container;  ///< empty for port-forward
  NodeName node;          ///< empty: not scheduled yet
};

/// The name of a container of the pod: the one asked for, or the only one.
/// Code::malformed with the sentence that kubectl shows where that is none or several.
Result<std::string> choose_container(object::View pod, std::string_view asked);

/// 403 unless the identity may do this to the subresource of the request.
Status authorize_subresource(const Context& context, std::string verb);

/// The server reads for streams itself: the user needs the right to the subresource only.
std::unique_ptr<client::Client> own_client(const Context& context);

/// Authorizes `verb` on the subresource and finds pod and container.
Task<Result<PodTarget>> find_target(Context& context, std::string verb, bool needs_container);

/// Begins `{"kind":…,"namespace":…,"pod":…,"uid":…,"container":…`; the caller adds members and the
/// brace.
void begin_reach_request(object::Writer& writer, std::string_view kind, const PodTarget& target);

/// A request that names a port and nothing else.
std::string port_request(std::string_view kind, const PodTarget& target, int port);

}  // namespace tetrarch::api::kubernetes
