// SPDX-License-Identifier: Apache-2.0
// Server-side apply's walks over typed objects: one row for each way a list, map or type is merged.
#include "schema/fields.h"

#include <array>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/tree.h"
#include "schema/decode.h"

namespace tetrarch::schema {
namespace {

using object::FieldSet;
using testing::HasSubstr;

const Kind& kind(std::string_view name) {
  static const auto loaded = [] {
    auto result = Catalog::load_builtin();
    EXPECT_TRUE(result.ok());
    return std::move(result).value();
  }();
  const auto* found = loaded->find(name == "Deployment" ? "apps" : "", "v1", name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

/// As given, so that rows show all there is.
DocumentPtr read(std::string_view of, std::string_view json) {
  auto decoded = decode_as_given(kind(of), json, Unknown::refuse);
  EXPECT_TRUE(decoded.ok()) << (decoded.ok() ? "" : decoded.error().message);
  return decoded.ok() ? decoded->document : Document::from_canonical("{}");
}

std::string text_of(const FieldSet& set) {
  std::string out;
  object::Writer writer(out);
  set.write(writer);
  return out;
}

FieldSet set_of(std::string_view json) {
  return *FieldSet::decode((*Document::parse(json))->root());
}

/// What is looked at in these tests: not what every object has.
const FieldSet& heads() {
  static const auto set = set_of(R"({"f:apiVersion":{},"f:kind":{},"f:metadata":{"f:name":{}}})");
  return set;
}

struct FieldsRow {
  std::string name;
  std::string kind;
  std::string json;
  std::string fields;  ///< fields_of
  std::string added;   ///< compare_fields with nothing
};

void PrintTo(const FieldsRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<FieldsRow> kFields = {
    {"map",
     "ConfigMap",
     R"({"data":{"a":"1","b":"2"}})",
     R"({"f:data":{"f:a":{},"f:b":{}}})",
     R"({"f:data":{".":{},"f:a":{},"f:b":{}}})"},
    {"by_value_and_pointer",
     "Pod",
     R"({"spec":{"securityContext":{"runAsUser":1}}})",
     R"({"f:spec":{"f:securityContext":{"f:runAsUser":{}}}})",
     R"({"f:spec":{"f:securityContext":{".":{},"f:runAsUser":{}}}})"},
    {"empty_type",
     "Pod",
     R"({"spec":{"securityContext":{}}})",
     R"({"f:spec":{"f:securityContext":{}}})",
     R"({"f:spec":{"f:securityContext":{}}})"},
    {"keyed_by_name",
     "Pod",
     R"({"spec":{"imagePullSecrets":[{"name":"s"}]}})",
     R"({"f:spec":{"f:imagePullSecrets":{"k:{\"name\":\"s\"}":{}}}})",
     R"({"f:spec":{"f:imagePullSecrets":{".":{},"k:{\"name\":\"s\"}":{}}}})"},
    {"set",
     "Pod",
     R"({"metadata":{"finalizers":["a/b","c/d"]}})",
     R"({"f:metadata":{"f:finalizers":{"v:\"a/b\"":{},"v:\"c/d\"":{}}}})",
     R"({"f:metadata":{"f:finalizers":{".":{},"v:\"a/b\"":{},"v:\"c/d\"":{}}}})"},
    {"keyed_list",
     "Pod",
     R"({"spec":{"containers":[{"name":"x","args":["a"],"ports":[)"
     R"({"containerPort":80}]}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{".":{},"f:args":{},"f:name":{},)"
     R"("f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}})",
     R"({"f:spec":{"f:containers":{".":{},"k:{\"name\":\"x\"}":{".":{},"f:args":{},"f:name":{},)"
     R"("f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},)"
     R"("f:containerPort":{}}}}}}})"},
    {"atomic_map",
     "Service",
     R"({"spec":{"selector":{"a":"b"}}})",
     R"({"f:spec":{"f:selector":{}}})",
     R"({"f:spec":{"f:selector":{}}})"},
    {"atomic_type",
     "Deployment",
     R"({"spec":{"selector":{"matchLabels":{"a":"b"}}}})",
     R"({"f:spec":{"f:selector":{}}})",
     R"({"f:spec":{"f:selector":{}}})"},
    {"repeated_element",
     "Pod",
     R"({"spec":{"containers":[{"name":"x","image":"a"},{"name":"x","image":"b"}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{}}}})",
     R"({"f:spec":{"f:containers":{".":{},"k:{\"name\":\"x\"}":{}}}})"},
    {"template",
     "Deployment",
     R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}},"spec":{"hostNetwork":true}}}})",
     R"({"f:spec":{"f:template":{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{)"
     R"("f:hostNetwork":{}}}}})",
     R"({"f:spec":{"f:template":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{)"
     R"("f:hostNetwork":{}}}}})"},
};

class FieldsTest : public testing::TestWithParam<FieldsRow> {};

TEST_P(FieldsTest, AreThoseThatTheSchemaTellsApart) {
  const auto& row = GetParam();
  const auto object = read(row.kind, row.json);
  const auto& type = *kind(row.kind).type;
  auto fields = subtract_deep(fields_of(type, object->root()), heads());
  fields = subtract(fields, set_of(R"({"f:metadata":{}})"));
  EXPECT_EQ(text_of(fields), row.fields);
}

TEST_P(FieldsTest, OfANewObjectAreAddedAndPrintedAlike) {
  const auto& row = GetParam();
  const auto object = read(row.kind, row.json);
  const auto& type = *kind(row.kind).type;
  const auto changes = compare_fields(type, {}, object->root(), heads());
  EXPECT_EQ(text_of(changes.added), row.added);
  EXPECT_TRUE(changes.modified.is_empty());
  EXPECT_TRUE(changes.removed.is_empty());
  std::string printed;
  print_new_fields(printed, type, object->root(), heads());
  EXPECT_EQ(set_of(printed), changes.added) << printed;
  const auto back = compare_fields(type, object->root(), {}, heads());
  EXPECT_EQ(back.removed, changes.added);
}

INSTANTIATE_TEST_SUITE_P(Table, FieldsTest, testing::ValuesIn(kFields), [](const auto& row) {
  return row.param.name;
});

struct CompareRow {
  std::string name;
  std::string kind;
  std::string old;
  std::string fresh;
  std::string added;
  std::string modified;
  std::string removed;
};

void PrintTo(const CompareRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<CompareRow> kCompared = {
    {"nothing", "ConfigMap", R"({"data":{"a":"1"}})", R"({"data":{"a":"1"}})", "{}", "{}", "{}"},
    {"map_member",
     "ConfigMap",
     R"({"data":{"a":"1","b":"1"}})",
     R"({"data":{"b":"2","c":"3"}})",
     R"({"f:data":{"f:c":{}}})",
     R"({"f:data":{"f:b":{}}})",
     R"({"f:data":{"f:a":{}}})"},
    {"whole_map",
     "ConfigMap",
     R"({"data":{"a":"1"}})",
     "{}",
     "{}",
     "{}",
     R"({"f:data":{".":{},"f:a":{}}})"},
    {"atomic_list",
     "Pod",
     R"({"spec":{"containers":[{"name":"x","args":["1"]}]}})",
     R"({"spec":{"containers":[{"name":"x","args":["1","2"]}]}})",
     "{}",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{"f:args":{}}}}})",
     "{}"},
    {"element",
     "Pod",
     R"({"spec":{"containers":[{"name":"x"},{"name":"y"}]}})",
     R"({"spec":{"containers":[{"name":"z"},{"name":"x","image":"i"}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{"f:image":{}},"k:{\"name\":\"z\"}":{)"
     R"(".":{},"f:name":{}}}}})",
     "{}",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"y\"}":{".":{},"f:name":{}}}}})"},
    {"order_is_no_change",
     "Pod",
     R"({"spec":{"containers":[{"name":"x"},{"name":"y"}]}})",
     R"({"spec":{"containers":[{"name":"y"},{"name":"x"}]}})",
     "{}",
     "{}",
     "{}"},
    {"set_member",
     "Pod",
     R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"metadata":{"finalizers":["b","c"]}})",
     R"({"f:metadata":{"f:finalizers":{"v:\"c\"":{}}}})",
     "{}",
     R"({"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}})"},
    {"atomic_map",
     "Service",
     R"({"spec":{"selector":{"a":"b"}}})",
     R"({"spec":{"selector":{"a":"c"}}})",
     "{}",
     R"({"f:spec":{"f:selector":{}}})",
     "{}"},
    {"becomes_repeated",
     "Pod",
     R"({"spec":{"containers":[{"name":"x"}]}})",
     R"({"spec":{"containers":[{"name":"x"},{"name":"x"}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{}}}})",
     "{}",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}}}})"},
    {"stays_repeated",
     "Pod",
     R"({"spec":{"containers":[{"name":"x"},{"name":"x"}]}})",
     R"({"spec":{"containers":[{"name":"x"},{"name":"x","image":"i"}]}})",
     "{}",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{}}}})",
     "{}"},
    {"no_longer_repeated",
     "Pod",
     R"({"spec":{"containers":[{"name":"x"},{"name":"x"}]}})",
     R"({"spec":{"containers":[{"name":"x"}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}}}})",
     "{}",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{}}}})"},
};

class CompareTest : public testing::TestWithParam<CompareRow> {};

TEST_P(CompareTest, SaysWhatWasAddedModifiedAndRemoved) {
  const auto& row = GetParam();
  const auto old = read(row.kind, row.old);
  const auto fresh = read(row.kind, row.fresh);
  const auto changes = compare_fields(*kind(row.kind).type, old->root(), fresh->root(), heads());
  EXPECT_EQ(text_of(changes.added), row.added);
  EXPECT_EQ(text_of(changes.modified), row.modified);
  EXPECT_EQ(text_of(changes.removed), row.removed);
}

INSTANTIATE_TEST_SUITE_P(Table, CompareTest, testing::ValuesIn(kCompared), [](const auto& row) {
  return row.param.name;
});

TEST(CompareFields, DoesNotLookAtWhatIsIgnored) {
  const auto old = read("Pod", R"({"status":{"phase":"Pending"},"spec":{"nodeName":"a"}})");
  const auto fresh = read("Pod", R"({"status":{"phase":"Running"},"spec":{"nodeName":"b"}})");
  const auto ignored = set_of(R"({"f:status":{},"f:spec":{"f:nodeName":{}}})");
  EXPECT_TRUE(compare_fields(*kind("Pod").type, old->root(), fresh->root(), ignored).is_empty());
}

struct MergeRow {
  std::string name;
  std::string kind;
  std::string live;
  std::string applied;
  std::string merged;
};

void PrintTo(const MergeRow& row, std::ostream* out) {
  *out << row.name;
}

/// Names of containers, in order.
std::string containers(std::initializer_list<const char*> names) {
  std::string out;
  for (const auto* name : names) {
    out += (out.empty() ? R"({"name":")" : R"(,{"name":")") + std::string(name) + "\"}";
  }
  return R"({"spec":{"containers":[)" + out + "]}}";
}

const std::vector<MergeRow> kMerged = {
    {"into_nothing", "ConfigMap", "{}", R"({"data":{"a":"1"}})", R"({"data":{"a":"1"}})"},
    {"map",
     "ConfigMap",
     R"({"data":{"a":"1","b":"1"}})",
     R"({"data":{"b":"2","c":"3"}})",
     R"({"data":{"a":"1","b":"2","c":"3"}})"},
    {"scalar",
     "Deployment",
     R"({"spec":{"replicas":1,"paused":true}})",
     R"({"spec":{"replicas":2}})",
     R"({"spec":{"paused":true,"replicas":2}})"},
    {"atomic_list",
     "Pod",
     R"({"spec":{"containers":[{"name":"x","args":["1","2"]}]}})",
     R"({"spec":{"containers":[{"name":"x","args":["3"]}]}})",
     R"({"spec":{"containers":[{"args":["3"],"name":"x"}]}})"},
    {"atomic_map",
     "Service",
     R"({"spec":{"selector":{"a":"b"}}})",
     R"({"spec":{"selector":{"c":"d"}}})",
     R"({"spec":{"selector":{"c":"d"}}})"},
    {"set",
     "Pod",
     R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"metadata":{"finalizers":["c","b"]}})",
     R"({"metadata":{"finalizers":["a","c","b"]}})"},
    {"element_by_key",
     "Pod",
     R"({"spec":{"containers":[{"name":"x","image":"i"}]}})",
     R"({"spec":{"containers":[{"name":"x","tty":true}]}})",
     R"({"spec":{"containers":[{"image":"i","name":"x","tty":true}]}})"},
    {"new_behind", "Pod", containers({"a"}), containers({"a", "b"}), containers({"a", "b"})},
    {"new_before", "Pod", containers({"a"}), containers({"b", "a"}), containers({"b", "a"})},
    {"live_stays_behind",
     "Pod",
     containers({"a", "l"}),
     containers({"x", "a"}),
     containers({"x", "a", "l"})},
    {"live_stays_before",
     "Pod",
     containers({"l", "a"}),
     containers({"x", "a"}),
     containers({"l", "x", "a"})},
    {"applied_order_wins",
     "Pod",
     containers({"a", "b", "c"}),
     containers({"c", "a"}),
     containers({"b", "c", "a"})},
    {"live_between",
     "Pod",
     containers({"a", "l", "b"}),
     containers({"a", "b"}),
     containers({"a", "l", "b"})},
    {"nothing_shared",
     "Pod",
     containers({"l", "m"}),
     containers({"a", "b"}),
     containers({"l", "m", "a", "b"})},
    {"repeated_gives_way",
     "Pod",
     containers({"a", "a", "l"}),
     containers({"a"}),
     containers({"a", "l"})},
    {"repeated_stays",
     "Pod",
     containers({"l", "l"}),
     containers({"a"}),
     containers({"l", "l", "a"})},
};

class MergeTest : public testing::TestWithParam<MergeRow> {};

TEST_P(MergeTest, TakesLeavesAndMergesTheRest) {
  const auto& row = GetParam();
  const auto live = read(row.kind, row.live);
  const auto applied = read(row.kind, row.applied);
  const auto json = merge_applied(*kind(row.kind).type, live->root(), applied->root());
  EXPECT_EQ(read(row.kind, json)->bytes(), read(row.kind, row.merged)->bytes()) << json;
}

TEST_P(MergeTest, OfWhatIsThereAlreadyChangesNothing) {
  const auto& row = GetParam();
  const auto& type = *kind(row.kind).type;
  const auto applied = read(row.kind, row.applied);
  const auto once =
      read(row.kind, merge_applied(type, read(row.kind, row.live)->root(), applied->root()));
  const auto twice = read(row.kind, merge_applied(type, once->root(), applied->root()));
  EXPECT_EQ(once->bytes(), twice->bytes());
}

INSTANTIATE_TEST_SUITE_P(Table, MergeTest, testing::ValuesIn(kMerged), [](const auto& row) {
  return row.param.name;
});

struct RemoveRow {
  std::string name;
  std::string json;
  std::string gone;
  std::string left;
};

void PrintTo(const RemoveRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<RemoveRow> kRemoved = {
    {"member",
     R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
     R"({"f:metadata":{"f:labels":{"f:a":{}}}})",
     R"({"metadata":{"labels":{"b":"2"}}})"},
    {"last_member",
     R"({"metadata":{"labels":{"a":"1"}},"spec":{"hostNetwork":true}})",
     R"({"f:metadata":{"f:labels":{"f:a":{}}}})",
     R"({"metadata":{"labels":{}},"spec":{"hostNetwork":true}})"},
    {"element",
     R"({"spec":{"containers":[{"name":"x"},{"name":"y"}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{}}}})",
     R"({"spec":{"containers":[{"name":"y"}]}})"},
    {"in_element",
     R"({"spec":{"containers":[{"image":"i","name":"x"}]}})",
     R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{"f:image":{}}}}})",
     R"({"spec":{"containers":[{"name":"x"}]}})"},
    {"set_member",
     R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"f:metadata":{"f:finalizers":{"v:\"a\"":{}}}})",
     R"({"metadata":{"finalizers":["b"]}})"},
    {"not_there",
     R"({"metadata":{"labels":{"a":"1"}}})",
     R"({"f:spec":{"f:x":{}}})",
     R"({"metadata":{"labels":{"a":"1"}}})"},
};

class RemoveTest : public testing::TestWithParam<RemoveRow> {};

TEST_P(RemoveTest, TakesOutTheseFieldsAndNoOther) {
  const auto object = Document::from_canonical(GetParam().json);
  EXPECT_EQ(without_fields(*kind("Pod").type, object->root(), set_of(GetParam().gone)),
            GetParam().left);
}

INSTANTIATE_TEST_SUITE_P(Table, RemoveTest, testing::ValuesIn(kRemoved), [](const auto& row) {
  return row.param.name;
});

TEST(NamedFields, AreMembersWhereSomethingBelowIs) {
  const auto fields = set_of(
      R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{)"
      R"("f:resources":{"f:limits":{"f:cpu":{}}}}}}})");
  EXPECT_EQ(text_of(with_named_fields(*kind("Pod").type, fields)),
            R"({"f:metadata":{".":{},"f:labels":{".":{},"f:a":{}}},"f:spec":{".":{},)"
            R"("f:containers":{".":{},"k:{\"name\":\"x\"}":{"f:resources":{".":{},"f:limits":{)"
            R"(".":{},"f:cpu":{}}}}}}})");
}

struct CheckRow {
  std::string name;
  std::string json;
  std::string message;  ///< empty: nothing is wrong
};

void PrintTo(const CheckRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<CheckRow> kChecked = {
    {"good", R"({"spec":{"containers":[{"name":"x","ports":[{"containerPort":80}]}]}})", ""},
    {"unknown", R"({"spec":{"foo":1}})", ".spec.foo: field not declared in schema"},
    {"unknown_in_element",
     R"({"spec":{"containers":[{"name":"x","foo":1}]}})",
     ".spec.containers[name=\"x\"].foo: field not declared in schema"},
    {"unknown_in_atomic",
     R"({"spec":{"tolerations":[{"kee":"x"}]}})",
     ".spec.tolerations[0].kee: field not declared in schema"},
    {"two",
     R"({"spec":{"foo":1,"bar":{}}})",
     "errors:\n  .spec.foo: field not declared in schema\n  .spec.bar: field not declared in "
     "schema"},
    {"repeated",
     R"({"spec":{"containers":[{"name":"x"},{"name":"x"}]}})",
     ".spec.containers: duplicate entries for key [name=\"x\"]"},
    {"repeated_by_default",
     R"({"spec":{"containers":[{"name":"x","ports":[{"containerPort":80},)"
     R"({"containerPort":80,"protocol":"TCP"}]}]}})",
     ".spec.containers[name=\"x\"].ports: duplicate entries for key "
     "[containerPort=80,protocol=\"TCP\"]"},
    {"no_key",
     R"({"spec":{"containers":[{"image":"i"}]}})",
     ".spec.containers: element 0: associative list with keys has an element that omits all key "
     "fields [\"name\"] (and doesn't have default values for any key fields)"},
    {"null_element",
     R"({"spec":{"containers":[null]}})",
     ".spec.containers: element 0: associative list with keys may not have a null element"},
    {"scalar_element",
     R"({"spec":{"containers":["x"]}})",
     ".spec.containers: element 0: associative list with keys may not have non-map elements"},
    {"object_in_set",
     R"({"metadata":{"finalizers":[{}]}})",
     ".metadata.finalizers: element 0: associative list without keys has an element that's a map "
     "type"},
};

class CheckTest : public testing::TestWithParam<CheckRow> {};

TEST_P(CheckTest, NamesWhatAConfigurationMustNotSay) {
  const auto status = check_applied(*kind("Pod").type, (*Document::parse(GetParam().json))->root());
  EXPECT_EQ(status.ok() ? "" : status.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(Table, CheckTest, testing::ValuesIn(kChecked), [](const auto& row) {
  return row.param.name;
});

TEST(DecodeAsGiven, AddsNoDefaultsAndKeepsWhatIsTranslated) {
  EXPECT_EQ(read("Pod", R"({"spec":{"containers":[{"name":"x","ports":[{"containerPort":80}]}]}})")
                ->bytes(),
            R"({"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":[{"name":"x",)"
            R"("ports":[{"containerPort":80}]}]}})");
  EXPECT_EQ(read("Secret", R"({"stringData":{"a":"x"}})")->root()["data"]["a"].string(), "eA==");
  EXPECT_EQ(read("Namespace", R"({"metadata":{"name":"n"}})")->root()["metadata"].raw(),
            R"({"name":"n"})");
}

}  // namespace
}  // namespace tetrarch::schema
