// SPDX-License-Identifier: Apache-2.0
// Create, update, patch and delete as a client sees them.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::PatchType;
using testing::HasSubstr;
using testing::StartsWith;

class WriteTest : public RegistryTest {
 protected:
  WriteTest() { open_namespace("default"); }

  static std::string deployment_json(const std::string& name) {
    return R"({"metadata":{"name":")" + name +
           R"("},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},)"
           R"("template":{"metadata":{"labels":{"a":"b"}},)"
           R"("spec":{"containers":[{"name":"c","image":"i"}]}}}})";
  }
};

TEST_F(WriteTest, CreateGivesIdentityAndDefaults) {
  const auto made = create("pods", "default", pod_json("web"));

  ASSERT_TRUE(made.ok()) << text_of(made);
  const auto root = made->root();
  EXPECT_EQ(root.find("metadata.namespace").string(), "default");
  EXPECT_EQ(root.find("metadata.uid").string().size(), 36U);
  EXPECT_EQ(root.find("metadata.creationTimestamp").string(), "2026-11-23T00:00:00Z");
  EXPECT_EQ(root.find("status.phase").string(), "Pending");
  EXPECT_EQ(root.find("status.qosClass").string(), "BestEffort");
  EXPECT_EQ(root.find("spec.serviceAccountName").string(), "default");
  EXPECT_EQ(root.find("spec.volumes").at(0)["projected"]["sources"].size(), 3U);
  EXPECT_EQ(root.find("spec.tolerations").size(), 2U);
  EXPECT_GT(made->revision.number, 0U);
}

TEST_F(WriteTest, CreateTakesNoStatusAndNoUidFromTheCaller) {
  const auto made = create("deployments.apps", "default", deployment_json("d"));
  ASSERT_TRUE(made.ok()) << text_of(made);

  EXPECT_FALSE(made->root()["status"]["replicas"].exists());
  EXPECT_EQ(made->root().find("metadata.generation").integer(), 1);
}

TEST_F(WriteTest, GeneratedNamesAreUnique) {
  const auto one = create("configmaps", "default", R"({"metadata":{"generateName":"cm-"}})");
  const auto two = create("configmaps", "default", R"({"metadata":{"generateName":"cm-"}})");

  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_THAT(one->key.name, StartsWith("cm-"));
  EXPECT_EQ(one->key.name.size(), 8U);
  EXPECT_NE(one->key.name, two->key.name);
}

struct Refusal {
  std::string name;
  std::string resource;
  std::string ns;
  std::string json;
  std::string answer;
};

void PrintTo(const Refusal& row, std::ostream* out) {
  *out << row.name;
}

class CreateRefusedTest : public WriteTest, public testing::WithParamInterface<Refusal> {};

TEST_P(CreateRefusedTest, WithKubernetesWords) {
  const auto& row = GetParam();
  ASSERT_TRUE(create("configmaps", "default", R"({"metadata":{"name":"taken"}})").ok());

  EXPECT_THAT(text_of(create(row.resource, row.ns, row.json)), StartsWith(row.answer));
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    CreateRefusedTest,
    testing::ValuesIn(std::vector<Refusal>{
        {"taken_name",
         "configmaps",
         "default",
         R"({"metadata":{"name":"taken"}})",
         R"(already exists: configmaps "taken" already exists)"},
        {"no_namespace",
         "configmaps",
         "nowhere",
         R"({"metadata":{"name":"x"}})",
         R"(not found: namespaces "nowhere" not found)"},
        {"other_namespace",
         "configmaps",
         "default",
         R"({"metadata":{"name":"x","namespace":"kube-system"}})",
         "malformed: the namespace of the provided object does not match the namespace sent on the "
         "request"},
        {"with_version",
         "configmaps",
         "default",
         R"({"metadata":{"name":"x","resourceVersion":"12"}})",
         "malformed: resourceVersion should not be set on objects to be created"},
        {"no_name",
         "configmaps",
         "default",
         "{}",
         R"(invalid: ConfigMap "" is invalid: metadata.name: Required value: name or )"
         R"(generateName is required)"},
        {"bad_name",
         "configmaps",
         "default",
         R"({"metadata":{"name":"Bad_Name"}})",
         R"(invalid: ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": )"
         R"(a lowercase RFC 1123)"},
        {"unknown_account",
         "pods",
         "default",
         R"({"metadata":{"name":"x"},"spec":{"serviceAccountName":"who",)"
         R"("containers":[{"name":"c","image":"i"}]}})",
         R"(forbidden: pods "x" is forbidden: error looking up service account default/who: )"
         R"(serviceaccount "who" not found)"},
        {"unknown_priority",
         "pods",
         "default",
         R"({"metadata":{"name":"x"},"spec":{"priorityClassName":"who",)"
         R"("containers":[{"name":"c","image":"i"}]}})",
         R"(forbidden: pods "x" is forbidden: no PriorityClass with name who was found)"},
        {"unknown_runtime_class",
         "pods",
         "default",
         R"({"metadata":{"name":"x"},"spec":{"runtimeClassName":"who","containers":[{"name":"c",)"
         R"("image":"i"}]}})",
         R"(forbidden: pods "x" is forbidden: pod rejected: RuntimeClass "who" not found)"},
        {"template_not_selected",
         "deployments.apps",
         "default",
         R"({"metadata":{"name":"x"},"spec":{"selector":{"matchLabels":{"a":"b"}},)"
         R"("template":{"metadata":{"labels":)"
         R"({"a":"c"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})",
         R"(invalid: Deployment.apps "x" is invalid: spec.template.metadata.labels: Invalid )"
         R"(value: {"a":"c"}: `selector` does not match template `labels`)"},
        {"mount_without_volume",
         "pods",
         "default",
         R"({"metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i",)"
         R"("volumeMounts":[{"name":"v","mountPath":"/v"}]}]}})",
         R"(invalid: Pod "x" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "v")"},
        {"system_priority_class",
         "priorityclasses.scheduling.k8s.io",
         "",
         R"({"metadata":{"name":"huge"},"value":1500000000})",
         R"(invalid: PriorityClass.scheduling.k8s.io "huge" is invalid: value: Forbidden: )"
         R"(maximum allowed value of a user defined priority is 1000000000)"},
    }),
    [](const auto& row) { return row.param.name; });

TEST_F(WriteTest, ClusterWideObjectsLoseANamespace) {
  const auto made = create("clusterroles.rbac.authorization.k8s.io",
                           "",
                           R"({"metadata":{"name":"r","namespace":"somewhere"},"rules":[]})");
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_FALSE(made->metadata()["namespace"].exists());

  EXPECT_EQ(text_of(update("clusterroles.rbac.authorization.k8s.io",
                           "",
                           "r",
                           R"({"metadata":{"name":"r","namespace":"elsewhere"},"rules":[]})")),
            "ok");
}

TEST_F(WriteTest, PutNeedsTheNameOfThePath) {
  ASSERT_TRUE(create("configmaps", "default", R"({"metadata":{"name":"c"}})").ok());

  EXPECT_EQ(text_of(update("configmaps", "default", "c", R"({"data":{"a":"b"}})")),
            "malformed: the name of the object (c based on URL) was undeterminable: name must be "
            "provided");
  EXPECT_EQ(text_of(update("configmaps", "default", "c", R"({"metadata":{"name":"d"}})")),
            "malformed: the name of the object (d) does not match the name on the URL (c)");
  EXPECT_EQ(
      text_of(update(
          "configmaps", "default", "c", R"({"metadata":{"name":"c","namespace":"kube-system"}})")),
      "malformed: the namespace of the provided object does not match the namespace sent on the "
      "request");
}

/// Every name that is drawn is the same.
class StuckRandom final : public Random {
 public:
  std::uint64_t next() override { return 7; }
};

TEST_F(WriteTest, AGeneratedNameThatIsTakenEightTimesIsSaidSo) {
  StuckRandom stuck;
  const auto registry = make_registry({builtin_catalog(), *store_, clock_, stuck}, Options());
  const auto make = [&] {
    return run(registry->create(
        call("configmaps", "default"), R"({"metadata":{"generateName":"cm-"}})", {}));
  };
  const auto first = make();
  ASSERT_TRUE(first.ok()) << text_of(first);
  const auto second = make();

  ASSERT_FALSE(second.ok());
  EXPECT_EQ(text_of(second),
            "already exists: configmaps \"" + first->key.name +
                "\" already exists, the server was not able to generate a unique name for the "
                "object");
  EXPECT_EQ(second.error().retry_after_s, 1);
}

TEST_F(WriteTest, TheOlderBindingsPathPlacesAPodToo) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());

  const auto bound =
      create("bindings", "default", R"({"metadata":{"name":"p"},"target":{"name":"n1"}})");

  ASSERT_TRUE(bound.ok()) << text_of(bound);
  const auto placed = get("pods", "default", "p");
  EXPECT_EQ(placed->root().find("spec.nodeName").string(), "n1");
  EXPECT_EQ(placed->metadata()["generation"].integer(), 1) << "nobody has asked for anything else";
}

TEST_F(WriteTest, DryRunChecksEverythingAndCommitsNothing) {
  auto where = call("configmaps", "default");
  where.is_dry_run = true;

  EXPECT_TRUE(create_in(where, R"({"metadata":{"name":"dry"}})").ok());
  EXPECT_EQ(text_of(get("configmaps", "default", "dry")),
            "not found: configmaps \"dry\" not found");
}

TEST_F(WriteTest, UpdateWithAStaleVersionConflicts) {
  const auto made = create("deployments.apps", "default", deployment_json("d"));
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(merge("deployments.apps", "default", "d", R"({"spec":{"replicas":3}})").ok());

  EXPECT_EQ(text_of(update("deployments.apps", "default", "d", printed(*made))),
            "conflict: Operation cannot be fulfilled on deployments.apps \"d\": the object has "
            "been modified; "
            "please apply your changes to the latest version and try again");
}

TEST_F(WriteTest, WhatWasReadAndSentBackChangesNothing) {
  const std::vector<std::pair<std::string, std::string>> objects = {
      {"pods", pod_json("p")},
      {"deployments.apps", deployment_json("p")},
      {"services", R"({"metadata":{"name":"p"},"spec":{"type":"NodePort","ports":[{"port":80}]}})"},
      {"serviceaccounts", R"({"metadata":{"name":"p"}})"},
      {"secrets", R"({"metadata":{"name":"p"},"stringData":{"a":"b"}})"}};
  for (const auto& [resource, json] : objects) {
    const auto made = create(resource, "default", json);
    ASSERT_TRUE(made.ok()) << resource << text_of(made);

    const auto again = update(resource, "default", "p", printed(*made));

    ASSERT_TRUE(again.ok()) << resource << text_of(again);
    EXPECT_EQ(again->revision, made->revision) << resource << "\n"
                                               << made->document->bytes() << "\n"
                                               << again->document->bytes();
  }
}

TEST_F(WriteTest, GenerationCountsOnlyTheSpec) {
  ASSERT_TRUE(create("deployments.apps", "default", deployment_json("d")).ok());
  const auto generation = [&] {
    return get("deployments.apps", "default", "d")->root().find("metadata.generation").integer();
  };

  ASSERT_TRUE(
      merge("deployments.apps", "default", "d", R"({"metadata":{"labels":{"x":"y"}}})").ok());
  EXPECT_EQ(generation(), 1);
  ASSERT_TRUE(merge("deployments.apps", "default", "d", R"({"spec":{"replicas":5}})").ok());
  EXPECT_EQ(generation(), 2);
  auto status = call("deployments.apps", "default", "d");
  status.subresource = "status";
  ASSERT_TRUE(
      run(registry_->patch(status, PatchType::merge, R"({"status":{"replicas":5}})", {})).ok());
  EXPECT_EQ(generation(), 2);
}

TEST_F(WriteTest, MainUpdatesKeepTheStatusAndStatusUpdatesTheRest) {
  ASSERT_TRUE(create("deployments.apps", "default", deployment_json("d")).ok());
  auto status = call("deployments.apps", "default", "d");
  status.subresource = "status";

  ASSERT_TRUE(
      run(registry_->patch(
              status, PatchType::merge, R"({"spec":{"replicas":9},"status":{"replicas":4}})", {}))
          .ok());
  ASSERT_TRUE(
      merge(
          "deployments.apps", "default", "d", R"({"spec":{"replicas":3},"status":{"replicas":7}})")
          .ok());

  const auto now = get("deployments.apps", "default", "d");
  EXPECT_EQ(now->root().find("spec.replicas").integer(), 3);
  EXPECT_EQ(now->root().find("status.replicas").integer(), 4);
}

TEST_F(WriteTest, OnlySomeKindsAreCreatedByPut) {
  EXPECT_EQ(text_of(update("pods", "default", "p", pod_json("p"))),
            "not found: pods \"p\" not found");
  EXPECT_EQ(
      text_of(update("leases.coordination.k8s.io", "default", "l", R"({"metadata":{"name":"l"}})")),
      "ok");
  EXPECT_THAT(
      text_of(update("leases.coordination.k8s.io", "default", "l", R"({"metadata":{"name":"l"}})")),
      HasSubstr("metadata.resourceVersion: Invalid value: 0: must be specified for an update"));
}

TEST_F(WriteTest, PatchesOfAllThreeKindsApply) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  const auto patch = [&](PatchType type, std::string body) {
    return run(registry_->patch(call("pods", "default", "p"), type, std::move(body), {}));
  };

  ASSERT_EQ(
      text_of(patch(PatchType::strategic, R"({"spec":{"containers":[{"name":"c","image":"j"}]}})")),
      "ok");
  ASSERT_EQ(
      text_of(patch(PatchType::json, R"([{"op":"add","path":"/metadata/labels/k","value":"v"}])")),
      "ok");
  ASSERT_EQ(text_of(patch(PatchType::merge, R"({"metadata":{"annotations":{"a":"b"}}})")), "ok");

  const auto now = get("pods", "default", "p");
  EXPECT_EQ(now->root().find("spec.containers").at(0)["image"].string(), "j");
  EXPECT_EQ(now->root().find("metadata.labels.k").string(), "v");
  EXPECT_EQ(now->root().find("metadata.annotations.a").string(), "b");
}

TEST_F(WriteTest, PatchWithAStaleVersionConflicts) {
  ASSERT_TRUE(create("configmaps", "default", R"({"metadata":{"name":"c"}})").ok());

  EXPECT_THAT(text_of(merge("configmaps",
                            "default",
                            "c",
                            R"({"metadata":{"resourceVersion":"1"},"data":{"a":"b"}})")),
              StartsWith("conflict: Operation cannot be fulfilled on configmaps \"c\""));
}

TEST_F(WriteTest, PodsMayChangeOnlyTheirImages) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());

  EXPECT_THAT(text_of(merge("pods", "default", "p", R"({"spec":{"hostNetwork":true}})")),
              HasSubstr("spec: Forbidden: pod updates may not change fields other than"));
}

TEST_F(WriteTest, ConcurrentPatchesAllArrive) {
  ASSERT_TRUE(
      create("configmaps", "default", R"({"metadata":{"name":"c"},"data":{"n":"0"}})").ok());
  std::vector<std::future<Result<Stored>>> answers;
  for (int i = 0; i < 4; ++i) {
    std::promise<Result<Stored>> promise;
    answers.push_back(promise.get_future());
    auto task = registry_->patch(call("configmaps", "default", "c"),
                                 PatchType::merge,
                                 R"({"data":{"k)" + std::to_string(i) + R"(":"v"}})",
                                 {});
    group_.spawn_on(pool_.strand(), keep(std::move(task), std::move(promise)));
  }
  for (auto& answer : answers) {
    const auto got = answer.get();
    EXPECT_TRUE(got.ok()) << text_of(got);
  }

  EXPECT_EQ(get("configmaps", "default", "c")->root()["data"].size(), 5U);
}

TEST_F(WriteTest, OfConcurrentUpdatesFromOneVersionExactlyOneWins) {
  const auto made = create("configmaps", "default", R"({"metadata":{"name":"c"}})");
  ASSERT_TRUE(made.ok());
  std::vector<std::future<Result<Stored>>> answers;
  for (int i = 0; i < 8; ++i) {
    std::promise<Result<Stored>> promise;
    answers.push_back(promise.get_future());
    const auto body = R"({"metadata":{"name":"c","resourceVersion":")" +
                      std::to_string(made->revision.number) + R"("},"data":{"writer":")" +
                      std::to_string(i) + R"("}})";
    auto task = registry_->update(call("configmaps", "default", "c"), body, {});
    group_.spawn_on(pool_.strand(), keep(std::move(task), std::move(promise)));
  }
  int won = 0;
  for (auto& answer : answers) {
    const auto got = answer.get();
    won += got.ok() ? 1 : 0;
    EXPECT_TRUE(got.ok() || got.error().code == Code::conflict) << text_of(got);
  }

  EXPECT_EQ(won, 1);
}

TEST_F(WriteTest, BindingPlacesAPodOnce) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  auto where = call("pods", "default", "p");
  where.subresource = "binding";

  EXPECT_EQ(text_of(create_in(where, R"({"target":{"kind":"Node","name":"n1"}})")), "ok");
  EXPECT_EQ(text_of(create_in(where, R"({"target":{"kind":"Node","name":"n2"}})")),
            "conflict: Operation cannot be fulfilled on pods/binding \"p\": pod p is already "
            "assigned to node \"n1\"");
  const auto now = get("pods", "default", "p");
  EXPECT_EQ(now->root().find("spec.nodeName").string(), "n1");
  EXPECT_EQ(now->root().find("status.conditions").at(0)["type"].string(), "PodScheduled");
}

TEST_F(WriteTest, WhatABindingBringsIsChecked) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  auto where = call("pods", "default", "p");
  where.subresource = "binding";

  EXPECT_THAT(text_of(create_in(where, R"({"target":{"name":"No Node"}})")),
              testing::HasSubstr("spec.nodeName: Invalid value: \"No Node\""));
  EXPECT_THAT(
      text_of(create_in(
          where, R"({"metadata":{"name":"p","annotations":{"a b":""}},"target":{"name":"n1"}})")),
      testing::HasSubstr("metadata.annotations: Invalid value: \"a b\""));
  EXPECT_EQ(
      text_of(create_in(
          where, R"({"metadata":{"name":"p","annotations":{"a":"b"}},"target":{"name":"n1"}})")),
      "ok");
  EXPECT_EQ(get("pods", "default", "p")->root().find("metadata.annotations.a").string(), "b");
}

TEST_F(WriteTest, ABoundPodIsNominatedNoMore) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  auto status = call("pods", "default", "p");
  status.subresource = "status";
  ASSERT_TRUE(
      run(registry_->patch(
              status, client::PatchType::merge, R"({"status":{"nominatedNodeName":"n1"}})", {}))
          .ok());
  ASSERT_EQ(get("pods", "default", "p")->root().find("status.nominatedNodeName").string(), "n1");
  auto where = call("pods", "default", "p");
  where.subresource = "binding";

  ASSERT_TRUE(create_in(where, R"({"target":{"kind":"Node","name":"n2"}})").ok());

  const auto now = get("pods", "default", "p");
  EXPECT_FALSE(now->root().find("status.nominatedNodeName").exists());
}

TEST_F(WriteTest, ScaleIsReadAndWritten) {
  ASSERT_TRUE(create("deployments.apps", "default", deployment_json("d")).ok());
  auto where = call("deployments.apps", "default", "d");
  where.subresource = "scale";

  const auto before = run(registry_->get(where, {}));
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->root().find("status.selector").string(), "a=b");
  const auto after =
      run(registry_->update(where, R"({"metadata":{"name":"d"},"spec":{"replicas":7}})", {}));

  ASSERT_TRUE(after.ok()) << text_of(after);
  EXPECT_EQ(after->root().find("spec.replicas").integer(), 7);
  EXPECT_EQ(get("deployments.apps", "default", "d")->root().find("metadata.generation").integer(),
            2);
  EXPECT_THAT(
      text_of(run(registry_->patch(where, PatchType::merge, R"({"spec":{"replicas":-1}})", {}))),
      HasSubstr("spec.replicas: Invalid value: -1: must be greater than or equal to 0"));
  EXPECT_THAT(text_of(run(registry_->patch(
                  where, PatchType::merge, R"({"spec":{"replicas":2147483648}})", {}))),
              HasSubstr("ScaleSpec.spec.replicas of type int32"));
}

TEST_F(WriteTest, OfTheNamespaceOfLeasesOnlyLeasesMayGoWithThePower) {
  ASSERT_TRUE(create("configmaps", "kube-node-lease", R"({"metadata":{"name":"kept"}})").ok());

  auto opened =
      store::Store::open(store::make_memory_journal(disk_->after_power_loss()), store::Options());

  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE((*opened)->snapshot().get(Key{"configmaps", "kube-node-lease", "kept"}));
}

TEST_F(WriteTest, EventsAreOneKindInTwoGroups) {
  ASSERT_TRUE(create("events",
                     "default",
                     R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p",)"
                     R"("namespace":"default"},)"
                     R"("reason":"Started","message":"hello","type":"Normal"})")
                  .ok());
  auto where = call("events", "default", "e");
  where.kind = builtin_catalog().find("events.k8s.io", "v1", "Event");
  ASSERT_NE(where.kind, nullptr);

  const auto seen = run(registry_->get(where, {}));

  ASSERT_TRUE(seen.ok()) << text_of(seen);
  EXPECT_EQ(seen->root()["note"].string(), "hello");
  EXPECT_EQ(seen->root().find("regarding.name").string(), "p");
}

/// The taints of node "n", each as "<key>:<timeAdded>".
std::vector<std::string> dates_of(const Result<Stored>& node) {
  std::vector<std::string> out;
  for (const auto taint : node->root().find("spec.taints").elements()) {
    out.push_back(std::string(taint["key"].string()) + ":" +
                  std::string(taint["timeAdded"].string()));
  }
  return out;
}

TEST_F(WriteTest, ATaintThatEndsPodsSaysSinceWhen) {
  const auto made = create("nodes", "", R"({"metadata":{"name":"n"},"spec":{"taints":[
      {"key":"a","effect":"NoExecute"},{"key":"b","effect":"NoSchedule"},
      {"key":"c","effect":"NoExecute","timeAdded":"2020-01-01T00:00:00Z"}]}})");
  ASSERT_TRUE(made.ok()) << text_of(made);
  clock_.advance(std::chrono::seconds(60));

  const auto more = merge("nodes", "", "n", R"({"spec":{"taints":[
      {"key":"a","effect":"NoExecute"},{"key":"a","value":"other","effect":"NoExecute"}]}})");

  EXPECT_THAT(dates_of(made),
              testing::ElementsAre("a:2026-11-23T00:00:00Z", "b:", "c:2020-01-01T00:00:00Z"));
  ASSERT_TRUE(more.ok()) << text_of(more);
  EXPECT_THAT(dates_of(more),
              testing::ElementsAre("a:2026-11-23T00:00:00Z", "a:2026-11-23T00:01:00Z"))
      << "one that was there keeps its time, also where a client leaves it out";
}

}  // namespace
}  // namespace tetrarch::registry
