// SPDX-License-Identifier: Apache-2.0
#include "registry/authenticate.h"

#include <utility>

#include "base/encoding.h"
#include "trust/bearer_tokens.h"
#include "trust/service_account_token.h"

namespace tetrarch::registry {

using object::View;

namespace {

Error unauthenticated(std::string why) {
  return {Code::unauthenticated, std::move(why)};
}

void add_group(trust::Identity& identity, std::string_view group) {
  if (!identity.is_in(group)) {
    identity.groups.emplace_back(group);
  }
}

/// Equal without telling by its time where they differ.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

bool is_same_object(const store::Snapshot& snapshot,
                    std::string_view resource,
                    const std::string& ns,
                    const trust::BoundObject& bound) {
  const auto found = snapshot.get(Key{std::string(resource), ns, bound.name});
  return found && found->uid() == bound.uid;
}

/// A field of a bootstrap token's secret, decoded.
std::string secret_text(View secret, std::string_view field) {
  return base64_decode(secret["data"][field].string()).value_or("");
}

}  // namespace

Result<trust::Identity> Authenticator::authenticate(const Credentials& shown) const {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view header = shown.authorization;
  if (!header.empty()) {
    std::string scheme(header.substr(0, kBearer.size()));
    for (auto& c : scheme) {
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (scheme != kBearer) {
      return unauthenticated("only bearer tokens are accepted in the Authorization header");
    }
    return from_token(header.substr(kBearer.size()), shown.audience);
  }
  trust::Identity identity;
  if (!shown.certificate_user.empty()) {
    identity.user = shown.certificate_user;
    identity.groups = shown.certificate_groups;
    add_group(identity, trust::kAuthenticated);
    return identity;
  }
  if (!options_.allows_anonymous) {
    return unauthenticated("Unauthorized");
  }
  identity.user = trust::kAnonymous;
  add_group(identity, trust::kUnauthenticated);
  return identity;
}

Result<trust::Identity> Authenticator::from_token(std::string_view token,
                                                  std::string_view audience) const {
  // Other tokens than those of service accounts are for the API server alone.
  const bool is_for_us = audience.empty() || audience == options_.token_issuer;
  if (parts_.static_tokens != nullptr && is_for_us) {
    if (auto found = parts_.static_tokens->find(token)) {
      add_group(*found, trust::kAuthenticated);
      return *std::move(found);
    }
  }
  // A service account token has two dots, a bootstrap token one.
  const auto dot = token.find('.');
  const bool has_two =
      dot != std::string_view::npos && token.find('.', dot + 1) != std::string_view::npos;
  if (has_two) {
    return from_service_account_token(token, audience);
  }
  return is_for_us ? from_bootstrap_token(token)
                   : Result<trust::Identity>(unauthenticated("Unauthorized"));
}

Result<trust::Identity> Authenticator::from_service_account_token(std::string_view token,
                                                                  std::string_view audience) const {
  if (parts_.token_keys == nullptr) {
    return unauthenticated("Unauthorized");
  }
  const auto& issuer = options_.token_issuer;
  TRY(const auto claims,
      parts_.token_keys->verify(token,
                                issuer,
                                audience.empty() ? std::string_view(issuer) : audience,
                                parts_.clock.now()));
  const auto snapshot = parts_.store.snapshot();
  if (!is_same_object(snapshot, "serviceaccounts", claims.ns, claims.service_account)) {
    return unauthenticated("the token's service account has been deleted");
  }
  if (!claims.pod.name.empty() && !is_same_object(snapshot, "pods", claims.ns, claims.pod)) {
    return unauthenticated("the token's pod has been deleted");
  }
  if (!claims.secret.name.empty() &&
      !is_same_object(snapshot, "secrets", claims.ns, claims.secret)) {
    return unauthenticated("the token's secret has been deleted");
  }
  // Beside a pod the node only says where that was; alone the token lives with it.
  if (claims.pod.name.empty() && !claims.node.name.empty() &&
      !is_same_object(snapshot, "nodes", "", claims.node)) {
    return unauthenticated("the token's node has been deleted");
  }
  auto identity = claims.identity();
  add_group(identity, trust::kAuthenticated);
  return identity;
}

// Source: Kubernetes documentation, "Authenticating with Bootstrap Tokens": a secret
// bootstrap-token-<id> of type bootstrap.kubernetes.io/token in kube-system.
Result<trust::Identity> Authenticator::from_bootstrap_token(std::string_view token) const {
  const auto refused = unauthenticated("Unauthorized");
  const auto parsed = trust::BootstrapToken::parse(token);
  if (!parsed.ok()) {
    return refused;
  }
  const auto secret =
      parts_.store.snapshot().get(Key{"secrets", "kube-system", "bootstrap-token-" + parsed->id});
  if (!secret || secret->root()["type"].string() != "bootstrap.kubernetes.io/token" ||
      secret->metadata()["deletionTimestamp"]) {
    return refused;
  }
  const View root = secret->root();
  const bool is_right = secret_text(root, "token-id") == parsed->id &&
                        same_secret(secret_text(root, "token-secret"), parsed->secret) &&
                        secret_text(root, "usage-bootstrap-authentication") == "true";
  if (!is_right) {
    return refused;
  }
  if (const auto expiration = secret_text(root, "expiration"); !expiration.empty()) {
    const auto until = parse_time(expiration);
    if (!until.ok() || *until <= parts_.clock.now()) {
      return refused;
    }
  }
  trust::Identity identity;
  identity.user = "system:bootstrap:" + parsed->id;
  identity.groups = {"system:bootstrappers", std::string(trust::kAuthenticated)};
  std::string extra = secret_text(root, "auth-extra-groups");
  while (!extra.empty()) {
    const auto comma = extra.find(',');
    const auto group = extra.substr(0, comma);
    if (group.starts_with("system:bootstrappers:")) {
      add_group(identity, group);
    }
    extra = comma == std::string::npos ? "" : extra.substr(comma + 1);
  }
  return identity;
}

}  // namespace tetrarch::registry
