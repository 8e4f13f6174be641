// SPDX-License-Identifier: Apache-2.0
// The continue parameter of a list: refused as a bad request, or a place that is written back the
// same.
#include <string>

#include "base/check.h"
#include "base/encoding.h"
#include "input.h"
#include "registry/paging.h"

using namespace tetrarch;
using registry::ContinueToken;

namespace {

void try_token(std::string_view text) {
  const auto token = ContinueToken::parse(text);
  if (!token.ok()) {
    CHECK(token.error().code == Code::malformed);
    return;
  }
  const auto again = ContinueToken::parse(token->text());
  CHECK(again.ok() && again->revision == token->revision && again->ns == token->ns &&
        again->name == token->name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto text = input.rest();
  try_token(text);
  try_token(base64url_encode(text));
  return 0;
}
