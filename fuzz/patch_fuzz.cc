// SPDX-License-Identifier: Apache-2.0
// Two JSON values, a line feed between them: the second patches the first in each of the three
// ways.
#include "base/check.h"
#include "input.h"
#include "object/document.h"
#include "object/json_patch.h"
#include "object/merge_patch.h"
#include "object/strategic_merge.h"
#include "object/tree.h"

using namespace tetrarch::object;

namespace {

/// `a` is merged by `k`, `b` is a merged list of scalars, `c` is replaced, all others are objects
/// like the root.
class AnyRules final : public MergeRules {
 public:
  Field field(Type type, std::string_view name) const override {
    if (name == "a") {
      return {.type = type, .merge_key = "k", .is_merged = true};
    }
    return {.type = type, .is_merged = name == "b", .is_replaced = name == "c"};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tetrarch::fuzz::Input input(data, size);
  const auto target = Document::parse(input.line());
  const auto patch = Document::parse(input.is_empty() ? "[]" : input.rest());
  if (!target.ok() || !patch.ok()) {
    return 0;
  }
  const auto try_one = [&](const auto& apply) {
    Tree tree = to_tree((*target)->root());
    if (apply(tree).ok()) {
      CHECK(Document::parse(to_json(tree)).ok());
    }
  };
  try_one([&](Tree& tree) { return apply_json_patch(tree, (*patch)->root()); });
  try_one([&](Tree& tree) { return apply_merge_patch(tree, (*patch)->root()); });
  try_one([&](Tree& tree) {
    const AnyRules rules;
    return apply_strategic_merge(tree, to_tree((*patch)->root()), rules, &rules);
  });
  const View from = (*target)->root();
  const View to = (*patch)->root();
  if (from.is_object() && to.is_object()) {
    make_merge_patch(from, to);
  }
  return 0;
}
