// SPDX-License-Identifier: Apache-2.0
// The way of one request: who sends it, what it is about, whether it may, its handler.
#include <algorithm>

#include <fmt/format.h>

#include "api/distribution/context.h"
#include "base/encoding.h"
#include "base/log.h"

namespace tetrarch::api::distribution {
namespace {

constexpr std::string_view kRoom = "images";

/// The token of `Bearer <token>` or, as the password, of `Basic <user:token>`; empty: there is
/// none.
std::string token_of(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos) {
    return "";
  }
  const auto scheme = authorization.substr(0, space);
  auto rest = authorization.substr(space + 1);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (net::equals_ignoring_case(scheme, "bearer")) {
    return std::string(rest);
  }
  if (!net::equals_ignoring_case(scheme, "basic")) {
    return "";
  }
  const auto pair = base64_decode(rest);
  const auto colon = pair.ok() ? pair->find(':') : std::string::npos;
  return colon == std::string::npos ? "" : pair->substr(colon + 1);
}

Task<Result<trust::Identity>> authenticate(const Context& context) {
  const auto& peer = context.request.peer;
  const auto shown = context.request.headers.get("Authorization");
  auto token = token_of(shown);
  if (token.empty() && (peer.certificate_common_name.empty() || !shown.empty())) {
    co_return Error{
        Code::unauthenticated,
        "show a client certificate, or a token: as Bearer, or as the password of Basic"};
  }
  auto found = co_await context.parts.authenticate(peer, std::move(token));
  if (!found.ok()) {
    log::debug(kRoom, "a request of {} is refused: {}", peer.address, found.error().message);
    co_return Error{Code::unauthenticated, "nobody is known by what was shown"};
  }
  co_return found;
}

/// Source: OCI distribution specification 1.1: clients log in when they read this.
Task<Status> challenge(Context& context, std::string message) {
  auto headers = common_headers();
  headers.add("WWW-Authenticate", "Basic realm=\"Tetrarch images\", charset=\"UTF-8\"");
  headers.add("Content-Type", "application/json");
  context.refusal_code = kUnauthorized.code;
  context.refusal = message;
  co_return co_await answer(context, 401, std::move(headers), error_text(kUnauthorized, message));
}

registry::Attributes attributes_of(const Context& context) {
  const auto& method = context.request.method;
  const auto endpoint = context.route.endpoint;
  registry::Attributes out;
  if (endpoint == Endpoint::none || endpoint == Endpoint::base) {
    out.verb = method == "GET" || method == "HEAD" ? "get" : "post";
    out.path = context.request.path;
    return out;
  }
  out.group = "images.tetrarch.dev";
  out.version = "v1";
  out.resource = "images";
  out.verb = "create";
  if (endpoint == Endpoint::tags || endpoint == Endpoint::catalog) {
    out.verb = "list";
  } else if (method == "GET" || method == "HEAD") {
    out.verb = endpoint == Endpoint::upload ? "create" : "get";
  } else if (method == "DELETE" && endpoint != Endpoint::upload) {
    out.verb = "delete";
  }
  return out;
}

/// It lasts as long as the blob is on its way.
bool moves_blob(const Context& context) {
  switch (context.route.endpoint) {
    case Endpoint::blob:
    case Endpoint::uploads:
    case Endpoint::upload:
      return context.request.method != "HEAD" && context.request.method != "DELETE";
    default:
      return false;
  }
}

Task<Status> answer_base(Context& context) {
  auto headers = common_headers();
  headers.add("Content-Type", "application/json");
  co_return co_await answer(context, 200, std::move(headers), "{}");
}

Task<Status> dispatch(Context& context) {
  switch (context.route.endpoint) {
    case Endpoint::catalog:
      co_return co_await serve_catalog(context);
    case Endpoint::tags:
      co_return co_await serve_tags(context);
    case Endpoint::manifest:
      co_return co_await serve_manifest(context);
    case Endpoint::blob:
      co_return co_await serve_blob(context);
    case Endpoint::uploads:
      co_return co_await begin_upload(context);
    case Endpoint::upload:
      co_return co_await serve_upload(context);
    default:
      co_return co_await answer_base(context);
  }
}

bool is_registry_name(std::string_view text) {
  return text.size() <= 255 && text.find_first_not_of(
                                   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789.-:") == std::string_view::npos;
}

Task<Status> serve(Context& context) {
  context.route = find_route(context.request.path);
  const auto about = attributes_of(context);
  auto who = co_await authenticate(context);
  if (!who.ok()) {
    context.visit.note_stranger({context.identity, about, context.request});
    co_return co_await challenge(context, who.error().message);
  }
  context.identity = *std::move(who);
  const Purpose purpose{context.identity, about, context.request, moves_blob(context)};
  CO_TRY_STATUS(co_await context.visit.enter(purpose));
  if (context.route.endpoint == Endpoint::none) {
    co_return co_await refuse(context, kNameInvalid, "there is no such path in this API");
  }
  const bool has_repository =
      context.route.endpoint != Endpoint::base && context.route.endpoint != Endpoint::catalog;
  const auto ns = context.request.parameter("ns").value_or("");
  if (has_repository && (!is_repository_path(context.route.path) || !is_registry_name(ns))) {
    co_return co_await refuse(
        context, kNameInvalid, fmt::format("\"{}\" is no repository's name", context.route.path));
  }
  if (has_repository) {
    context.repository = repository_of(context.route.path, ns, context.parts.own_names);
  }
  if (context.route.endpoint != Endpoint::base) {
    CO_TRY_STATUS(context.parts.registry.authorize(context.identity, about));
  }
  co_return co_await dispatch(context);
}

class Handler final : public Distribution {
 public:
  explicit Handler(Parts parts)
      : parts_(std::move(parts)),
        objects_(parts_.registry.client(
            {.user = "system:image-registry",
             .groups = {std::string(trust::kMasters), std::string(trust::kAuthenticated)}})),
        uploads_(parts_) {}

  bool takes(const net::Request& head) const override { return is_distribution_path(head.path); }

  Task<void> handle(net::Request request, net::Exchange& exchange, net::BodyReader& body) override {
    const auto visit = parts_.visits();
    Context context{parts_, *objects_, uploads_, std::move(request), exchange, body, *visit};
    auto outcome = co_await serve(context);
    if (!outcome.ok() && context.answered == 0) {
      const auto refusal = refusal_of(outcome.error().code);
      outcome = co_await refuse(context, refusal, outcome.error().message);
    }
    visit->complete(context.answered, context.refusal_code, context.refusal);
    if (!outcome.ok()) {
      log::debug(kRoom,
                 "{} {}: {}",
                 context.request.method,
                 context.request.path,
                 outcome.error().message);
    }
  }

  Task<void> keep() override { co_await uploads_.keep(); }

 private:
  const Parts parts_;
  const std::unique_ptr<client::Client> objects_;
  Uploads uploads_;
};

}  // namespace

net::Headers common_headers() {
  net::Headers out;
  out.add("Docker-Distribution-API-Version", "registry/2.0");
  return out;
}

Task<Status> start(Context& context, int status, net::Headers headers) {
  context.answered = status;
  co_return co_await context.exchange.start(status, std::move(headers));
}

Task<Status> answer(Context& context, int status, net::Headers headers, std::string body) {
  context.answered = status;
  co_return co_await context.exchange.respond(status, std::move(headers), std::move(body));
}

Task<Status> refuse(Context& context, Refusal refusal, std::string message) {
  auto headers = common_headers();
  headers.add("Content-Type", "application/json");
  if (refusal.status == kTooManyRequests.status) {
    headers.add("Retry-After", "1");
  }
  context.refusal_code = refusal.code;
  context.refusal = message;
  co_return co_await answer(
      context, refusal.status, std::move(headers), error_text(refusal, message));
}

std::string location(const Context& context, std::string_view rest) {
  const auto ns = context.request.parameter("ns");
  return fmt::format("/v2/{}/{}{}",
                     context.route.path,
                     rest,
                     ns ? fmt::format("?ns={}", percent_encode(*ns)) : std::string());
}

Task<Result<std::string>> read_whole(Context& context, std::size_t bytes_max) {
  auto out = std::move(context.request.body);
  while (out.size() <= bytes_max) {
    CO_TRY(const auto piece, co_await context.body.read_body());
    if (piece.empty()) {
      co_return out;
    }
    out += piece;
  }
  co_return Error{Code::too_large, fmt::format("it may have {} bytes at most", bytes_max)};
}

Task<Status> take_mark_off(Context& context, const Stored& object) {
  if (!object.metadata()["annotations"][kUnusedSince].exists()) {
    co_return ok();
  }
  client::WriteOptions options;
  options.expected_uid = object.uid();
  auto patch = fmt::format(R"({{"metadata":{{"annotations":{{"{}":null}}}}}})", kUnusedSince);
  const auto done = co_await context.objects.patch(
      object.key, client::PatchType::merge, std::move(patch), std::move(options));
  co_return done.ok() ? ok() : Status(done.error());
}

Task<Status> keep_object(Context& context, Key key, std::string object) {
  auto document = Document::from_canonical(std::move(object));
  client::WriteOptions options;
  const auto made =
      co_await context.objects.create(key.resource, "", std::move(document), std::move(options));
  if (made.ok()) {
    co_return ok();
  }
  if (made.error().code != Code::already_exists) {
    co_return made.error();
  }
  CO_TRY(const auto known, co_await context.objects.get(std::move(key)));
  co_return co_await take_mark_off(context, known);
}

std::unique_ptr<Distribution> make_distribution(Parts parts) {
  return std::make_unique<Handler>(std::move(parts));
}

}  // namespace tetrarch::api::distribution
