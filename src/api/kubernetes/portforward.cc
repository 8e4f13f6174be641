// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_portforward(Context& context) {
  context.verb = "connect";
  co_return Error{Code::unimplemented, "port-forward is not served yet"};
}

}  // namespace tetrarch::api::kubernetes
