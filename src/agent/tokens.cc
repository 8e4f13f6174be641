// SPDX-License-Identifier: Apache-2.0
#include "agent/tokens.h"

#include "object/writer.h"

namespace tetrarch::agent {
namespace {

constexpr std::chrono::seconds kRenewAgain{10};

/// Source: Kubernetes API, TokenRequest (authentication.k8s.io/v1), bound to the pod.
std::string request_body(views::PodView pod, std::string_view account, const TokenWish& wish) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object()
      .field("kind", "TokenRequest")
      .field("apiVersion", "authentication.k8s.io/v1");
  writer.key("metadata").begin_object().field("name", account);
  writer.field("namespace", pod.metadata().namespace_()).end_object();
  writer.key("spec").begin_object().key("audiences").begin_array();
  if (!wish.audience.empty()) {
    writer.string(wish.audience);
  }
  writer.end_array().field("expirationSeconds", wish.expiration_seconds);
  writer.key("boundObjectRef").begin_object().field("kind", "Pod").field("apiVersion", "v1");
  writer.field("name", pod.metadata().name()).field("uid", pod.metadata().uid()).end_object();
  writer.end_object().end_object();
  return out;
}

}  // namespace

Task<Result<Tokens::Token>> Tokens::request(DocumentPtr pod, TokenWish wish) {
  const views::PodView view(pod->root());
  const auto named = view.spec().service_account_name();
  const std::string account(named.empty() ? "default" : named);
  auto body = Document::from_canonical(request_body(view, account, wish));
  client::WriteOptions options;
  options.subresource = "token";
  CO_TRY(const Stored answer,
         co_await client_.create(
             "serviceaccounts", std::string(view.metadata().namespace_()), body, options));
  const auto status = answer.root()["status"];
  const auto now = clock_.now();
  const auto expires = parse_time(status["expirationTimestamp"].string());
  const auto life = expires.ok() ? *expires - now : std::chrono::seconds(wish.expiration_seconds);
  if (status["token"].string().empty()) {
    co_return Error{Code::internal, "the server's TokenRequest has no token"};
  }
  co_return Token{std::string(status["token"].string()), now + life * 4 / 5};
}

Task<Status> Tokens::ensure(DocumentPtr pod) {
  const views::PodView view(pod->root());
  const std::string uid(view.metadata().uid());
  Status out = ok();
  for (const auto& wish : token_wishes(view)) {
    const auto at = tokens_.find(std::pair(uid, wish));
    if (at != tokens_.end() && at->second.renew_at > clock_.now()) {
      continue;
    }
    auto token = co_await request(pod, wish);
    if (!token.ok()) {
      // One that still holds is asked for again a little later, not at once and for ever.
      if (const auto old = tokens_.find(std::pair(uid, wish)); old != tokens_.end()) {
        old->second.renew_at = clock_.now() + kRenewAgain;
      }
      out = out.ok() ? Status(token.error()) : out;
      continue;
    }
    tokens_[std::pair(uid, wish)] = std::move(*token);
  }
  co_return out;
}

std::optional<std::string> Tokens::find(const std::string& pod_uid, const TokenWish& wish) const {
  const auto at = tokens_.find(std::pair(pod_uid, wish));
  return at == tokens_.end() ? std::nullopt : std::optional(at->second.text);
}

std::optional<TimePoint> Tokens::due(const std::string& pod_uid) const {
  std::optional<TimePoint> out;
  for (auto at = tokens_.lower_bound(std::pair(pod_uid, TokenWish{"", 0}));
       at != tokens_.end() && at->first.first == pod_uid;
       ++at) {
    if (!out || at->second.renew_at < *out) {
      out = at->second.renew_at;
    }
  }
  return out;
}

void Tokens::forget(const std::string& pod_uid) {
  std::erase_if(tokens_, [&](const auto& entry) { return entry.first.first == pod_uid; });
}

}  // namespace tetrarch::agent
