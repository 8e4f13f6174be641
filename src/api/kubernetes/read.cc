// SPDX-License-Identifier: Apache-2.0
// get and list; a list that asks for a watch becomes one.
#include "api/kubernetes/parameters.h"
#include "api/kubernetes/serve.h"
#include "api/kubernetes/watch.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_get(Context& context) {
  registry::ReadAt at;
  at.resource_version = text_parameter(context.request, "resourceVersion");
  CO_TRY(auto object, co_await context.parts.registry.get(context.call(), std::move(at)));
  co_return co_await respond_object(context, 200, std::move(object));
}

Task<Status> serve_list(Context& context) {
  CO_TRY(auto parameters, list_parameters(context.request));
  if (parameters.is_watch) {
    context.verb = "watch";
    co_return co_await serve_watch(context, std::move(parameters));
  }
  CO_TRY(auto page,
         co_await context.parts.registry.list(context.call(), std::move(parameters.list)));
  co_return co_await respond_list(context, std::move(page));
}

Task<Status> serve_legacy_watch(Context& context) {
  CO_TRY(auto parameters, list_parameters(context.request));
  parameters.is_watch = true;
  if (!context.match.name.empty()) {
    auto& fields = parameters.list.select.fields;
    fields += (fields.empty() ? "metadata.name=" : ",metadata.name=") + context.match.name;
    context.match.name.clear();
  }
  context.verb = "watch";
  co_return co_await serve_watch(context, std::move(parameters));
}

}  // namespace tetrarch::api::kubernetes
