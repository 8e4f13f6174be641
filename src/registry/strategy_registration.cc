// SPDX-License-Identifier: Apache-2.0
// APIServices. Source: kube-aggregator pkg/registry/apiservice/strategy.go, v1.35.
#include <fmt/format.h>

#include "registry/strategy.h"

namespace tetrarch::registry {

namespace {

/// What this server serves itself is there from the first moment on.
Status on_create_api_service(Write& write, Draft& draft) {
  if (draft.base()["spec"]["service"]) {
    return ok();
  }
  draft.set("status",
            fmt::format(R"({{"conditions":[{{"lastTransitionTime":"{}","message":"Local )"
                        R"(APIServices are always available","reason":"Local","status":"True",)"
                        R"("type":"Available"}}]}})",
                        write.now));
  return ok();
}

}  // namespace

Strategy api_services_strategy() {
  Strategy out;
  out.has_status = true;
  out.on_create = &on_create_api_service;
  return out;
}

}  // namespace tetrarch::registry
