// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_openapi(Context& context) { co_return co_await respond_not_found(context); }

}  // namespace tetrarch::api::kubernetes
