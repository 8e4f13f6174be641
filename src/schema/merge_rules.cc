// SPDX-License-Identifier: Apache-2.0
#include "schema/merge_rules.h"

#include <algorithm>

#include "schema/table_line.h"

namespace tetrarch::schema {

namespace {

/// MergeRules::Type is a schema::Type. Maps need none: those of served kinds hold scalars.
class TableRules final : public object::MergeRules {
 public:
  Field field(Type type, std::string_view name) const override {
    const auto* found = static_cast<const schema::Type*>(type)->field(name);
    if (found == nullptr) {
      return {};
    }
    Field rules;
    const auto& ref = found->ref.shape == Shape::list ? *found->ref.element : found->ref;
    rules.type = ref.type;
    rules.merge_key = found->patch_merge_key;
    const auto strategies = split_list(found->patch_strategy, ',');
    const auto has = [&](std::string_view strategy) {
      return std::find(strategies.begin(), strategies.end(), strategy) != strategies.end();
    };
    rules.is_merged = has("merge");
    rules.is_replaced = has("replace");
    return rules;
  }
};

}  // namespace

MergeRulesOf merge_rules(const Kind& kind) {
  static const TableRules rules;
  return {rules, kind.type};
}

}  // namespace tetrarch::schema
