// SPDX-License-Identifier: Apache-2.0
// Custom resource definitions: there are none, and none can be made. The list is answered all the
// same, outside discovery, because kubectl 1.35 reads it before it says that it does not know a
// kind. Seen: kubectl 1.35, `apply` of a kind that nobody has: an error here hides "no matches for
// kind".
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_definitions(Context& context) {
  if (context.request.method == "POST") {
    constexpr HttpError kMethodNotAllowed{405, "MethodNotAllowed"};
    co_return co_await respond_refusal(
        context,
        kMethodNotAllowed,
        "custom resource definitions cannot be created: this server has only kinds of its own");
  }
  if (context.request.parameter("watch")) {
    co_return co_await respond_not_found(context);
  }
  context.verb = "list";
  std::string body =
      R"({"kind":"CustomResourceDefinitionList","apiVersion":"apiextensions.k8s.io/v1",)"
      R"("metadata":{},"items":[]})"
      "\n";
  co_return co_await respond_json(context, 200, std::move(body));
}

}  // namespace tetrarch::api::kubernetes
