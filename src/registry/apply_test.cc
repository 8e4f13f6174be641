// SPDX-License-Identifier: Apache-2.0
// Server-side apply and managedFields through the registry: what is stored, what is answered, and
// the sentences of refusal. The rules themselves are tested in schema/ownership_test.cc.
#include "registry/fixture.h"
#include "registry/store_double.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;
using testing::StartsWith;

class ApplyTest : public RegistryTest {
 protected:
  ApplyTest() { open_namespace("default"); }

  Call by(const std::string& manager,
          std::string_view resource,
          std::string name,
          std::string subresource = "") {
    auto out = call(resource, "default", std::move(name));
    out.field_manager = manager;
    out.subresource = std::move(subresource);
    out.was_created = &was_created_;
    out.warnings = &warnings_;
    return out;
  }

  Result<Stored> apply(Call where, std::string body, bool is_forced = false) {
    client::WriteOptions options;
    options.is_forced = is_forced;
    return run(registry_->patch(std::move(where), PatchType::apply, std::move(body), options));
  }

  Result<Stored> apply_map(const std::string& manager,
                           const std::string& data,
                           bool forced = false) {
    return apply(by(manager, "configmaps", "m"), map_json(data), forced);
  }

  /// ConfigMaps, and no more than that.
  void let_ann_patch() {
    ASSERT_TRUE(create("clusterroles.rbac.authorization.k8s.io",
                       "",
                       R"({"metadata":{"name":"p"},"rules":[{"apiGroups":[""],"resources":[)"
                       R"("configmaps"],"verbs":["patch"]}]})")
                    .ok());
    ASSERT_TRUE(
        create("clusterrolebindings.rbac.authorization.k8s.io",
               "",
               R"({"metadata":{"name":"p"},"roleRef":{"apiGroup":)"
               R"("rbac.authorization.k8s.io","kind":"ClusterRole","name":"p"},"subjects":[)"
               R"({"kind":"User","name":"ann"}]})")
            .ok());
  }

  static std::string map_json(const std::string& data) {
    return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{)" + data +
           "}}";
  }

  Result<Stored> create_map(const std::string& manager, const std::string& data) {
    auto where = by(manager, "configmaps", "");
    return create_in(std::move(where), map_json(data));
  }

  static std::string deployment(const std::string& spec) {
    return R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{)" +
           spec +
           R"("selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},)"
           R"("spec":{"containers":[{"name":"c","image":"i"}]}}}})";
  }

  /// `manager operation subresource: fieldsV1`, one line each.
  static std::string managed(const Result<Stored>& stored) {
    if (!stored.ok()) {
      return text_of(stored);
    }
    std::string out;
    for (const auto entry : stored->metadata()["managedFields"].elements()) {
      out += out.empty() ? "" : "\n";
      out += entry["manager"].string();
      out += entry["operation"].string() == "Apply" ? " Apply" : " Update";
      out += entry["subresource"] ? " " + std::string(entry["subresource"].string()) : "";
      out += ": " + std::string(entry["fieldsV1"].raw());
    }
    return out;
  }

  static std::string time_of(const Result<Stored>& stored, std::size_t place) {
    return std::string(stored->metadata()["managedFields"].at(place)["time"].string());
  }

  bool was_created_ = false;
  std::vector<std::string> warnings_;
};

TEST_F(ApplyTest, CreatesWhatIsNotThereAndOwnsWhatItSays) {
  const auto made = apply_map("a", R"("x":"1")");
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_TRUE(was_created_);
  EXPECT_EQ(managed(made), R"(a Apply: {"f:data":{"f:x":{}}})");
  EXPECT_FALSE(made->uid().empty());

  const auto again = apply_map("a", R"("x":"2")");
  EXPECT_FALSE(was_created_);
  EXPECT_EQ(again->root()["data"]["x"].string(), "2");
  EXPECT_EQ(again->uid(), made->uid());
}

TEST_F(ApplyTest, OwnsNoDefaults) {
  const auto made = apply(by("a", "deployments.apps", "d"), deployment(""));
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_EQ(made->root().find("spec.replicas").integer(), 1);
  EXPECT_THAT(managed(made), testing::Not(HasSubstr("replicas")));
  EXPECT_THAT(managed(made), testing::Not(HasSubstr("imagePullPolicy")));
}

TEST_F(ApplyTest, ThatChangesNothingWritesNothing) {
  const auto made = apply(by("a", "deployments.apps", "d"), deployment(R"("replicas":2,)"));
  clock_.advance(std::chrono::seconds(5));
  const auto again = apply(by("a", "deployments.apps", "d"), deployment(R"("replicas":2,)"));
  ASSERT_TRUE(again.ok()) << text_of(again);
  EXPECT_EQ(again->revision, made->revision);
  EXPECT_EQ(time_of(again, 0), time_of(made, 0));

  const auto other = apply(by("b", "deployments.apps", "d"), deployment(R"("replicas":2,)"));
  EXPECT_NE(other->revision, made->revision) << "a second owner is a change";
  EXPECT_EQ(time_of(other, 0), time_of(made, 0)) << "not of the first owner's entry";
}

TEST_F(ApplyTest, ReadsYaml) {
  const auto made = apply(by("a", "configmaps", "m"),
                          "# by hand\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\n"
                          "data:\n  x: \"yes\"\n  text: |\n    two\n    lines\n");
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_EQ(made->root()["data"].raw(), R"({"text":"two\nlines\n","x":"yes"})");
}

TEST_F(ApplyTest, RemovesWhatItNoLongerSays) {
  ASSERT_TRUE(apply_map("a", R"("x":"1","y":"1")").ok());
  ASSERT_TRUE(apply_map("b", R"("y":"1")").ok());
  const auto left = apply_map("a", R"("z":"1")");
  EXPECT_EQ(left->root()["data"].raw(), R"({"y":"1","z":"1"})");
  EXPECT_EQ(managed(left),
            "a Apply: {\"f:data\":{\"f:z\":{}}}\nb Apply: {\"f:data\":{\"f:y\":{}}}");
}

TEST_F(ApplyTest, ConflictsUntilItIsForced) {
  ASSERT_TRUE(apply_map("a", R"("x":"1")").ok());
  const auto refused = apply_map("b", R"("x":"2")");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::conflict);
  EXPECT_EQ(refused.error().message, "Apply failed with 1 conflict: conflict with \"a\": .data.x");
  EXPECT_EQ(refused.error().fields,
            (std::vector<FieldError>{{"FieldManagerConflict", "conflict with \"a\"", ".data.x"}}));

  const auto forced = apply_map("b", R"("x":"2")", true);
  EXPECT_EQ(managed(forced), R"(b Apply: {"f:data":{"f:x":{}}})");
}

TEST_F(ApplyTest, ConflictsWithAnUpdateOfTheSameField) {
  ASSERT_TRUE(apply(by("kubectl", "deployments.apps", "d"), deployment(R"("replicas":1,)")).ok());
  auto edit = by("kubectl-edit", "deployments.apps", "d");
  ASSERT_TRUE(run(registry_->patch(edit, PatchType::merge, R"({"spec":{"replicas":3}})", {})).ok());
  const auto refused =
      apply(by("kubectl", "deployments.apps", "d"), deployment(R"("replicas":1,)"));
  EXPECT_EQ(text_of(refused),
            "conflict: Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: "
            ".spec.replicas");
  // Leaving it out gives it away.
  const auto left = apply(by("kubectl", "deployments.apps", "d"), deployment(""));
  EXPECT_EQ(left->root().find("spec.replicas").integer(), 3);
}

TEST_F(ApplyTest, ConflictsWithAScale) {
  ASSERT_TRUE(apply(by("kubectl", "deployments.apps", "d"), deployment(R"("replicas":1,)")).ok());
  const auto scaled = run(registry_->update(
      by("hpa", "deployments.apps", "d", "scale"),
      R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d"},"spec":{"replicas":4}})",
      {}));
  ASSERT_TRUE(scaled.ok()) << text_of(scaled);
  EXPECT_THAT(managed(get("deployments.apps", "default", "d")),
              HasSubstr("hpa Update scale: {\"f:spec\":{\"f:replicas\":{}}}"));
  EXPECT_EQ(
      text_of(apply(by("kubectl", "deployments.apps", "d"), deployment(R"("replicas":1,)"))),
      "conflict: Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" "
      "using apps/v1: .spec.replicas");
}

TEST_F(ApplyTest, OfAScaleOwnsTheReplicas) {
  ASSERT_TRUE(apply(by("kubectl", "deployments.apps", "d"), deployment(R"("replicas":1,)")).ok());
  const auto scale = [](int replicas) {
    return R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d"},"spec":{)"
           R"("replicas":)" +
           std::to_string(replicas) + "}}";
  };
  EXPECT_THAT(text_of(apply(by("hpa", "deployments.apps", "d", "scale"), scale(5))),
              HasSubstr("conflict with \"kubectl\": .spec.replicas"));
  const auto forced = apply(by("hpa", "deployments.apps", "d", "scale"), scale(5), true);
  ASSERT_TRUE(forced.ok()) << text_of(forced);
  EXPECT_EQ(forced->root()["kind"].string(), "Scale");
  EXPECT_EQ(forced->root().find("spec.replicas").integer(), 5);
  EXPECT_THAT(managed(get("deployments.apps", "default", "d")), HasSubstr("hpa Apply scale: "));
}

TEST_F(ApplyTest, OfTheStatusTouchesNothingElse) {
  ASSERT_TRUE(apply(by("kubectl", "deployments.apps", "d"), deployment(R"("replicas":1,)")).ok());
  const auto status =
      apply(by("controller", "deployments.apps", "d", "status"),
            R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{)"
            R"("replicas":9},"status":{"readyReplicas":1}})");
  ASSERT_TRUE(status.ok()) << text_of(status);
  EXPECT_EQ(status->root().find("spec.replicas").integer(), 1);
  EXPECT_EQ(status->root().find("status.readyReplicas").integer(), 1);
  EXPECT_THAT(managed(status),
              HasSubstr("controller Apply status: {\"f:status\":{\"f:readyReplicas\":{}}}"));
}

TEST_F(ApplyTest, TracksWhoCreatesUpdatesAndPatches) {
  const auto made = create_map("maker", R"("x":"1","y":"1")");
  EXPECT_EQ(managed(made), R"(maker Update: {"f:data":{".":{},"f:x":{},"f:y":{}}})");

  clock_.advance(std::chrono::seconds(10));
  auto where = by("patcher", "configmaps", "m");
  const auto patched = run(registry_->patch(where, PatchType::merge, R"({"data":{"x":"2"}})", {}));
  EXPECT_EQ(managed(patched),
            "maker Update: {\"f:data\":{\".\":{},\"f:y\":{}}}\n"
            "patcher Update: {\"f:data\":{\"f:x\":{}}}");
  EXPECT_EQ(time_of(patched, 0), time_of(made, 0));

  clock_.advance(std::chrono::seconds(10));
  const auto updated = run(registry_->update(where, map_json(R"("x":"3","y":"1")"), {}));
  EXPECT_EQ(managed(updated), managed(patched));
  EXPECT_NE(time_of(updated, 1), time_of(patched, 1)) << "its value changed";
  EXPECT_EQ(time_of(updated, 0), time_of(made, 0));

  clock_.advance(std::chrono::seconds(10));
  const auto same = run(registry_->update(where, map_json(R"("x":"3","y":"1")"), {}));
  EXPECT_EQ(same->revision, updated->revision);
}

TEST_F(ApplyTest, TracksNothingOfWhatPartsOfTetrarchCreate) {
  const auto client = registry_->client(masters());
  const auto document = *Document::parse(map_json(R"("x":"1")"));
  const auto made = run(client->create("configmaps", "default", document, {}));
  EXPECT_EQ(managed(made), "");
  const auto edited = run(registry_->patch(
      by("kubectl-edit", "configmaps", "m"), PatchType::merge, R"({"data":{"y":"1"}})", {}));
  EXPECT_EQ(managed(edited), "") << "not tracked until somebody applies";

  const auto refused = apply_map("a", R"("x":"2")");
  EXPECT_EQ(
      text_of(refused),
      "conflict: Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: "
      ".data.x");
  const auto applied = apply_map("a", R"("x":"1")");
  EXPECT_EQ(managed(applied),
            "a Apply: {\"f:data\":{\"f:x\":{}}}\n"
            "before-first-apply Update: {\"f:data\":{\".\":{},\"f:x\":{},\"f:y\":{}}}");
}

TEST_F(ApplyTest, TracksWhatPartsOfTetrarchChange) {
  const auto made = create_map("maker", R"("x":"1")");
  const auto client = registry_->client(masters());
  client::WriteOptions options;
  options.field_manager = "tetrarch-x";
  const auto changed =
      run(client->update(made->key, *Document::parse(map_json(R"("x":"1","y":"1")")), options));
  EXPECT_EQ(managed(changed),
            "maker Update: {\"f:data\":{\".\":{},\"f:x\":{}}}\n"
            "tetrarch-x Update: {\"f:data\":{\"f:y\":{}}}");
}

TEST_F(ApplyTest, ForgetsManagersWhereAskedTo) {
  for (const auto* list : {"[{}]", "[]"}) {
    ASSERT_TRUE(create_map("maker", R"("x":"1")").ok());
    const auto cleared = run(registry_->patch(
        by("x", "configmaps", "m"),
        PatchType::json,
        R"([{"op":"replace","path":"/metadata/managedFields","value":)" + std::string(list) + "}]",
        {}));
    EXPECT_EQ(managed(cleared), "") << list;
    ASSERT_TRUE(cleared.ok()) << text_of(cleared);
    EXPECT_TRUE(remove("configmaps", "default", "m").ok());
  }
}

TEST_F(ApplyTest, KeepsManagersOfThoseWhoDoNotKnowThem) {
  const auto made = create_map("maker", R"("x":"1")");
  const auto updated =
      run(registry_->update(by("maker", "configmaps", "m"), map_json(R"("x":"1")"), {}));
  EXPECT_EQ(updated->revision, made->revision);
  EXPECT_EQ(managed(updated), managed(made));
  // Nonsense is no better than nothing.
  const auto nonsense = run(registry_->patch(
      by("maker", "configmaps", "m"),
      PatchType::merge,
      R"({"metadata":{"managedFields":[{"manager":"z","operation":"Eat","apiVersion":"v1"}]}})",
      {}));
  EXPECT_EQ(managed(nonsense), managed(made));
}

TEST_F(ApplyTest, TakesManagersThatAClientHasMoved) {
  ASSERT_TRUE(create_map("kubectl-client-side-apply", R"("x":"1")").ok());
  // What kubectl does when it changes from its side to the server's.
  const auto moved = run(registry_->patch(
      by("kubectl", "configmaps", "m"),
      PatchType::json,
      R"([{"op":"replace","path":"/metadata/managedFields","value":[{"manager":"kubectl",)"
      R"("operation":"Apply","apiVersion":"v1","time":"2026-11-23T00:00:00Z","fieldsType":)"
      R"("FieldsV1","fieldsV1":{"f:data":{".":{},"f:x":{}}}}]}])",
      {}));
  EXPECT_EQ(managed(moved), R"(kubectl Apply: {"f:data":{".":{},"f:x":{}}})");
  const auto emptied = apply_map("kubectl", "");
  EXPECT_FALSE(emptied->root()["data"]["x"].exists());
}

TEST_F(ApplyTest, ByKubectlTakesOverWhatItAppliedFromTheClientsSide) {
  const auto annotated = [](const std::string& data, const std::string& last) {
    return R"({"metadata":{"name":"m","annotations":{)"
           R"("kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",)"
           R"(\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"},\"data\":{)" +
           last + R"(}}"}},"data":{)" + data + "}}";
  };
  const auto made = create_in(by("kubectl-client-side-apply", "configmaps", ""),
                              annotated(R"("x":"1","y":"2")", R"(\"x\":\"1\",\"y\":\"1\")"));
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_EQ(text_of(apply_map("kubectl", R"("x":"3","y":"3")")),
            "conflict: Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" "
            "using v1: .data.y")
      << "y was changed behind its back, x was not";
  EXPECT_THAT(text_of(apply_map("other", R"("x":"3")")), StartsWith("conflict: "));

  const auto taken = apply_map("kubectl", R"("x":"3")");
  ASSERT_TRUE(taken.ok()) << text_of(taken);
  EXPECT_EQ(taken->root()
                .find("metadata.annotations")["kubectl.kubernetes.io/last-applied-configuration"]
                .string(),
            "{\"apiVersion\":\"v1\",\"data\":{\"x\":\"3\"},\"kind\":\"ConfigMap\",\"metadata\":{"
            "\"name\":\"m\"}}\n");
}

TEST_F(ApplyTest, OnTrialChangesNothing) {
  auto where = by("a", "configmaps", "m");
  where.is_dry_run = true;
  const auto tried = apply(where, map_json(R"("x":"1")"));
  ASSERT_TRUE(tried.ok()) << text_of(tried);
  EXPECT_TRUE(was_created_);
  EXPECT_EQ(managed(tried), R"(a Apply: {"f:data":{"f:x":{}}})");
  EXPECT_FALSE(get("configmaps", "default", "m").ok());

  ASSERT_TRUE(apply_map("b", R"("x":"2")").ok());
  EXPECT_THAT(text_of(apply(where, map_json(R"("x":"1")"))), HasSubstr("Apply failed with 1"));
}

TEST_F(ApplyTest, MayCreateOnlyWithTheRightToCreate) {
  let_ann_patch();
  who_ = plain_user("ann");
  EXPECT_THAT(text_of(apply_map("a", R"("x":"1")")),
              HasSubstr("cannot create resource \"configmaps\""));
  who_ = masters();
  ASSERT_TRUE(apply_map("a", R"("x":"1")").ok());
  who_ = plain_user("ann");
  EXPECT_TRUE(apply_map("a", R"("x":"2")").ok());
}

TEST_F(ApplyTest, NeedsTheRightToCreateWhatWasDeletedMeanwhile) {
  let_ann_patch();
  ASSERT_TRUE(apply_map("a", R"("x":"1")").ok());
  StoreDouble store(*store_);
  restart_on(store, Options());
  const Key key{"configmaps", "default", "m"};
  store.before_commit = [&] {
    std::promise<bool> done;
    store::Transaction removal;
    removal.mutations.push_back({key, nullptr});
    store_->commit(std::move(removal), [&](const auto& gone) { done.set_value(gone.ok()); });
    EXPECT_TRUE(done.get_future().get());
  };
  who_ = plain_user("ann");

  EXPECT_THAT(text_of(apply_map("a", R"("x":"2")")),
              HasSubstr("cannot create resource \"configmaps\""));
  EXPECT_FALSE(store_->snapshot().get(key));
  registry_.reset();
}

TEST_F(ApplyTest, ChecksVersionsThatItNames) {
  const auto made = apply_map("a", R"("x":"1")");
  const auto with = [](const std::string& metadata) {
    return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m",)" + metadata + "}}";
  };
  EXPECT_THAT(text_of(apply(by("a", "configmaps", "m"), with(R"("resourceVersion":"1")"))),
              HasSubstr("the object has been modified"));
  EXPECT_TRUE(apply(by("a", "configmaps", "m"),
                    with(R"("resourceVersion":")" + std::to_string(made->revision.number) + "\""))
                  .ok());
  auto absent = by("a", "configmaps", "n");
  EXPECT_THAT(text_of(apply(absent,
                            R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n",)"
                            R"("uid":"u-1"}})")),
              HasSubstr("uid mismatch: the provided object specified uid u-1"));
}

struct RefusedRow {
  std::string name;
  std::string body;
  std::string answer;
};

void PrintTo(const RefusedRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<RefusedRow> kRefused = {
    {"no_yaml",
     "a: b: c",
     "malformed: error decoding patch: error converting YAML to JSON: yaml: line 1: "},
    {"no_object", "[]", "malformed: error decoding patch: an applied configuration is an object"},
    {"empty", "", "malformed: error decoding patch: an applied configuration is an object"},
    {"no_kind", R"({"metadata":{"name":"m"}})", "malformed: invalid object type: /, Kind="},
    {"other_kind",
     R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"m"}})",
     "malformed: invalid object type: /v1, Kind=Secret"},
    {"other_version",
     R"({"apiVersion":"apps/v2","kind":"ConfigMap","metadata":{"name":"m"}})",
     "malformed: invalid object type: apps/v2, Kind=ConfigMap"},
    {"managed_fields",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","managedFields":[{}]}})",
     "malformed: metadata.managedFields must be nil"},
    {"unknown_field",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"default"},)"
     R"("dat":{}})",
     "malformed: failed to create typed patch object (default/m; /v1, Kind=ConfigMap): .dat: field "
     "not declared in schema"},
    {"wrong_type",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":1}})",
     "malformed: ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot "
     "unmarshal number"},
    {"other_name",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n"}})",
     "malformed: the name of the object (n) does not match the name on the URL (m)"},
    {"no_name",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{}})",
     "malformed: the name of the object (m based on URL) was undeterminable: name must be "
     "provided"},
    {"other_namespace",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"other"}})",
     "malformed: the namespace of the provided object does not match"},
    {"invalid",
     R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a b":""}})",
     "invalid: ConfigMap \"m\" is invalid: data[a b]: Invalid value"},
};

class ApplyRefused : public ApplyTest, public testing::WithParamInterface<RefusedRow> {};

TEST_P(ApplyRefused, SaysWhyAndChangesNothing) {
  const auto answer = text_of(apply(by("a", "configmaps", "m"), GetParam().body));
  EXPECT_THAT(answer, StartsWith(GetParam().answer));
  EXPECT_FALSE(get("configmaps", "default", "m").ok());
}

INSTANTIATE_TEST_SUITE_P(Table, ApplyRefused, testing::ValuesIn(kRefused), [](const auto& row) {
  return row.param.name;
});

TEST_F(ApplyTest, RefusesFieldsThatAreThereTwiceOnlyWhenStrict) {
  const auto body = map_json(R"("x":"1","x":"2")");
  auto strict = by("a", "configmaps", "m");
  strict.field_validation = FieldValidation::strict;
  EXPECT_THAT(text_of(apply(strict, body)), HasSubstr("duplicate field \"data.x\""));
  const auto warned = apply(by("a", "configmaps", "m"), body);
  EXPECT_EQ(warned->root()["data"]["x"].string(), "2");
  EXPECT_THAT(warnings_, testing::ElementsAre("duplicate field \"data.x\""));
}

TEST_F(ApplyTest, RefusesWhatIsNotThereToHaveAStatus) {
  EXPECT_EQ(text_of(apply(by("a", "deployments.apps", "d", "status"), deployment(""))),
            "not found: deployments.apps \"d\" not found");
}

}  // namespace
}  // namespace tetrarch::registry
