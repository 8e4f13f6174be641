// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <ostream>

#include <gtest/gtest.h>

#include "object/int_or_string.h"
#include "object/json_patch.h"
#include "object/merge_patch.h"
#include "object/path.h"

namespace tetrarch::object {
namespace {

struct PatchRow {
  std::string_view name;
  std::string_view target;
  std::string_view patch;
  std::string_view result;  ///< JSON, or the message where the patch is refused
};

void PrintTo(const PatchRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kJsonPatchRows = std::to_array<PatchRow>({
    {"add_member",
     R"({"a":1})",
     R"([{"op":"add","path":"/b","value":{"c":2}}])",
     R"({"a":1,"b":{"c":2}})"},
    {"add_replaces", R"({"a":1})", R"([{"op":"add","path":"/a","value":2}])", R"({"a":2})"},
    {"add_into_list",
     R"({"a":[1,3]})",
     R"([{"op":"add","path":"/a/1","value":2}])",
     R"({"a":[1,2,3]})"},
    {"add_at_end", R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
    {"add_past_end",
     R"({"a":[1]})",
     R"([{"op":"add","path":"/a/3","value":2}])",
     "error in add for path: '/a/3': Unable to access invalid index: 3: invalid index referenced"},
    {"add_no_parent",
     "{}",
     R"([{"op":"add","path":"/a/b","value":2}])",
     "add operation does not apply: doc is missing path: \"/a/b\": missing value"},
    {"escapes",
     R"({"a/b":{"c~d":1}})",
     R"([{"op":"remove","path":"/a~1b/c~0d"}])",
     R"({"a/b":{}})"},
    {"remove_keeps_order",
     R"({"a":1,"b":2,"c":3})",
     R"([{"op":"remove","path":"/a"}])",
     R"({"b":2,"c":3})"},
    {"remove_element", R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/-1"}])", R"({"a":[1,2]})"},
    {"remove_missing",
     "{}",
     R"([{"op":"remove","path":"/a"}])",
     "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value"},
    {"replace",
     R"({"a":{"b":1}})",
     R"([{"op":"replace","path":"/a/b","value":"x"}])",
     R"({"a":{"b":"x"}})"},
    {"replace_root", R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":1}}])", R"({"b":1})"},
    {"replace_no_parent",
     "{}",
     R"([{"op":"replace","path":"/a/b","value":1}])",
     "replace operation does not apply: doc is missing path: /a/b: missing value"},
    {"replace_no_element",
     R"({"a":[]})",
     R"([{"op":"replace","path":"/a/0","value":1}])",
     "replace operation does not apply: doc is missing key: /a/0: missing value"},
    {"move",
     R"({"a":{"b":1},"c":[]})",
     R"([{"op":"move","from":"/a/b","path":"/c/0"}])",
     R"({"a":{},"c":[1]})"},
    {"move_into_itself",
     R"({"a":{"b":1}})",
     R"([{"op":"move","from":"/a","path":"/a/b"}])",
     "move operation does not apply: doc is missing destination path: /a/b: missing value"},
    {"copy",
     R"({"a":{"b":1}})",
     R"([{"op":"copy","from":"/a","path":"/c"}])",
     R"({"a":{"b":1},"c":{"b":1}})"},
    {"test_passes",
     R"({"a":[1,{"b":null}]})",
     R"([{"op":"test","path":"/a","value":[1.0,{"b":null}]}])",
     R"({"a":[1,{"b":null}]})"},
    {"test_fails",
     R"({"a":1})",
     R"([{"op":"test","path":"/a","value":2},{"op":"remove","path":"/a"}])",
     "testing value /a failed: test failed"},
    {"test_of_missing_is_null", "{}", R"([{"op":"test","path":"/a","value":null}])", "{}"},
    {"unknown_operation", "{}", R"([{"op":"frob","path":"/a"}])", "Unexpected kind: frob"},
    {"no_path",
     "{}",
     R"([{"op":"add","value":1}])",
     "add operation failed to decode path: missing value"},
    {"no_from",
     "{}",
     R"([{"op":"move","path":"/a"}])",
     "move operation failed to decode from: missing value"},
    {"no_list",
     "{}",
     R"({"op":"add"})",
     "json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
    {"no_operation",
     "{}",
     R"(["add"])",
     "json: cannot unmarshal string into Go value of type jsonpatch.Operation"},
});

std::string outcome(const Status& status, const Tree& tree) {
  return status.ok() ? to_json(tree) : status.error().message;
}

class JsonPatchTest : public testing::TestWithParam<PatchRow> {};

TEST_P(JsonPatchTest, AppliesOrSaysWhyNot) {
  const auto& row = GetParam();
  Tree target = to_tree((*Document::parse(row.target))->root());

  const auto status = apply_json_patch(target, (*Document::parse(row.patch))->root());

  EXPECT_EQ(outcome(status, target), row.result);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         JsonPatchTest,
                         testing::ValuesIn(kJsonPatchRows),
                         [](const auto& row) { return std::string{row.param.name}; });

std::string repeated(std::string_view operation, std::size_t count) {
  std::string out = "[";
  for (std::size_t i = 0; i < count; ++i) {
    out += (i == 0 ? "" : ",") + std::string(operation);
  }
  return out + "]";
}

TEST(JsonPatch, RefusesTooManyOperations) {
  Tree target = TreeObject();
  const auto patch = *Document::parse(repeated(R"({"op":"test","path":"/a"})", 10'001));

  const auto status = apply_json_patch(target, patch->root());

  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::too_large);
  EXPECT_EQ(status.error().message,
            "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

TEST(JsonPatch, RefusesCopiesThatGrowWithoutBound) {
  Tree target = to_tree((*Document::parse(R"({"a":["0123456789"]})"))->root());
  const auto patch = *Document::parse(repeated(R"({"op":"copy","from":"/a","path":"/a/-"})", 64));

  const auto status = apply_json_patch(target, patch->root());

  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::too_large);
}

TEST(JsonPatch, RefusesNestingWithoutBound) {
  Tree target = to_tree((*Document::parse(R"({"a":{}})"))->root());
  const auto patch = *Document::parse(
      repeated(R"({"op":"add","path":"/b","value":{}},{"op":"move","from":"/a","path":"/b/a"},)"
               R"({"op":"move","from":"/b","path":"/a"})",
               3000));

  const auto status = apply_json_patch(target, patch->root());

  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::invalid);
}

constexpr auto kMergePatchRows = std::to_array<PatchRow>({
    // Source: RFC 7386, appendix A, the rows that patch objects.
    {"replaces", R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
    {"adds", R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
    {"deletes", R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
    {"list_by_scalar", R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
    {"nested", R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
    {"list_by_list", R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
    {"list_to_object", R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
    {"nulls_inside_new", "{}", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
    {"no_object", R"({"a":1})", "[1]", "Invalid JSON Patch"},
});

class MergePatchTest : public testing::TestWithParam<PatchRow> {};

TEST_P(MergePatchTest, MergesAsTheRfcSays) {
  const auto& row = GetParam();
  Tree target = to_tree((*Document::parse(row.target))->root());

  const auto status = apply_merge_patch(target, (*Document::parse(row.patch))->root());

  EXPECT_EQ(outcome(status, target), row.result);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         MergePatchTest,
                         testing::ValuesIn(kMergePatchRows),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST(MergePatch, IsMadeFromADifference) {
  const auto from = *Document::parse(R"({"a":1,"b":{"c":2,"d":3},"e":[1],"f":"x"})");
  const auto to = *Document::parse(R"({"b":{"c":2,"d":4},"e":[1,2],"f":"x","g":{}})");

  const auto patch = to_document(make_merge_patch(from->root(), to->root()));
  Tree target = to_tree(from->root());
  ASSERT_TRUE(apply_merge_patch(target, patch->root()).ok());

  EXPECT_EQ(patch->bytes(), R"({"a":null,"b":{"d":4},"e":[1,2],"g":{}})");
  EXPECT_TRUE(same_value(target, to_tree(to->root())));
}

TEST(Path, FindsMakesSetsAndErases) {
  Tree tree = to_tree((*Document::parse(R"({"metadata":{"name":"a"},"spec":1})"))->root());

  set(tree, "metadata.labels.x", "1");
  set(tree, "spec.replicas", 3);
  make_object(tree, "status");

  EXPECT_EQ(to_json(tree),
            R"({"metadata":{"name":"a","labels":{"x":"1"}},"spec":{"replicas":3},"status":{}})");
  EXPECT_EQ(text_at(tree, "metadata.name"), "a");
  EXPECT_EQ(text_at(tree, "spec.replicas"), "");
  EXPECT_EQ(find(tree, "metadata.none.x"), nullptr);
  EXPECT_TRUE(erase(tree, "metadata.name"));
  EXPECT_FALSE(erase(tree, "metadata.name"));
  EXPECT_EQ(depth_of(tree), 3U);
}

TEST(Path, ReadsPointers) {
  EXPECT_EQ(*parse_pointer(""), std::vector<std::string>{});
  EXPECT_EQ(*parse_pointer("/"), std::vector<std::string>{""});
  EXPECT_EQ(*parse_pointer("/a~1b/~01"), (std::vector<std::string>{"a/b", "~1"}));
  EXPECT_FALSE(parse_pointer("a").ok());
  EXPECT_EQ(pointer_step("a/b~c"), "a~1b~0c");
}

struct ShareRow {
  std::string_view json;
  std::int64_t total;
  Rounding rounding;
  std::int64_t result;
};

TEST(IntOrString, ScalesPercentages) {
  for (const auto& row : {ShareRow{"3", 10, Rounding::up, 3},
                          ShareRow{"\"25%\"", 10, Rounding::up, 3},
                          ShareRow{"\"25%\"", 10, Rounding::down, 2},
                          ShareRow{"\"0%\"", 10, Rounding::up, 0},
                          ShareRow{"\"100%\"", 7, Rounding::down, 7},
                          ShareRow{"\"150%\"", 3, Rounding::up, 5}}) {
    const auto document = *Document::parse(row.json);
    EXPECT_EQ(scaled_value(document->root(), row.total, row.rounding).value(), row.result)
        << row.json;
  }
}

TEST(IntOrString, RefusesTextThatIsNoPercentage) {
  const auto document = *Document::parse(R"(["5","a%"])");

  EXPECT_EQ(scaled_value(document->root().at(0), 1, Rounding::up).error().message,
            "invalid value for IntOrString: invalid type: string is not a percentage");
  EXPECT_FALSE(scaled_value(document->root().at(1), 1, Rounding::up).ok());
  EXPECT_FALSE(scaled_value(View(), 1, Rounding::up).ok());
}

}  // namespace
}  // namespace tetrarch::object
