// SPDX-License-Identifier: Apache-2.0
#include "trust/bearer_tokens.h"

#include <algorithm>
#include <utility>

#include "trust/sha256.h"

namespace tetrarch::trust {
namespace {

constexpr std::size_t kIdSize = 6;
constexpr std::size_t kSecretSize = 16;
constexpr std::size_t kFingerprintSize = 64;
constexpr std::string_view kJoinPrefix = "tetrarch1.";

bool is_token_text(std::string_view text, std::size_t size) {
  return text.size() == size && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
         });
}

bool is_fingerprint(std::string_view text) {
  return is_token_text(text, kFingerprintSize) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// The fields of one line; a field in double quotes may hold commas.
Result<std::vector<std::string>> split_line(std::string_view line, std::size_t number) {
  std::vector<std::string> fields(1);
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"') {
      is_quoted = !is_quoted;
    } else if (c == ',' && !is_quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (auto& field : fields) {
    field = std::string(trimmed(field));
  }
  if (is_quoted || fields.size() < 3 || fields[0].empty() || fields[1].empty()) {
    return Error{Code::invalid,
                 "line " + std::to_string(number) +
                     " of the token file is not token,user,uid[,\"group1,group2\"]"};
  }
  return fields;
}

std::vector<std::string> split_groups(std::string_view text) {
  std::vector<std::string> groups;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    if (const auto group = trimmed(text.substr(0, comma)); !group.empty()) {
      groups.emplace_back(group);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return groups;
}

}  // namespace

std::string make_token_text(Random& random, std::size_t length) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr unsigned kFairMax = 252;  // 7 × 36: above it the first letters would be likelier
  std::string out;
  while (out.size() < length) {
    for (const char c : make_bytes(random, length)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < kFairMax && out.size() < length) {
        out += kAlphabet[byte % kAlphabet.size()];
      }
    }
  }
  return out;
}

BootstrapToken BootstrapToken::make(Random& random) {
  return {make_token_text(random, kIdSize), make_token_text(random, kSecretSize)};
}

// Source: Kubernetes documentation, "Authenticating with Bootstrap Tokens", Token Format.
Result<BootstrapToken> BootstrapToken::parse(std::string_view text) {
  const auto dot = text.find('.');
  const auto id = text.substr(0, dot);
  const auto secret = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  if (!is_token_text(id, kIdSize) || !is_token_text(secret, kSecretSize)) {
    return Error{Code::invalid, "a bootstrap token has the form [a-z0-9]{6}.[a-z0-9]{16}"};
  }
  return BootstrapToken{std::string(id), std::string(secret)};
}

Result<JoinToken> JoinToken::parse(std::string_view text) {
  const Error refusal{Code::invalid,
                      "a join token has the form tetrarch1.<hash of the CA>.<id>.<secret>"};
  text = trimmed(text);
  if (!text.starts_with(kJoinPrefix)) {
    return refusal;
  }
  text.remove_prefix(kJoinPrefix.size());
  const auto dot = text.find('.');
  auto bootstrap = BootstrapToken::parse(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  if (!is_fingerprint(text.substr(0, dot)) || !bootstrap.ok()) {
    return refusal;
  }
  return JoinToken{std::string(text.substr(0, dot)), std::move(*bootstrap)};
}

// Source: Kubernetes documentation, "Authenticating", Static token file.
Result<StaticTokens> StaticTokens::parse(std::string_view csv) {
  StaticTokens out;
  for (std::size_t number = 1; !csv.empty(); ++number) {
    const auto end = std::min(csv.find('\n'), csv.size());
    const auto line = trimmed(csv.substr(0, end));
    csv.remove_prefix(std::min(end + 1, csv.size()));
    if (line.empty() || line.front() == '#') {
      continue;
    }
    TRY(const auto fields, split_line(line, number));
    Identity identity{.user = fields[1], .uid = fields[2]};
    if (fields.size() > 3) {
      identity.groups = split_groups(fields[3]);
    }
    out.add(fields[0], std::move(identity));
  }
  return out;
}

void StaticTokens::add(std::string_view token, Identity identity) {
  if (!identity.is_in(kAuthenticated)) {
    identity.groups.emplace_back(kAuthenticated);
  }
  entries_.push_back({sha256(token), std::move(identity)});
}

std::optional<Identity> StaticTokens::find(std::string_view token) const {
  const auto digest = sha256(token);
  const Entry* found = nullptr;
  for (const auto& entry : entries_) {
    if (is_equal_secret(entry.digest, digest) && found == nullptr) {
      found = &entry;
    }
  }
  return found == nullptr ? std::nullopt : std::optional(found->identity);
}

}  // namespace tetrarch::trust
