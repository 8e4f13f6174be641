// SPDX-License-Identifier: Apache-2.0
#include "registry/selection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::string_view kNamespaceLabel = "metadata.namespace";
constexpr SelectableField kEverywhere[] = {{"metadata.name"}, {kNamespaceLabel}};

const SelectableField* find_field(const schema::Kind& kind,
                                  const Strategy& strategy,
                                  std::string_view label) {
  for (const auto& each : kEverywhere) {
    // Of cluster-wide kinds, those with fields of their own do not offer a namespace.
    const bool is_offered =
        each.label != kNamespaceLabel || kind.is_namespaced || strategy.fields.empty();
    if (each.label == label && is_offered) {
      return &each;
    }
  }
  const auto found = std::find_if(strategy.fields.begin(),
                                  strategy.fields.end(),
                                  [&](const SelectableField& each) { return each.label == label; });
  return found == strategy.fields.end() ? nullptr : &*found;
}

std::string_view text_of(View value, std::string_view absent) {
  if (!value) {
    return absent;
  }
  return value.is_string() ? value.string() : value.raw();
}

}  // namespace

Result<Selection> Selection::make(const schema::Kind& kind,
                                  const Strategy& strategy,
                                  const client::Selectors& text) {
  Selection out;
  if (!text.labels.empty()) {
    TRY(out.labels_, object::LabelSelector::parse(text.labels));
  }
  if (text.fields.empty()) {
    return out;
  }
  TRY(const auto fields, object::FieldSelector::parse(text.fields));
  for (const auto& each : fields.requirements()) {
    const auto* field = find_field(kind, strategy, each.path);
    // Source: Kubernetes documentation, "Field Selectors", "Supported fields"; kinds with fields of
    // their own have a sentence of their own.
    if (field == nullptr && !strategy.fields.empty()) {
      return bad_request("field label not supported: " + each.path);
    }
    if (field == nullptr) {
      return bad_request(
          fmt::format("\"{}\" is not a known field selector: only \"metadata.name\", "
                      "\"metadata.namespace\"",
                      each.path));
    }
    const auto path = field->path.empty() ? field->label : field->path;
    out.fields_.push_back(
        {each.path, std::string(path), std::string(field->absent), each.is_equal, each.value});
  }
  return out;
}

bool Selection::matches(View object) const {
  for (const auto& each : fields_) {
    if ((text_of(object.find(each.path), each.absent) == each.value) != each.is_equal) {
      return false;
    }
  }
  return labels_.is_everything() || labels_.matches(object["metadata"]["labels"]);
}

std::string Selection::exact(std::string_view label) const {
  for (const auto& each : fields_) {
    if (each.is_equal && each.label == label) {
      return each.value;
    }
  }
  return {};
}

}  // namespace tetrarch::registry
