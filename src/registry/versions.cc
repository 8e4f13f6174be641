// SPDX-License-Identifier: Apache-2.0
#include "registry/versions.h"

#include "schema/convert.h"
#include "schema/merge_rules.h"

namespace tetrarch::registry {

Result<DocumentPtr> converted(const schema::Kind& from,
                              const schema::Kind& to,
                              const DocumentPtr& document) {
  return schema::convert(document->root(), from, to);
}

Status apply_strategic(object::Tree& target, object::View patch, const schema::Kind& kind) {
  const auto [rules, type] = schema::merge_rules(kind);
  return object::apply_strategic_merge(target, object::to_tree(patch), rules, type);
}

}  // namespace tetrarch::registry
