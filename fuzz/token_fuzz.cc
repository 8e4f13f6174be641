// SPDX-License-Identifier: Apache-2.0
// What anybody may show as a token: refused without a fall; what is understood is written back the
// same.
#include <string>

#include "base/check.h"
#include "base/encoding.h"
#include "input.h"
#include "trust/bearer_tokens.h"
#include "trust/jwt.h"

using namespace tetrarch;
using namespace tetrarch::trust;

namespace {

constexpr TimePoint kNow{std::chrono::seconds(1'795'000'000)};

const TokenKeys& keys() {
  static const auto made = TokenKeys::create().value();
  return made;
}

void try_claims(std::string_view json) {
  if (const auto header = read_header(json); header.ok()) {
    const auto again = read_header(write_header(*header));
    CHECK(again.ok() && again->algorithm == header->algorithm && again->key_id == header->key_id);
  }
  const auto claims = read_claims(json);
  if (!claims.ok()) {
    CHECK(claims.error().code == Code::unauthenticated);
    return;
  }
  const auto again = read_claims(write_claims(*claims));
  CHECK(again.ok());
  auto wanted = *claims;
  for (auto* bound : {&wanted.pod, &wanted.secret, &wanted.node}) {
    if (bound->name.empty()) {
      *bound = {};  // a uid without a name binds to nothing
    }
  }
  CHECK(*again == wanted);
  static_cast<void>(check_claims(*claims, claims->issuer, "aud", kNow));
  // Signed by us it is what it says.
  const auto token = keys().issue(*claims);
  CHECK(token.ok());
  const auto verified = keys().verify(*token, claims->issuer, "", kNow);
  CHECK(!verified.ok() || *verified == wanted);
}

void try_opaque(std::string_view text) {
  if (const auto token = BootstrapToken::parse(text); token.ok()) {
    CHECK(token->text() == text);
  }
  if (const auto token = JoinToken::parse(text); token.ok()) {
    const auto again = JoinToken::parse(token->text());  // blanks around it are dropped
    CHECK(text.find(token->text()) != std::string_view::npos && again.ok() && *again == *token);
  }
  if (const auto tokens = StaticTokens::parse(text); tokens.ok()) {
    CHECK(!tokens->find("a token that is in no file"));
  }
}

}  // namespace

/// The first byte: the whole token, its claims (or header) as JSON, or a token that is no JWT.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto way = input.byte() % 3;
  const auto text = input.rest();
  if (way == 0) {
    CHECK(!keys().verify(text, "issuer", "", kNow).ok());
  } else if (way == 1) {
    try_claims(text);
  } else {
    try_opaque(text);
  }
  return 0;
}
