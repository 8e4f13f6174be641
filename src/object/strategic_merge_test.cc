// SPDX-License-Identifier: Apache-2.0
#include "object/strategic_merge.h"

#include <array>
#include <ostream>

#include <gtest/gtest.h>

#include "object/document.h"

namespace tetrarch::object {
namespace {

/// A small schema: `items` are objects merged by `name` and hold the same members again; `tags` are
/// scalars, merged; `plain` is replaced; `strategy` is an object replaced as a whole; `child` is an
/// object of the same type.
class TestRules final : public MergeRules {
 public:
  Type root() const { return this; }

  Field field(Type /*type*/, std::string_view name) const override {
    if (name == "items") {
      return {.type = this, .merge_key = "name", .is_merged = true};
    }
    if (name == "ports") {
      return {.type = this, .merge_key = "port", .is_merged = true};
    }
    if (name == "tags") {
      return {.is_merged = true};
    }
    if (name == "strategy") {
      return {.type = this, .is_replaced = true};
    }
    return {.type = name == "child" ? this : nullptr};
  }
};

struct Row {
  std::string_view name;
  std::string_view target;
  std::string_view patch;
  std::string_view result;  ///< JSON, or the message where the patch is refused
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRows = std::to_array<Row>({
    {"merges_objects",
     R"({"a":1,"child":{"b":2}})",
     R"({"child":{"c":3},"d":4})",
     R"({"a":1,"child":{"b":2,"c":3},"d":4})"},
    {"null_deletes",
     R"({"a":1,"child":{"b":2}})",
     R"({"a":null,"child":{"b":null},"x":null})",
     R"({"child":{}})"},
    {"nulls_in_new_values_vanish",
     "{}",
     R"({"child":{"a":null,"b":[{"c":null,"d":1}]}})",
     R"({"child":{"b":[{"d":1}]}})"},
    {"plain_list_is_replaced", R"({"plain":[1,2]})", R"({"plain":[3]})", R"({"plain":[3]})"},
    {"free_json_merges_objects",
     R"({"any":{"a":{"b":1},"items":[1]}})",
     R"({"any":{"a":{"c":2},"items":[2]}})",
     R"({"any":{"a":{"b":1,"c":2},"items":[2]}})"},
    {"type_change_replaces", R"({"child":{"a":1}})", R"({"child":[1]})", R"({"child":[1]})"},
    {"merges_list_by_key",
     R"({"items":[{"name":"a","v":1},{"name":"b","v":2}]})",
     R"({"items":[{"name":"b","w":3}]})",
     R"({"items":[{"name":"a","v":1},{"name":"b","v":2,"w":3}]})"},
    {"adds_to_list_by_key",
     R"({"items":[{"name":"a"}]})",
     R"({"items":[{"name":"b","x":null}]})",
     R"({"items":[{"name":"b"},{"name":"a"}]})"},
    {"numbers_as_keys",
     R"({"ports":[{"port":80,"n":"x"}]})",
     R"({"ports":[{"port":80,"n":"y"}]})",
     R"({"ports":[{"port":80,"n":"y"}]})"},
    {"deletes_by_key",
     R"({"items":[{"name":"a"},{"name":"b"}]})",
     R"({"items":[{"$patch":"delete","name":"a"}]})",
     R"({"items":[{"name":"b"}]})"},
    {"deletes_what_is_not_there",
     R"({"items":[{"name":"a"}]})",
     R"({"items":[{"$patch":"delete","name":"z"}]})",
     R"({"items":[{"name":"a"}]})"},
    {"replaces_list",
     R"({"items":[{"name":"a"}]})",
     R"({"items":[{"$patch":"replace"},{"name":"b"}]})",
     R"({"items":[{"name":"b"}]})"},
    {"recurses_into_elements",
     R"({"items":[{"name":"a","items":[{"name":"x"}]}]})",
     R"({"items":[{"name":"a","items":[{"name":"x","v":1}]}]})",
     R"({"items":[{"name":"a","items":[{"name":"x","v":1}]}]})"},
    {"scalars_merge_without_duplicates",
     R"({"tags":["a","b"]})",
     R"({"tags":["b","c"]})",
     R"({"tags":["a","b","c"]})"},
    {"scalars_deleted",
     R"({"tags":["a","b","c"]})",
     R"({"$deleteFromPrimitiveList/tags":["b","z"]})",
     R"({"tags":["a","c"]})"},
    {"scalars_deleted_and_added",
     R"({"tags":["a","b"]})",
     R"({"$deleteFromPrimitiveList/tags":["a"],"tags":["c"],"$setElementOrder/tags":["b","c"]})",
     R"({"tags":["b","c"]})"},
    {"order_of_elements",
     R"({"items":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
     R"({"$setElementOrder/items":[{"name":"c"},{"name":"a"}]})",
     R"({"items":[{"name":"b"},{"name":"c"},{"name":"a"}]})"},
    {"order_with_additions",
     R"({"items":[{"name":"a"},{"name":"server"},{"name":"b"}]})",
     R"({"$setElementOrder/items":[{"name":"a"},{"name":"new"},{"name":"b"}],"items":[{"name":"new","v":1}]})",
     R"({"items":[{"name":"a"},{"name":"new","v":1},{"name":"server"},{"name":"b"}]})"},
    {"order_with_deletion",
     R"({"items":[{"name":"a"},{"name":"b"}]})",
     R"({"$setElementOrder/items":[{"name":"b"}],"items":[{"$patch":"delete","name":"a"}]})",
     R"({"items":[{"name":"b"}]})"},
    {"order_of_a_list_that_is_not_there",
     "{}",
     R"({"$setElementOrder/items":[{"name":"b"}]})",
     "{}"},
    {"order_of_a_new_list",
     "{}",
     R"({"$setElementOrder/items":[{"name":"b"},{"name":"a"}],"items":[{"name":"b"},{"name":"a"}]})",
     R"({"items":[{"name":"b"},{"name":"a"}]})"},
    {"retain_keys",
     R"({"child":{"a":1,"b":2,"c":3}})",
     R"({"child":{"$retainKeys":["a","d"],"d":4,"b":null}})",
     R"({"child":{"a":1,"d":4}})"},
    {"replace_object",
     R"({"child":{"a":1}})",
     R"({"child":{"$patch":"replace","b":2}})",
     R"({"child":{"b":2}})"},
    {"delete_object",
     R"({"child":{"a":1}})",
     R"({"child":{"$patch":"delete"}})",
     R"({"child":{}})"},
    {"merge_object",
     R"({"child":{"a":1}})",
     R"({"child":{"$patch":"merge","b":2}})",
     R"({"child":{"a":1,"b":2}})"},
    {"object_replaced_by_strategy",
     R"({"strategy":{"a":1}})",
     R"({"strategy":{"b":2}})",
     R"({"strategy":{"b":2}})"},
    {"directive_in_new_value_is_dropped",
     "{}",
     R"({"child":{"$retainKeys":["b"],"b":2},"x":{"$patch":"delete"}})",
     R"({"child":{"b":2}})"},
    {"duplicate_keys_stay",
     R"({"ports":[{"port":53,"p":"TCP"},{"port":53,"p":"UDP"}]})",
     R"({"ports":[{"port":53,"x":1}]})",
     R"({"ports":[{"port":53,"p":"TCP","x":1},{"port":53,"p":"UDP"}]})"},
    {"refuses_unknown_directive",
     R"({"child":{}})",
     R"({"child":{"$patch":"frob"}})",
     R"(unknown patch type: frob in map: {"$patch":"frob"})"},
    {"refuses_element_without_key",
     R"({"items":[{"name":"a"}]})",
     R"({"items":[{"v":1}]})",
     R"(map: {"v":1} does not contain declared merge key: name)"},
    {"refuses_mixed_list",
     R"({"items":[{"name":"a"}]})",
     R"({"items":["a"]})",
     R"(list element types are not identical: [{"name":"a"}] ["a"])"},
    {"refuses_list_of_lists",
     R"({"tags":["a"]})",
     R"({"tags":[["b"]]})",
     "lists of lists are not supported"},
    {"refuses_merge_in_list",
     R"({"items":[{"name":"a"}]})",
     R"({"items":[{"$patch":"merge","name":"a"}]})",
     "merging lists cannot yet be specified in the patch"},
    {"refuses_key_not_retained",
     R"({"child":{"a":1}})",
     R"({"child":{"$retainKeys":["a"],"b":1}})",
     "invalid patch format of retainKeys"},
    {"refuses_order_that_is_no_list",
     R"({"items":[]})",
     R"({"$setElementOrder/items":1})",
     "invalid patch format of setElementOrder list"},
    {"refuses_bad_deletion",
     R"({"tags":[]})",
     R"({"$deleteFromPrimitiveList":[]})",
     "invalid patch format of primitive list"},
    {"refuses_other_order",
     R"({"items":[{"name":"a"}]})",
     R"({"$setElementOrder/items":[{"name":"a"}],"items":[{"name":"z"}]})",
     "The order in patch list:\n[{\"name\":\"z\"}]\n doesn't match $setElementOrder "
     "list:\n[{\"name\":\"a\"}]\n"},
    {"refuses_no_object", "{}", "[]", "invalid JSON document"},
});

class StrategicMergeTest : public testing::TestWithParam<Row> {};

TEST_P(StrategicMergeTest, AppliesOrSaysWhyNot) {
  const auto& row = GetParam();
  const TestRules rules;
  Tree target = to_tree((*Document::parse(row.target))->root());
  Tree patch = to_tree((*Document::parse(row.patch))->root());

  const auto status = apply_strategic_merge(target, std::move(patch), rules, rules.root());

  EXPECT_EQ(status.ok() ? to_json(target) : status.error().message, row.result);
}

INSTANTIATE_TEST_SUITE_P(Table, StrategicMergeTest, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

}  // namespace
}  // namespace tetrarch::object
