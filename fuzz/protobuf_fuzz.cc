// SPDX-License-Identifier: Apache-2.0
// Any bytes as a protobuf body: refused, or JSON that the strict decoder can judge.
#include <string>

#include "base/check.h"
#include "catalog.h"
#include "input.h"
#include "object/document.h"
#include "schema/decode.h"
#include "schema/protobuf.h"

using namespace tetrarch;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto body = fuzz::Input(data, size).rest();
  const auto json = schema::json_of_protobuf(fuzz::catalog(), body);
  if (!json.ok()) {
    CHECK(json.error().code == Code::malformed);
    return 0;
  }
  const auto document = Document::parse(*json);
  if (!document.ok()) {
    return 0;  // bytes that are no UTF-8
  }
  for (const auto& kind : fuzz::catalog().kinds()) {
    if (kind->kind == (*document)->root()["kind"].string()) {
      static_cast<void>(schema::decode(*kind, *json, schema::Unknown::refuse));
    }
  }
  return 0;
}
