// SPDX-License-Identifier: Apache-2.0
// `tetrarch token create|ls|rm`: bootstrap tokens as Secrets in kube-system.
#include <fmt/format.h>

#include "app/command.h"
#include "app/connect.h"
#include "app/options.h"
#include "app/token_secret.h"
#include "base/encoding.h"
#include "trust/bearer_tokens.h"
#include "trust/ca.h"

namespace tetrarch::app {
namespace {

using std::chrono::seconds;

constexpr std::string_view kSecrets = "/api/v1/namespaces/kube-system/secrets";
constexpr std::string_view kType = "bootstrap.kubernetes.io/token";
constexpr seconds kUsualTtl{24 * 3600};

/// Where other machines reach the API: what the service `kubernetes` leads to.
Result<std::string> server_url(Connection& connection) {
  TRY(const auto endpoints,
      connection.ask_api("GET", "/api/v1/namespaces/default/endpoints/kubernetes"));
  const auto subset = endpoints->root()["subsets"].at(0);
  const auto address = subset["addresses"].at(0)["ip"].string();
  if (address.empty()) {
    return Error{Code::unavailable, "the server does not say yet at which address it is reached"};
  }
  return fmt::format("https://{}:{}", address, subset["ports"].at(0)["port"].integer());
}

Result<seconds> ttl_of(std::vector<std::string>& words) {
  TRY(const auto role, take_option(words, "role"));
  if (role && *role != "agent") {
    return Error{Code::invalid, fmt::format("no role '{}': there is agent", *role)};
  }
  TRY(const auto ttl, take_option(words, "ttl"));
  return ttl ? parse_period(*ttl) : kUsualTtl;
}

Status create(const Config& config, std::vector<std::string> words) {
  TRY(const auto ttl, ttl_of(words));
  if (!words.empty()) {
    return Error{Code::invalid, fmt::format("unknown word '{}'", words[0])};
  }
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  TRY(const auto url, server_url(*connection));
  TRY(const auto ca,
      connection->ask_api("GET", "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"));
  TRY(const auto fingerprint, trust::public_key_fingerprint(ca->root()["data"]["ca.crt"].string()));
  const auto token = trust::BootstrapToken::make(system_random());
  const auto ends = ttl.count() == 0 ? std::string() : format_time(system_clock().now() + ttl);
  TRY(const auto made,
      connection->ask_api("POST", std::string(kSecrets), token_secret(token, ends)));
  static_cast<void>(made);
  fmt::print(stderr,
             "On the machine that joins, as root{}:\n\n",
             ends.empty() ? std::string() : " before " + ends);
  fmt::print(
      "tetrarch agent --server {} --token {}\n", url, trust::JoinToken{fingerprint, token}.text());
  return ok();
}

Status list(const Config& config) {
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  TRY(const auto secrets,
      connection->ask_api("GET",
                          std::string(kSecrets) + "?fieldSelector=type%3D" + std::string(kType)));
  fmt::print("{:<8} {:<22} {}\n", "ID", "EXPIRES", "CREATED");
  for (const auto secret : secrets->root()["items"].elements()) {
    const auto ends = base64_decode(secret["data"]["expiration"].string());
    fmt::print("{:<8} {:<22} {}\n",
               base64_decode(secret["data"]["token-id"].string()).value_or("?"),
               ends.ok() && !ends->empty() ? *ends : "never",
               secret["metadata"]["creationTimestamp"].string());
  }
  return ok();
}

Status remove(const Config& config, const std::string& id) {
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  const auto gone = connection->ask_api(
      "DELETE", fmt::format("{}/bootstrap-token-{}", kSecrets, percent_encode(id)));
  if (!gone.ok() && gone.error().code == Code::not_found) {
    return Error{Code::not_found, fmt::format("there is no token with the id '{}'", id)};
  }
  return gone.ok() ? ok() : Status(gone.error());
}

}  // namespace

int run_token(const Config& config, const std::vector<std::string>& rest) {
  Status done = Error{Code::invalid, "say what: create, ls or rm ID"};
  if (!rest.empty() && rest[0] == "create") {
    done = create(config, {rest.begin() + 1, rest.end()});
  } else if (rest.size() == 1 && rest[0] == "ls") {
    done = list(config);
  } else if (rest.size() == 2 && rest[0] == "rm") {
    done = remove(config, rest[1]);
  }
  return done.ok() ? 0 : fail("token: " + done.error().message);
}

}  // namespace tetrarch::app
