// SPDX-License-Identifier: Apache-2.0
// Opaque tokens: static bearer tokens, and the tokens with which a machine joins the cluster.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "trust/identity.h"

namespace tetrarch::trust {

/// `<id>.<secret>`: 6 and 16 characters of [a-z0-9].
struct BootstrapToken {
  std::string id;
  std::string secret;
  bool operator==(const BootstrapToken&) const = default;

  static BootstrapToken make(Random& random);
  /// Error (Code::invalid): not of that form. Never repeats the text, which may be a secret.
  static Result<BootstrapToken> parse(std::string_view text);

  std::string text() const { return id + "." + secret; }
};

/// `tetrarch1.<ca fingerprint>.<id>.<secret>`: also tells the machine which CA to trust.
struct JoinToken {
  std::string ca_fingerprint;  ///< 64 hexadecimal digits: CertificateAuthority::fingerprint
  BootstrapToken bootstrap;
  bool operator==(const JoinToken&) const = default;

  static Result<JoinToken> parse(std::string_view text);

  std::string text() const { return "tetrarch1." + ca_fingerprint + "." + bootstrap.text(); }
};

/// Tokens from a file: `token,user,uid,"group1,group2"` a line, as kube-apiserver's
/// --token-auth-file. Immutable; thread-safe. Keeps only digests of the tokens.
class StaticTokens {
 public:
  StaticTokens() = default;
  static Result<StaticTokens> parse(std::string_view csv);

  /// Who shows this token; nullopt: nobody we know. Looks at every token, in constant time each.
  std::optional<Identity> find(std::string_view token) const;
  void add(std::string_view token, Identity identity);

 private:
  struct Entry {
    std::string digest;
    Identity identity;
  };

  std::vector<Entry> entries_;
};

/// `length` characters of [a-z0-9], all equally likely.
std::string make_token_text(Random& random, std::size_t length);

}  // namespace tetrarch::trust
