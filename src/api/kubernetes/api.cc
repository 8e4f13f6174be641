// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/api.h"

#include <algorithm>
#include <memory>

#include <fmt/core.h>

#include "api/kubernetes/aggregator.h"
#include "api/kubernetes/answer.h"
#include "api/kubernetes/context.h"
#include "api/kubernetes/deprecations.h"
#include "api/kubernetes/documents.h"
#include "api/kubernetes/groups.h"
#include "api/kubernetes/impersonate.h"
#include "api/kubernetes/remote_match.h"
#include "api/kubernetes/request_verb.h"
#include "api/kubernetes/serve.h"
#include "base/log.h"
#include "net/gzip.h"

namespace tetrarch::api::kubernetes {
namespace {

/// Longer ids of clients are replaced by one of ours.
constexpr std::size_t kAuditIdMax = 128;

/// Source: Kubernetes documentation, "Auditing": a client may name its request by this header.
std::string audit_id_of(const net::Headers& headers, Random& random) {
  const auto given = headers.get("Audit-ID");
  return given.empty() || given.size() > kAuditIdMax ? make_uuid(random) : std::string(given);
}

bool is_open_to_all(Action action) {
  // Ours: the issue's rule is that anonymous reaches health and version only; Kubernetes binds
  // roles for the same.
  return action == Action::health || action == Action::version || action == Action::join;
}

/// The token of `Authorization: Bearer …`; empty: none.
std::string bearer_of(const net::Headers& headers) {
  constexpr std::string_view kScheme = "bearer ";
  auto value = headers.get("Authorization");
  if (value.size() <= kScheme.size() ||
      !net::equals_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    return "";
  }
  value.remove_prefix(kScheme.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return std::string(value);
}

trust::Identity anonymous() {
  trust::Identity out;
  out.user = trust::kAnonymous;
  out.groups = {std::string(trust::kUnauthenticated)};
  return out;
}

Task<Result<trust::Identity>> authenticate(const Context& context) {
  const auto& peer = context.request.peer;
  auto token = bearer_of(context.request.headers);
  if (peer.certificate_common_name.empty() && token.empty()) {
    if (peer.is_certificate_refused || !context.request.headers.get("Authorization").empty()) {
      co_return Error{Code::unauthenticated, "Unauthorized"};
    }
    co_return anonymous();
  }
  auto found = co_await context.parts.authenticate(peer, std::move(token));
  if (!found.ok()) {
    log::debug("api", "a request of {} is refused: {}", peer.address, found.error().message);
    co_return Error{Code::unauthenticated, "Unauthorized"};
  }
  co_return found;
}

Task<Status> refuse_media(Context& context) {
  constexpr HttpError kNotAcceptable{406, "NotAcceptable"};
  co_return co_await respond_refusal(
      context, kNotAcceptable, "only the following media types are accepted: application/json");
}

/// Where no kind has that resource: forbidden to those who may not ask, else not found.
Task<Status> refuse_unknown(Context& context) {
  registry::Attributes asked;
  asked.verb = "get";
  asked.group = context.match.group;
  asked.version = context.match.version;
  asked.resource = context.match.resource;
  asked.subresource = context.match.subresource;
  asked.ns = context.match.ns;
  asked.name = context.match.name;
  CO_TRY_STATUS(context.parts.registry.authorize(context.identity, asked));
  co_return co_await respond_not_found(context);
}

bool fits_scope(const Match& match, const schema::Kind& kind) {
  const bool is_named =
      match.route->action != Action::collection && match.route->action != Action::watch_collection;
  if (!match.ns.empty()) {
    return kind.is_namespaced;
  }
  return !kind.is_namespaced || !is_named;
}

/// What is answered is not ours to put into a form.
bool is_stream(Action action) {
  return action == Action::log || action == Action::exec || action == Action::attach ||
         action == Action::portforward || action == Action::proxy;
}

Task<Status> serve_resource(Context& context) {
  auto& match = context.match;
  context.kind = context.parts.catalog.by_plural(match.group, match.version, match.resource);
  if (context.kind == nullptr || context.kind->plural.empty() ||
      !fits_scope(match, *context.kind)) {
    context.kind = nullptr;
    co_return co_await refuse_unknown(context);
  }
  if (const auto warning = deprecation_of(*context.kind); !warning.empty()) {
    context.warnings.emplace_back(warning);
  }
  const auto form = negotiate(accept_of(context.request), context.kind->has_verb("list"));
  if (!form && !is_stream(match.route->action)) {
    co_return co_await refuse_media(context);
  }
  context.representation = form.value_or(Representation{});
  switch (match.route->action) {
    case Action::collection:
      co_return co_await serve_collection(context);
    case Action::object:
      co_return co_await serve_object(context);
    case Action::subresource:
      co_return co_await serve_subresource(context);
    case Action::log:
      co_return co_await serve_log(context);
    case Action::exec:
    case Action::attach:
      co_return co_await serve_exec(context);
    case Action::portforward:
      co_return co_await serve_portforward(context);
    case Action::proxy:
      co_return co_await serve_proxy(context);
    default:
      co_return co_await serve_legacy_watch(context);
  }
}

Task<Status> serve_path(Context& context) {
  const auto action = context.match.route->action;
  if (!is_open_to_all(action) && action != Action::feed && action != Action::reach) {
    CO_TRY_STATUS(authorize_path(context));
  }
  switch (action) {
    case Action::health:
      co_return co_await serve_health(context);
    case Action::metrics:
      co_return co_await serve_metrics(context);
    case Action::openid_configuration:
    case Action::openid_keys:
      co_return co_await serve_openid(context);
    case Action::openapi_v2:
    case Action::openapi_v3_index:
    case Action::openapi_v3:
      co_return co_await serve_openapi(context);
    case Action::definitions:
      co_return co_await serve_definitions(context);
    case Action::join:
      co_return co_await serve_join(context);
    case Action::feed:
      co_return co_await serve_feed(context);
    case Action::reach:
      co_return co_await serve_reach(context);
    case Action::backup:
      co_return co_await serve_backup(context);
    default:
      co_return co_await serve_document(context);
  }
}

void begin_audit(Context& context, const trust::Identity& asker) {
  if (context.audit != nullptr) {
    context.audit->begin(asker, context.match, context.request);
  }
}

FlowRequest flow_request(const Context& context, std::string_view verb) {
  const auto& match = context.match;
  FlowRequest out{context.identity, verb};
  out.is_resource = match.route != nullptr && is_resource(match.route->action);
  out.group = match.group;
  out.resource = match.resource;
  out.subresource = match.subresource;
  // Source: Kubernetes apiserver, RequestInfo: a namespace is in itself.
  const bool is_namespace = match.group.empty() && match.resource == "namespaces";
  out.ns = is_namespace ? match.name : match.ns;
  out.path = context.request.path;
  return out;
}

/// Its place among all requests. Health is asked for by who decides whether we live.
Task<Status> take_seat(Context& context) {
  const auto& match = context.match;
  auto& fairness = context.parts.fairness;
  const auto verb = verb_of(match, context.request);
  const auto asked = flow_request(context, verb);
  context.flow = fairness.classify(asked);
  if (match.route != nullptr && match.route->action == Action::health) {
    co_return ok();
  }
  if (is_long_running(match, context.request)) {
    CO_TRY(context.stream, fairness.open_stream(context.identity.user));
  }
  if (fairness.try_enter(context.flow, context.seat)) {
    co_return ok();
  }
  auto distinguisher = distinguisher_of(context.flow.schema(), asked);
  CO_TRY(context.seat, co_await fairness.wait(context.flow, std::move(distinguisher)));
  co_return ok();
}

/// Source: Kubernetes documentation, "API Priority and Fairness", diagnostics.
void add_flow(const Context& context, net::Headers& headers) {
  if (!context.flow.is_known() || context.flow.schema().uid.empty()) {
    return;
  }
  headers.add("X-Kubernetes-PF-FlowSchema-UID", context.flow.schema().uid);
  headers.add("X-Kubernetes-PF-PriorityLevel-UID", context.flow.level().uid);
}

bool is_passed_on(const Match& match, const RemoteApi* remote) {
  return remote != nullptr || (match.route != nullptr && match.route->action == Action::proxy);
}

/// What is asked for; a version that another server serves is not looked for among our paths.
Result<Match> find_match(std::string_view path,
                         const Aggregator* aggregator,
                         std::shared_ptr<const RemoteApi>& remote) {
  if (aggregator != nullptr && aggregator->has_remotes()) {
    TRY(auto match, match_remote(path, *aggregator, remote));
    if (remote) {
      return match;
    }
  }
  return match_path(path);
}

/// A body that has not been read goes to where it is passed on, or is read now.
Task<Status> settle_body(Context& context) {
  if (is_passed_on(context.match, context.remote.get())) {
    if (!context.body.is_arriving()) {
      context.body = RequestBody(std::move(context.request.body));
    }
    co_return ok();
  }
  if (context.body.is_arriving()) {
    CO_TRY(context.request.body, co_await context.body.gather());
  }
  co_return ok();
}

Task<Status> serve(Context& context) {
  CO_TRY(context.match, find_match(context.request.path, context.parts.aggregator, context.remote));
  const auto* route = context.match.route;
  context.verb = route != nullptr && !is_resource(route->action) ? "get" : "";
  // A join token is no identity of the API's. Everywhere else who shows something is believed or
  // refused, even where nothing needs to be shown.
  if (route == nullptr || route->action != Action::join) {
    auto asker = co_await authenticate(context);
    begin_audit(context, asker.ok() ? *asker : trust::Identity{});
    if (!asker.ok()) {
      co_return std::move(asker).error();
    }
    CO_TRY(context.identity,
           impersonate(context.parts.registry, context.request.headers, *std::move(asker)));
    if (context.audit != nullptr) {
      context.audit->note_impersonated(context.identity);
    }
  } else {
    begin_audit(context, {});
    context.identity = anonymous();
  }
  CO_TRY_STATUS(co_await take_seat(context));
  CO_TRY_STATUS(co_await settle_body(context));
  if (route == nullptr) {
    CO_TRY_STATUS(authorize_path(context));
    co_return co_await respond_not_found(context);
  }
  if (!route->allows(context.request.method)) {
    co_return co_await respond_method_not_allowed(context);
  }
  if (context.remote) {
    co_return co_await serve_remote(context);
  }
  if (is_resource(route->action)) {
    co_return co_await serve_resource(context);
  }
  co_return co_await serve_path(context);
}

class KubernetesApi final : public Api {
 public:
  explicit KubernetesApi(Parts parts)
      : parts_(std::move(parts)),
        documents_(make_documents(groups_of(parts_.catalog), parts_.options)) {}

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    return run(std::move(request), exchange, RequestBody());
  }

  Task<void> handle(net::Request request, net::Exchange& exchange, net::BodyReader& body) override {
    auto early = std::exchange(request.body, {});
    return run(std::move(request), exchange, RequestBody(std::move(early), body));
  }

  bool takes(const net::Request& head) const override {
    const std::string_view path = head.path;
    const auto* aggregator = parts_.aggregator;
    const bool may_be_remote =
        aggregator != nullptr && aggregator->has_remotes() && path.starts_with("/apis/");
    if (!may_be_remote && path.find("/proxy") == std::string_view::npos) {
      return false;
    }
    std::shared_ptr<const RemoteApi> remote;
    const auto match = find_match(path, aggregator, remote);
    return match.ok() && is_passed_on(*match, remote.get());
  }

  net::ErrorBody error_body(int status, std::string_view message) const override {
    const HttpError http{status, reason_of(status)};
    return {"application/json",
            failure_json(Error(Code::malformed, std::string(message)), Subject{}, http)};
  }

 private:
  /// One request and its answer, apart from the coroutine that serves it.
  struct Visit {
    Visit(const KubernetesApi& api, net::Request request, net::Exchange& exchange, RequestBody body)
        : begun(api.parts_.clock.steady()),
          answer(exchange,
                 audit_id_of(request.headers, api.parts_.random),
                 net::accepts_gzip(request.headers)),
          context{api.parts_, api.documents_, std::move(request), answer, std::move(body)} {
      if (api.parts_.audit != nullptr) {
        trail =
            std::make_unique<AuditTrail>(*api.parts_.audit, api.parts_.clock, answer.audit_id());
        context.audit = trail.get();
        answer.keeps = [this](int status) { return trail->wants_body(status); };
      }
      answer.adds = [this](net::Headers& headers) { add_flow(context, headers); };
      answer.on_started = [this](int status) { note_started(context, status); };
    }

    const SteadyPoint begun;
    Answer answer;
    std::unique_ptr<AuditTrail> trail;  // null where no log is wanted
    Context context;
  };

  Task<void> run(net::Request request, net::Exchange& exchange, RequestBody body) {
    return finish(std::make_unique<Visit>(*this, std::move(request), exchange, std::move(body)));
  }

  Task<void> finish(std::unique_ptr<Visit> visit) {
    auto& context = visit->context;
    auto outcome = co_await serve(context);
    if (outcome.ok() && context.open) {
      outcome = co_await context.open->run();
    }
    if (!outcome.ok() && context.answered == 0) {
      outcome = co_await respond_error(context, std::move(outcome).error());
    }
    if (visit->trail) {
      visit->trail->complete(context.answered, visit->answer.kept_body());
    }
    if (!outcome.ok()) {
      log::debug("api",
                 "{} {}: {}",
                 context.request.method,
                 context.request.path,
                 outcome.error().message);
    }
    record(context, parts_.clock.steady() - visit->begun);
  }

  static std::string_view reason_of(int status) {
    switch (status) {
      case 408:
        return "Timeout";
      case 413:
        return "RequestEntityTooLarge";
      case 500:
        return "InternalError";
      case 503:
        return "ServiceUnavailable";
      default:
        return "BadRequest";
    }
  }

  /// An open answer keeps no seat: it may stay for days.
  static void note_started(Context& context, int status) {
    context.seat.release();
    if (context.audit != nullptr) {
      context.audit->started(status);
    }
  }

  /// Labels come from the tables, never from what a client made up.
  void record(const Context& context, std::chrono::nanoseconds took) {
    const std::string resource = context.kind != nullptr ? context.kind->resource : "";
    const auto verb = context.verb.empty() ? std::string("other") : context.verb;
    const auto labels = fmt::format(R"(verb="{}",resource="{}")", verb, resource);
    parts_.metrics
        .counter("apiserver_request_total",
                 "Requests by verb, resource and HTTP code.",
                 fmt::format(R"({},code="{}")", labels, context.answered))
        .add();
    const bool is_long = verb == "watch" || verb == "connect";
    if (!is_long) {
      parts_.metrics
          .histogram(
              "apiserver_request_duration_seconds", "Time to answer, by verb and resource.", labels)
          .observe(std::chrono::duration<double>(took).count());
    }
    log::debug("api",
               "{} {} by {}: {} in {} us",
               context.request.method,
               context.request.path,
               context.identity.user,
               context.answered,
               std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  }

  const Parts parts_;
  const Documents documents_;
};

}  // namespace

std::unique_ptr<Api> make_kubernetes_api(Parts parts) {
  return std::make_unique<KubernetesApi>(std::move(parts));
}

}  // namespace tetrarch::api::kubernetes
