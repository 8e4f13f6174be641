// SPDX-License-Identifier: Apache-2.0
// Two JSON values, a line feed between them: the second patches the first in each of the three
// ways.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
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
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto line = input.find('\n');
  const auto target = Document::parse(input.substr(0, line));
  const auto patch =
      Document::parse(line == std::string_view::npos ? "[]" : input.substr(line + 1));
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
