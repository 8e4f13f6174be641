// SPDX-License-Identifier: Apache-2.0
// Patches of all three kinds against real objects: what becomes of the object, and the sentences in
// which a kube-apiserver refuses.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;
using testing::StartsWith;

struct PatchRow {
  std::string name;
  PatchType type;
  std::string body;
  std::string answer;     ///< how the answer begins
  std::string path = {};  ///< of the patched object
  std::string is = {};    ///< what is there then, as JSON; empty: nothing
  bool is_strict = false;
};

void PrintTo(const PatchRow& row, std::ostream* out) {
  *out << row.name;
}

class PatchTest : public RegistryTest, public testing::WithParamInterface<PatchRow> {
 protected:
  PatchTest() {
    open_namespace("default");
    const auto made = create(
        "deployments.apps",
        "default",
        R"({"metadata":{"name":"d","labels":{"k":"v"},"finalizers":["a.b/x","a.b/y"]},)"
        R"("spec":{"selector":{"matchLabels":{"a":"b"}},"strategy":{"type":"RollingUpdate"},)"
        R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[)"
        R"({"name":"one","image":"i","env":[{"name":"E","value":"1"},{"name":"F","value":"2"}]},)"
        R"({"name":"two","image":"i"}],"tolerations":[{"key":"t","operator":"Exists"}]}}}})");
    EXPECT_TRUE(made.ok()) << text_of(made);
  }

  Result<Stored> patch(PatchType type, std::string body, bool is_strict = false) {
    auto where = call("deployments.apps", "default", "d");
    where.field_validation = is_strict ? FieldValidation::strict : FieldValidation::warn;
    return run(registry_->patch(where, type, std::move(body), {}));
  }
};

constexpr auto kJson = PatchType::json;
constexpr auto kMerge = PatchType::merge;
constexpr auto kStrategic = PatchType::strategic;

constexpr const char* kRejected =
    "invalid: the server rejected our request due to an error in our request: ";
constexpr const char* kContainers = "spec.template.spec.containers";

/// A strategic patch of the pod template's spec.
std::string in_template(const std::string& spec) {
  return R"({"spec":{"template":{"spec":)" + spec + "}}}";
}

const std::vector<PatchRow> kRows = {
    {"json_add",
     kJson,
     R"([{"op":"add","path":"/metadata/labels/n","value":"m"}])",
     "ok",
     "metadata.labels",
     R"({"k":"v","n":"m"})"},
    {"json_replace",
     kJson,
     R"([{"op":"replace","path":"/spec/replicas","value":4}])",
     "ok",
     "spec.replicas",
     "4"},
    {"json_remove",
     kJson,
     R"([{"op":"remove","path":"/metadata/labels/k"}])",
     "ok",
     "metadata.labels",
     ""},
    {"json_move",
     kJson,
     R"([{"op":"move","from":"/metadata/labels/k","path":"/metadata/labels/l"}])",
     "ok",
     "metadata.labels",
     R"({"l":"v"})"},
    {"json_copy",
     kJson,
     R"([{"op":"copy","from":"/metadata/labels/k","path":"/metadata/labels/l"}])",
     "ok",
     "metadata.labels",
     R"({"k":"v","l":"v"})"},
    {"json_test_holds",
     kJson,
     R"([{"op":"test","path":"/metadata/labels/k","value":"v"},)"
     R"({"op":"add","path":"/metadata/labels/n","value":"m"}])",
     "ok",
     "metadata.labels.n",
     R"("m")"},
    {"json_test_fails",
     kJson,
     R"([{"op":"test","path":"/metadata/labels/k","value":"z"}])",
     std::string(kRejected) + "testing value /metadata/labels/k failed: test failed"},
    {"json_missing_path",
     kJson,
     R"([{"op":"remove","path":"/metadata/labels/none"}])",
     std::string(kRejected) + "error in remove for path: '/metadata/labels/none': Unable to "},
    {"json_unknown_operation",
     kJson,
     R"([{"op":"jump","path":"/metadata/labels/k"}])",
     std::string(kRejected) + "Unexpected kind: jump"},
    {"json_no_list",
     kJson,
     R"({"op":"add"})",
     "malformed: json: cannot unmarshal object into Go value of type jsonpatch.Patch"},
    {"json_broken", kJson, "[{", "malformed: error decoding patch: "},
    {"json_makes_a_wrong_type",
     kJson,
     R"([{"op":"replace","path":"/spec/replicas","value":"many"}])",
     R"(invalid:  "d" is invalid: patch: Invalid value: "{\"kind\":\"Deployment\")"},
    {"json_of_another_name",
     kJson,
     R"([{"op":"replace","path":"/metadata/name","value":"e"}])",
     "malformed: the name of the object (e) does not match the name on the URL (d)"},
    {"merge_null_removes",
     kMerge,
     R"({"metadata":{"labels":{"k":null}}})",
     "ok",
     "metadata.labels",
     ""},
    {"merge_replaces_lists",
     kMerge,
     in_template(R"({"containers":[{"name":"three","image":"j"}]})"),
     "ok",
     "spec.template.spec.containers.1",
     ""},
    {"merge_no_object", kMerge, "[]", "malformed: Invalid JSON Patch"},
    {"merge_unknown_field_warns", kMerge, R"({"spec":{"foo":1}})", "ok"},
    {"merge_unknown_field_strict",
     kMerge,
     R"({"spec":{"foo":1}})",
     R"(invalid:  "d" is invalid: patch: Invalid value: "{\"kind\":\"Deployment\")",
     "",
     "",
     true},
    {"merge_stale",
     kMerge,
     R"({"metadata":{"resourceVersion":"1"}})",
     R"(conflict: Operation cannot be fulfilled on deployments.apps "d": the object has been )"
     R"(modified; please apply your changes to the latest version and try again)"},
    {"merge_immutable",
     kMerge,
     R"({"spec":{"selector":{"matchLabels":{"a":"c"}}}})",
     R"(invalid: Deployment.apps "d" is invalid: [spec.selector: Invalid value: )"
     R"({"matchLabels":{"a":"c"}}: field is immutable)"},
    {"strategic_merges_by_key",
     kStrategic,
     in_template(R"({"containers":[{"name":"one","image":"j"}]})"),
     "ok",
     "spec.template.spec.containers",
     "2 elements"},
    {"strategic_delete",
     kStrategic,
     in_template(R"({"containers":[{"name":"two","$patch":"delete"}]})"),
     "ok",
     kContainers,
     "1 elements"},
    {"strategic_replace_list",
     kStrategic,
     in_template(R"({"containers":[{"$patch":"replace"},{"name":"x","image":"j"}]})"),
     "ok",
     kContainers,
     "1 elements"},
    {"strategic_replace_map",
     kStrategic,
     R"({"metadata":{"labels":{"$patch":"replace","z":"z"}}})",
     "ok",
     "metadata.labels",
     R"({"z":"z"})"},
    {"strategic_retain_keys",
     kStrategic,
     R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})",
     "ok",
     "spec.strategy",
     R"({"type":"Recreate"})"},
    {"strategic_retain_keys_lacks_one",
     kStrategic,
     R"({"spec":{"strategy":{"$retainKeys":["rollingUpdate"],"type":"Recreate"}}})",
     "malformed: "},
    {"strategic_delete_from_primitives",
     kStrategic,
     R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a.b/x"]}})",
     "ok",
     "metadata.finalizers",
     R"(["a.b/y"])"},
    {"strategic_order",
     kStrategic,
     R"({"metadata":{"$setElementOrder/finalizers":["a.b/y","a.b/x"],)"
     R"("finalizers":["a.b/y","a.b/x"]}})",
     "ok",
     "metadata.finalizers",
     R"(["a.b/y","a.b/x"])"},
    {"strategic_order_lacks_one",
     kStrategic,
     in_template(R"({"$setElementOrder/containers":[{"name":"x"}],)"
                 R"("containers":[{"name":"one","image":"j"}]})"),
     "malformed: The order in patch list:"},
    {"strategic_unknown_directive",
     kStrategic,
     in_template(R"({"containers":[{"name":"one","$patch":"jump"}]})"),
     "malformed: unknown patch type: \"jump\" in map: "},
    {"strategic_without_key",
     kStrategic,
     in_template(R"({"containers":[{"image":"j"}]})"),
     R"(malformed: map: {"image":"j"} does not contain declared merge key: name)"},
    {"strategic_no_object",
     kStrategic,
     "[]",
     "malformed: a strategic merge patch must be a JSON object"},
    {"strategic_atomic_list_is_replaced",
     kStrategic,
     in_template(R"({"tolerations":[{"key":"u","operator":"Exists"}]})"),
     "ok",
     "spec.template.spec.tolerations",
     R"([{"key":"u","operator":"Exists"}])"},
    {"strategic_nothing", kStrategic, "{}", "ok", "metadata.labels", R"({"k":"v"})"},
};

TEST_P(PatchTest, DoesWhatKubernetesDoes) {
  const auto& row = GetParam();
  const auto before = get("deployments.apps", "default", "d");

  const auto after = patch(row.type, row.body, row.is_strict);

  EXPECT_THAT(text_of(after), StartsWith(row.answer));
  if (!after.ok()) {
    EXPECT_EQ(get("deployments.apps", "default", "d")->revision, before->revision);
    return;
  }
  const auto found = after->root().find(row.path);
  if (row.is.ends_with(" elements")) {
    EXPECT_EQ(std::to_string(found.size()) + " elements", row.is) << found.raw();
  } else if (!row.path.empty()) {
    EXPECT_EQ(found ? std::string(found.raw()) : "", row.is);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, PatchTest, testing::ValuesIn(kRows), [](const auto& row) {
  return row.param.name;
});

TEST_F(PatchTest, ThatChangesNothingKeepsTheVersionAndTheGeneration) {
  const auto before = get("deployments.apps", "default", "d");

  for (const auto type : {kMerge, kStrategic}) {
    const auto same = patch(type, R"({"metadata":{"labels":{"k":"v"}},"spec":{"replicas":1}})");
    ASSERT_TRUE(same.ok()) << text_of(same);
    EXPECT_EQ(same->revision, before->revision);
  }
  const auto moved = patch(kMerge, R"({"spec":{"replicas":2}})");
  EXPECT_EQ(moved->root().find("metadata.generation").integer(), 2);
}

TEST_F(PatchTest, NamesTheUnknownFieldWhenStrict) {
  EXPECT_THAT(text_of(patch(kMerge, R"({"spec":{"foo":1}})", true)),
              HasSubstr(R"(strict decoding error: unknown field "spec.foo")"));
}

TEST_F(PatchTest, NamesWhatStandsTwiceWhenStrict) {
  EXPECT_THAT(text_of(patch(kMerge, R"({"spec":{"foo":1,"replicas":1,"replicas":2}})", true)),
              HasSubstr("strict decoding error: duplicate field \"spec.replicas\", unknown field "
                        "\"spec.foo\""));
  EXPECT_THAT(text_of(patch(kStrategic, R"({"spec":{"replicas":1,"replicas":2}})", true)),
              HasSubstr("strict decoding error: duplicate field \"spec.replicas\""));
  EXPECT_TRUE(patch(kMerge, R"({"spec":{"replicas":1,"replicas":2}})").ok());
}

TEST_F(PatchTest, TellsOfAQuantityInItsCanonicalFormNoChange) {
  const auto limits = [](const std::string& cpu) {
    return in_template(R"({"containers":[{"name":"one","resources":{"limits":{"cpu":")" + cpu +
                       R"("}}}]})");
  };
  const auto first = patch(kStrategic, limits("1000m"));
  ASSERT_TRUE(first.ok()) << text_of(first);

  EXPECT_EQ(patch(kStrategic, limits("1"))->revision, first->revision);
}

}  // namespace
}  // namespace tetrarch::registry
