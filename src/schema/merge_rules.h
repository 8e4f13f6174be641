// SPDX-License-Identifier: Apache-2.0
// What strategic merge patch asks about the built-in kinds. Heavy header (trees): include it in .cc
// files only.
#pragma once

#include "object/strategic_merge.h"
#include "schema/catalog.h"

namespace tetrarch::schema {

/// The two last arguments of object::apply_strategic_merge for an object of some kind; valid as
/// long as the catalog.
struct MergeRulesOf {
  const object::MergeRules& rules;
  object::MergeRules::Type type;
};

MergeRulesOf merge_rules(const Kind& kind);

}  // namespace tetrarch::schema
