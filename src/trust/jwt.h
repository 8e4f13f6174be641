// SPDX-License-Identifier: Apache-2.0
// The claims of a service account token as JSON, both ways. The private half of
// service_account_token.h that knows no keys.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "trust/service_account_token.h"

namespace tetrarch::trust {

/// The three parts of a compact JWS (RFC 7515, section 3.1), still in their text form.
struct TokenParts {
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
  std::string_view signed_text;  ///< header.claims
};

Result<TokenParts> split_token(std::string_view token);

struct TokenHeader {
  std::string algorithm;
  std::string key_id;
};

std::string write_header(const TokenHeader& header);
Result<TokenHeader> read_header(std::string_view json);

std::string write_claims(const TokenClaims& claims);
Result<TokenClaims> read_claims(std::string_view json);

/// Everything but the signature. Error (Code::unauthenticated).
Status check_claims(const TokenClaims& claims,
                    std::string_view issuer,
                    std::string_view audience,
                    TimePoint now);

}  // namespace tetrarch::trust
