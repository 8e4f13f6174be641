// SPDX-License-Identifier: Apache-2.0
// Any bytes as a protobuf body: refused, or JSON that the strict decoder can judge.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "object/document.h"
#include "schema/decode.h"
#include "schema/protobuf.h"

using namespace tetrarch;

namespace {

const schema::Catalog& catalog() {
  static const auto loaded = schema::Catalog::load_builtin().value();
  return *loaded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto json = schema::json_of_protobuf(catalog(), body);
  if (!json.ok()) {
    CHECK(json.error().code == Code::malformed);
    return 0;
  }
  const auto document = Document::parse(*json);
  if (!document.ok()) {
    return 0;  // bytes that are no UTF-8
  }
  for (const auto& kind : catalog().kinds()) {
    if (kind->kind == (*document)->root()["kind"].string()) {
      static_cast<void>(schema::decode(*kind, *json, schema::Unknown::refuse));
    }
  }
  return 0;
}
