// SPDX-License-Identifier: Apache-2.0
// Two bodies, a line of three dashes between them: FieldsV1 or a configuration, as YAML or JSON.
// Any pair is applied to nothing and to each other as a Pod; what comes out must hold together.
#include "base/check.h"
#include "catalog.h"
#include "input.h"
#include "object/field_set.h"
#include "object/managed_fields.h"
#include "object/yaml.h"
#include "schema/decode.h"
#include "schema/fields.h"
#include "schema/ownership.h"

using namespace tetrarch;
using fuzz::catalog;
using object::FieldSet;
using object::View;

namespace {

std::string text_of(const FieldSet& set) {
  std::string out;
  object::Writer writer(out);
  set.write(writer);
  return out;
}

/// A set that can be read is printed so that it reads back the same, in canonical JSON.
void try_fields(View view) {
  const auto set = FieldSet::decode(view);
  if (!set.ok()) {
    return;
  }
  const auto printed = Document::parse(text_of(*set));
  CHECK(printed.ok());
  const auto again = FieldSet::decode((*printed)->root());
  CHECK(again.ok() && *again == *set);
  set->for_each([](FieldSet::Path path) { CHECK(!object::path_text(path).empty()); });
}

DocumentPtr pod_of(const schema::Kind& pod, const std::string& json) {
  const auto decoded = schema::decode_as_given(pod, json, schema::Unknown::ignore);
  return decoded.ok() ? decoded->document : nullptr;
}

void apply(const schema::Kind& pod, const DocumentPtr& live, const DocumentPtr& applied) {
  const auto ignored = schema::ignored_fields(pod, "", true);
  const View old = live == nullptr ? View() : live->root();
  object::ManagedEntries entries;
  if (live != nullptr) {
    schema::own_update(entries, {catalog(), pod, View(), old, ignored}, {"before", "", "t"});
  }
  const schema::OwnedChange change{catalog(), pod, old, applied->root(), ignored};
  const auto merged = schema::own_apply(entries, change, {"fuzz", "", "t"}, {true, {}});
  CHECK(merged.ok());
  CHECK(Document::parse((*merged)->bytes()).ok());
  const auto printed = object::print_managed(entries);
  CHECK(printed.empty() || object::read_managed((*Document::parse(printed))->root()).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::Input(data, size).rest();
  const auto line = input.find("\n---\n");
  const auto& pod = *catalog().find("", "v1", "Pod");
  std::vector<DocumentPtr> pods;
  for (const auto text : {input.substr(0, line),
                          line == input.npos ? std::string_view("{}") : input.substr(line + 5)}) {
    const auto json = object::json_of_yaml(text);
    const auto parsed = json.ok() ? Document::parse(*json) : Result<DocumentPtr>(json.error());
    if (!parsed.ok()) {
      continue;
    }
    try_fields((*parsed)->root());
    (void)schema::check_applied(*pod.type, (*parsed)->root());
    if (auto document = pod_of(pod, *json); document != nullptr) {
      pods.push_back(std::move(document));
    }
  }
  for (const auto& each : pods) {
    apply(pod, nullptr, each);
    apply(pod, pods.front(), each);
  }
  return 0;
}
