// SPDX-License-Identifier: Apache-2.0
// A line with a column's type and source, then any object: its table is JSON whatever the path says
// and whatever the object holds, and so are all columns that are computed.
#include <array>
#include <simdjson.h>
#include <span>
#include <string>

#include "api/kubernetes/table.h"
#include "base/check.h"
#include "input.h"
#include "object/document.h"

using namespace tetrarch;
using namespace tetrarch::api::kubernetes;

namespace {

constexpr TimePoint kNow{std::chrono::seconds(1'795'000'000)};
constexpr auto kTypes = std::to_array<const char*>({"string", "integer", "boolean", "date"});

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto* type = kTypes[input.byte() % kTypes.size()];
  const std::string source(input.line());
  if (!simdjson::validate_utf8(source)) {
    return 0;  // it comes out of a schema, which is read as UTF-8
  }
  auto document = Document::parse(input.rest());
  if (!document.ok()) {
    return 0;
  }
  schema::Kind kind;
  kind.columns = {{"X", type, "", source, "", 0}};
  const auto items = std::to_array<Stored>({{Key{}, Revision{7}, *document}});
  for (const auto include : {IncludeObject::metadata, IncludeObject::object, IncludeObject::none}) {
    const auto table = make_table({kind, "v1", include, kNow}, items, "{}", true);
    CHECK(Document::parse(table).ok());
  }
  const auto lists = std::to_array<std::span<const Computed>>(
      {pod_columns(), node_columns(), service_columns(), workload_columns(), other_columns()});
  for (const auto& list : lists) {
    for (const auto& column : list) {
      CHECK(Document::parse(column.compute(items[0], kNow)).ok());
    }
  }
  return 0;
}
