// SPDX-License-Identifier: Apache-2.0
// Quotas: what is charged, refused and given back, and that races never exceed them.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

class QuotaTest : public RegistryTest {
 protected:
  QuotaTest() { open_namespace("default"); }

  void make_quota(const std::string& hard, const std::string& more = "") {
    ASSERT_EQ(
        text_of(create(
            "resourcequotas",
            "default",
            fmt::format(R"({{"metadata":{{"name":"q"}},"spec":{{"hard":{}{}}}}})", hard, more))),
        "ok");
  }

  static std::string pod(const std::string& name,
                         const std::string& resources = "{}",
                         const std::string& spec = "") {
    return fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{{}"containers":[{{"name":"c",)"
                       R"("image":"i","resources":{}}}]}}}})",
                       name,
                       spec,
                       resources);
  }

  std::string make_pod(const std::string& name,
                       const std::string& resources = "{}",
                       const std::string& spec = "") {
    return text_of(create("pods", "default", pod(name, resources, spec)));
  }

  std::string used(std::string_view name) {
    const auto quota = get("resourcequotas", "default", "q");
    return std::string(quota->root().find("status.used")[name].string());
  }

  /// As the controller asks for it.
  void recount() {
    const auto quota = *get("resourcequotas", "default", "q");
    client::Change change;
    change.key = quota.key;
    change.document = quota.document;
    change.write.subresource = "usage";
    change.write.expected = quota.revision;
    const auto client = registry_->client(masters());
    std::vector<client::Change> changes{change};
    const auto answers = run(client->apply(std::move(changes)));
    ASSERT_EQ(text_of(answers.at(0)), "ok");
  }
};

TEST_F(QuotaTest, IsEnforcedFromItsFirstMoment) {
  ASSERT_EQ(make_pod("before"), "ok");

  make_quota(R"({"pods":"2"})");

  EXPECT_EQ(used("pods"), "1");
  EXPECT_EQ(make_pod("a"), "ok");
  EXPECT_EQ(used("pods"), "2");
  EXPECT_EQ(make_pod("b"),
            "forbidden: pods \"b\" is forbidden: exceeded quota: q, requested: pods=1, used: "
            "pods=2, limited: pods=2");
  EXPECT_EQ(used("pods"), "2");
}

TEST_F(QuotaTest, SumsWhatContainersAskFor) {
  make_quota(
      R"({"requests.cpu":"1","limits.memory":"1Gi","requests.example.com/gpu":"2","cpu":"1"})");

  EXPECT_EQ(make_pod("a",
                     R"({"requests":{"cpu":"600m","example.com/gpu":"1"},)"
                     R"("limits":{"memory":"512Mi","example.com/gpu":"1"}})"),
            "ok");
  EXPECT_EQ(used("requests.cpu"), "600m");
  EXPECT_EQ(used("cpu"), "600m");
  EXPECT_EQ(used("limits.memory"), "512Mi");
  EXPECT_EQ(used("requests.example.com/gpu"), "1");

  EXPECT_EQ(make_pod("b", R"({"requests":{"cpu":"500m"},"limits":{"memory":"768Mi"}})"),
            "forbidden: pods \"b\" is forbidden: exceeded quota: q, requested: "
            "cpu=500m,limits.memory=768Mi,requests.cpu=500m, used: "
            "cpu=600m,limits.memory=512Mi,requests.cpu=600m, limited: "
            "cpu=1,limits.memory=1Gi,requests.cpu=1");
}

TEST_F(QuotaTest, MakesContainersStateWhatItCounts) {
  make_quota(R"({"limits.cpu":"1","requests.memory":"1Gi"})");

  EXPECT_EQ(make_pod("a"),
            "forbidden: pods \"a\" is forbidden: failed quota: q: must specify limits.cpu for: c; "
            "requests.memory for: c");
}

TEST_F(QuotaTest, CountsObjectsOfEachKind) {
  make_quota(R"({"count/configmaps":"1","secrets":"1","services":"5","services.nodeports":"2",)"
             R"("services.loadbalancers":"1","count/deployments.apps":"0"})");
  const auto map = [&](const std::string& name) {
    return text_of(create("configmaps", "default", R"({"metadata":{"name":")" + name + R"("}})"));
  };
  const auto service = [&](const std::string& name, const std::string& type) {
    return text_of(
        create("services",
               "default",
               fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"type":"{}","ports":[)"
                           R"({{"name":"a","port":80}},{{"name":"b","port":81}}]}}}})",
                           name,
                           type)));
  };

  EXPECT_EQ(map("a"), "ok");
  EXPECT_THAT(map("b"), testing::HasSubstr("exceeded quota: q, requested: count/configmaps=1"));
  EXPECT_EQ(text_of(create("secrets", "default", R"({"metadata":{"name":"s"}})")), "ok");
  EXPECT_FALSE(create("secrets", "default", R"({"metadata":{"name":"t"}})").ok());
  EXPECT_EQ(service("plain", "ClusterIP"), "ok");
  EXPECT_EQ(service("ported", "NodePort"), "ok");
  EXPECT_EQ(used("services"), "3") << "one is the API's own";
  EXPECT_EQ(used("services.nodeports"), "2");
  EXPECT_EQ(service("more", "NodePort"),
            "forbidden: services \"more\" is forbidden: exceeded quota: q, requested: "
            "services.nodeports=2, used: services.nodeports=2, limited: services.nodeports=2");
  EXPECT_THAT(text_of(merge("services", "default", "plain", R"({"spec":{"type":"NodePort"}})")),
              testing::HasSubstr("exceeded quota: q, requested: services.nodeports=2"));
  EXPECT_THAT(
      text_of(create("deployments.apps",
                     "default",
                     R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},)"
                     R"("template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[)"
                     R"({"name":"c","image":"i"}]}}}})")),
      testing::HasSubstr("deployments.apps \"d\" is forbidden: exceeded quota: q, requested: "
                         "count/deployments.apps=1"));
}

struct ScopeRow {
  std::string_view name;
  std::string_view scopes;  ///< members of the quota's spec
  std::string_view spec;    ///< members of the pod's spec
  std::string_view resources;
  bool counts;
};

void PrintTo(const ScopeRow& row, std::ostream* out) {
  *out << row.name;
}

class ScopeTest : public QuotaTest, public testing::WithParamInterface<ScopeRow> {};

TEST_P(ScopeTest, CountsOnlyItsPods) {
  const auto& row = GetParam();
  ASSERT_TRUE(
      create("priorityclasses.scheduling.k8s.io", "", R"({"metadata":{"name":"high"},"value":100})")
          .ok());
  make_quota(R"({"pods":"10"})", std::string(row.scopes));

  EXPECT_EQ(make_pod("p", std::string(row.resources), std::string(row.spec)), "ok");

  EXPECT_EQ(used("pods"), row.counts ? "1" : "0");
}

constexpr std::string_view kSome = R"({"requests":{"cpu":"1m"}})";
constexpr std::string_view kHigh = R"("priorityClassName":"high",)";

std::string_view selector_in(bool is_in) {
  return is_in
             ? R"(,"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]})"
             : R"(,"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn","values":["high"]}]})";
}

const ScopeRow kScopeRows[] = {
    {"best_effort", R"(,"scopes":["BestEffort"])", "", "{}", true},
    {"best_effort_not", R"(,"scopes":["BestEffort"])", "", kSome, false},
    {"not_best_effort", R"(,"scopes":["NotBestEffort"])", "", kSome, true},
    {"terminating", R"(,"scopes":["Terminating"])", R"("activeDeadlineSeconds":5,)", "{}", true},
    {"terminating_not", R"(,"scopes":["Terminating"])", "", "{}", false},
    {"not_terminating", R"(,"scopes":["NotTerminating"])", "", "{}", true},
    {"class_in", selector_in(true), kHigh, "{}", true},
    {"class_in_not", selector_in(true), "", "{}", false},
    {"class_not_in", selector_in(false), kHigh, "{}", false},
    {"class_not_in_none", selector_in(false), "", "{}", true},
    {"class_exists", R"(,"scopes":["PriorityClass"])", kHigh, "{}", true},
    {"foreign_affinity",
     R"(,"scopes":["CrossNamespacePodAffinity"])",
     R"("affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[)"
     R"({"topologyKey":"k","namespaces":["x"],"labelSelector":{}}]}},)",
     "{}",
     true},
    {"own_affinity",
     R"(,"scopes":["CrossNamespacePodAffinity"])",
     R"("affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[)"
     R"({"topologyKey":"k","labelSelector":{}}]}},)",
     "{}",
     false},
};
INSTANTIATE_TEST_SUITE_P(Table, ScopeTest, testing::ValuesIn(kScopeRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST_F(QuotaTest, ARecountGivesBackWhatIsGoneOrFinished) {
  make_quota(R"({"pods":"3","count/pods":"3"})");
  for (const auto* name : {"a", "b", "c"}) {
    ASSERT_EQ(make_pod(name), "ok");
  }
  ASSERT_TRUE(remove("pods", "default", "a").ok());
  auto where = call("pods", "default", "b");
  where.subresource = "status";
  ASSERT_TRUE(run(registry_->patch(
                      where, client::PatchType::merge, R"({"status":{"phase":"Succeeded"}})", {}))
                  .ok());
  EXPECT_EQ(used("pods"), "3");

  recount();

  EXPECT_EQ(used("pods"), "1");
  EXPECT_EQ(used("count/pods"), "2");
}

TEST_F(QuotaTest, ARecountOfWhatIsRightChangesNothing) {
  make_quota(R"({"pods":"3"})");
  ASSERT_EQ(make_pod("a"), "ok");
  const auto before = get("resourcequotas", "default", "q")->revision;

  recount();

  EXPECT_EQ(get("resourcequotas", "default", "q")->revision, before);
}

TEST_F(QuotaTest, DryRunIsRefusedButNeverCharged) {
  make_quota(R"({"pods":"1"})");
  auto dry = call("pods", "default");
  dry.is_dry_run = true;

  EXPECT_EQ(text_of(create_in(dry, pod("a"))), "ok");
  EXPECT_EQ(used("pods"), "0");
  ASSERT_EQ(make_pod("b"), "ok");
  EXPECT_FALSE(create_in(dry, pod("c")).ok());
}

TEST_F(QuotaTest, OneThatRefusesLeavesTheOthersUncharged) {
  make_quota(R"({"pods":"5"})");
  ASSERT_TRUE(create("resourcequotas",
                     "default",
                     R"({"metadata":{"name":"z"},"spec":{"hard":{"pods":"0"}}})")
                  .ok());

  EXPECT_THAT(make_pod("a"), testing::HasSubstr("exceeded quota: z"));

  EXPECT_EQ(used("pods"), "0");
}

TEST_F(QuotaTest, OtherNamespacesAreFree) {
  open_namespace("other");
  make_quota(R"({"pods":"0"})");

  EXPECT_EQ(text_of(create("pods", "other", pod("a"))), "ok");
}

TEST_F(QuotaTest, ScopesCannotChange) {
  make_quota(R"({"pods":"1"})", R"(,"scopes":["BestEffort"])");

  EXPECT_THAT(
      text_of(merge("resourcequotas", "default", "q", R"({"spec":{"scopes":["NotBestEffort"]}})")),
      testing::HasSubstr("spec.scopes: Invalid value: [\"NotBestEffort\"]: field is "
                         "immutable"));
}

/// Property: however many ask at once, through single calls and batches, no more come in than the
/// quota has, and what is used is what is there.
TEST_F(QuotaTest, ParallelCreatesNeverExceedIt) {
  constexpr int kSingle = 24;
  constexpr int kBatched = 12;
  constexpr int kMost = 17;
  make_quota(fmt::format(R"({{"pods":"{}"}})", kMost));
  std::vector<client::Change> changes;
  for (int i = 0; i < kBatched; ++i) {
    client::Change change;
    change.verb = client::Change::Verb::create;
    change.key = {"pods", "default", fmt::format("batched-{}", i)};
    change.document = *Document::parse(pod(change.key.name));
    changes.push_back(std::move(change));
  }

  const auto client = registry_->client(masters());
  std::promise<std::vector<Result<Stored>>> batch;
  auto batched = batch.get_future();
  std::vector<std::future<Result<Stored>>> answers;
  for (int i = 0; i < kSingle; ++i) {
    if (i == kSingle / 2) {
      group_.spawn_on(pool_.strand(), keep(client->apply(changes), std::move(batch)));
    }
    std::promise<Result<Stored>> promise;
    answers.push_back(promise.get_future());
    auto task = registry_->create(call("pods", "default"), pod(fmt::format("single-{}", i)), {});
    group_.spawn_on(pool_.strand(), keep(std::move(task), std::move(promise)));
  }
  int made = 0;
  for (auto& answer : answers) {
    made += answer.get().ok() ? 1 : 0;
  }
  for (const auto& answer : batched.get()) {
    made += answer.ok() ? 1 : 0;
  }

  EXPECT_EQ(made, kMost);
  EXPECT_EQ(store_->snapshot().count("pods", "default"), static_cast<std::size_t>(kMost));
  EXPECT_EQ(used("pods"), std::to_string(kMost));
}

}  // namespace
}  // namespace tetrarch::registry
