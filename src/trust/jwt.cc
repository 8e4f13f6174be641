// SPDX-License-Identifier: Apache-2.0
#include "trust/jwt.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace tetrarch::trust {
namespace {

namespace json = boost::json;

constexpr std::size_t kTokenSizeMax = std::size_t{16} << 10;
/// A token may be this new for a server whose clock is behind.
constexpr std::chrono::seconds kLeeway{60};

Error refusal(std::string text) {
  return {Code::unauthenticated, std::move(text)};
}

json::string_view as_boost(std::string_view text) {
  return {text.data(), text.size()};
}

std::int64_t seconds_of(TimePoint time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::string text_at(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(as_boost(name));
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

/// The epoch where it is absent; saturates far in the future.
TimePoint time_at(const json::object& object, std::string_view name) {
  constexpr double kSecondsMax = 253'402'300'799;  // the year 9999
  const auto* value = object.if_contains(as_boost(name));
  if (value == nullptr || !value->is_number()) {
    return {};
  }
  const auto seconds = value->to_number<double>();
  if (std::isnan(seconds)) {
    return {};  // Boost 1.81 reads 0e1300 as zero times infinity
  }
  return TimePoint(
      std::chrono::seconds(static_cast<std::int64_t>(std::clamp(seconds, 0.0, kSecondsMax))));
}

const json::object* object_at(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(as_boost(name));
  return value == nullptr ? nullptr : value->if_object();
}

BoundObject bound_at(const json::object* parent, std::string_view name) {
  const auto* object = parent == nullptr ? nullptr : object_at(*parent, name);
  return object == nullptr ? BoundObject{}
                           : BoundObject{text_at(*object, "name"), text_at(*object, "uid")};
}

void write_bound(json::object& parent, std::string_view name, const BoundObject& bound) {
  if (!bound.name.empty()) {
    parent[as_boost(name)] = {{"name", bound.name}, {"uid", bound.uid}};
  }
}

/// The depth that boost.json allows by default (32) is far more than a token has.
Result<json::object> read_object(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse(as_boost(text), error);
  if (error || !value.is_object()) {
    return refusal("malformed token: not a JSON object");
  }
  return std::move(value.get_object());
}

std::string list_text(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) {
    out += (out.size() > 1 ? " \"" : "\"") + text + "\"";
  }
  return out + "]";
}

}  // namespace

Result<TokenParts> split_token(std::string_view token) {
  const auto first = token.find('.');
  const auto last = token.rfind('.');
  const bool has_three =
      first != std::string_view::npos && last > first && token.find('.', first + 1) == last;
  if (!has_three || token.size() > kTokenSizeMax) {
    return refusal("malformed token: not three parts separated by dots");
  }
  return TokenParts{token.substr(0, first),
                    token.substr(first + 1, last - first - 1),
                    token.substr(last + 1),
                    token.substr(0, last)};
}

std::string write_header(const TokenHeader& header) {
  return json::serialize(
      json::object{{"alg", header.algorithm}, {"kid", header.key_id}, {"typ", "JWT"}});
}

Result<TokenHeader> read_header(std::string_view text) {
  TRY(const auto object, read_object(text));
  if (object.contains("crit")) {
    return refusal(
        "malformed token: it demands extensions that are not supported");  // RFC 7515,
                                                                           // section 4.1.11
  }
  return TokenHeader{text_at(object, "alg"), text_at(object, "kid")};
}

// Source: Kubernetes documentation, "Managing Service Accounts", Bound service account tokens: the
// claims.
std::string write_claims(const TokenClaims& claims) {
  json::object bound;
  bound["namespace"] = claims.ns;
  write_bound(bound, "node", claims.node);
  write_bound(bound, "pod", claims.pod);
  write_bound(bound, "secret", claims.secret);
  write_bound(bound, "serviceaccount", claims.service_account);
  json::object out;
  out["aud"] = json::array(claims.audiences.begin(), claims.audiences.end());
  out["exp"] = seconds_of(claims.expires_at);
  out["iat"] = seconds_of(claims.issued_at);
  out["iss"] = claims.issuer;
  out["jti"] = claims.id;
  out["kubernetes.io"] = std::move(bound);
  out["nbf"] = seconds_of(claims.not_before);
  out["sub"] = claims.subject;
  return json::serialize(out);
}

Result<TokenClaims> read_claims(std::string_view text) {
  TRY(const auto object, read_object(text));
  const auto* bound = object_at(object, "kubernetes.io");
  TokenClaims out{.issuer = text_at(object, "iss"),
                  .subject = text_at(object, "sub"),
                  .audiences = {},
                  .issued_at = time_at(object, "iat"),
                  .not_before = time_at(object, "nbf"),
                  .expires_at = time_at(object, "exp"),
                  .id = text_at(object, "jti"),
                  .ns = bound == nullptr ? "" : text_at(*bound, "namespace"),
                  .service_account = bound_at(bound, "serviceaccount"),
                  .pod = bound_at(bound, "pod"),
                  .secret = bound_at(bound, "secret"),
                  .node = bound_at(bound, "node")};
  const auto* audience = object.if_contains("aud");
  if (audience != nullptr &&
      audience->is_string()) {  // RFC 7519, section 4.1.3: one may stand alone
    out.audiences.push_back(text_at(object, "aud"));
  } else if (audience != nullptr && audience->is_array()) {
    for (const auto& one : audience->get_array()) {
      if (const auto* name = one.if_string(); name != nullptr) {
        out.audiences.emplace_back(name->data(), name->size());
      }
    }
  }
  const std::string subject =
      std::string(kServiceAccountUserPrefix) + out.ns + ":" + out.service_account.name;
  if (out.ns.empty() || out.service_account.name.empty() || out.subject != subject) {
    return refusal("malformed token: its subject is not the service account that it names");
  }
  return out;
}

Status check_claims(const TokenClaims& claims,
                    std::string_view issuer,
                    std::string_view audience,
                    TimePoint now) {
  if (claims.issuer != issuer) {
    return refusal("the token was issued by \"" + claims.issuer + "\", not by this cluster");
  }
  if (claims.expires_at <= now) {
    return refusal("service account token has expired");
  }
  if (claims.not_before > now + kLeeway) {
    return refusal("service account token is not valid yet");
  }
  const auto& all = claims.audiences;
  if (!audience.empty() && std::find(all.begin(), all.end(), audience) == all.end()) {
    return refusal("token audiences " + list_text(all) + " is invalid for the target audiences " +
                   list_text({std::string(audience)}));
  }
  return ok();
}

}  // namespace tetrarch::trust
