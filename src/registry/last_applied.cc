// SPDX-License-Identifier: Apache-2.0
#include "registry/last_applied.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "object/path.h"
#include "object/tree.h"
#include "schema/decode.h"
#include "schema/fields.h"

namespace tetrarch::registry {

using object::FieldSet;
using object::Tree;
using object::View;

namespace {

// Source: kubectl apply; the annotation, and the size at which annotations are refused.
constexpr std::string_view kAnnotation = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t kAnnotationsMax = std::size_t{256} << 10U;

/// Members sorted by name at every level, as Go prints maps.
Tree sorted(const Tree& tree) {
  if (const auto* list = tree.if_array(); list != nullptr) {
    object::TreeArray out;
    for (const auto& element : *list) {
      out.push_back(sorted(element));
    }
    return out;
  }
  const auto* from = tree.if_object();
  if (from == nullptr) {
    return tree;
  }
  std::vector<boost::json::string_view> names;
  for (const auto& member : *from) {
    names.push_back(member.key());
  }
  std::sort(names.begin(), names.end());
  object::TreeObject out;
  for (const auto name : names) {
    out[name] = sorted(from->at(name));
  }
  return out;
}

std::size_t size_of(const object::TreeObject& annotations) {
  std::size_t size = 0;
  for (const auto& member : annotations) {
    size += member.key().size() + object::text_of(member.value()).size();
  }
  return size;
}

}  // namespace

FieldSet last_applied_fields(const schema::Kind& kind, View live) {
  const auto text = live["metadata"]["annotations"][kAnnotation].string();
  const auto parsed = text.empty() ? Result<DocumentPtr>(Error{}) : Document::parse(text);
  if (!parsed.ok() || (*parsed)->root()["apiVersion"].string() != kind.api_version()) {
    return {};
  }
  const auto last = schema::decode_as_given(kind, text, schema::Unknown::ignore);
  if (!last.ok()) {
    return {};
  }
  const View said = last->document->root();
  const auto changes = schema::compare_fields(*kind.type, said, live, {});
  return subtract(schema::fields_of(*kind.type, said), unite(changes.gained(), changes.removed));
}

DocumentPtr with_last_applied(const DocumentPtr& object, View applied) {
  if (object->root()["metadata"]["annotations"][kAnnotation].string().empty()) {
    return object;
  }
  auto said = object::to_tree(applied);
  if (auto* annotations = object::find(said, "metadata.annotations");
      annotations != nullptr && annotations->is_object()) {
    object::erase_member(annotations->get_object(), kAnnotation);
  }
  auto tree = object::to_tree(object->root());
  auto& annotations = object::make_object(tree, "metadata.annotations");
  const boost::json::string_view name(kAnnotation.data(), kAnnotation.size());
  annotations[name] = object::to_json(sorted(said)) + "\n";
  if (size_of(annotations) > kAnnotationsMax) {
    object::erase_member(annotations, kAnnotation);
  }
  return object::to_document(tree);
}

}  // namespace tetrarch::registry
