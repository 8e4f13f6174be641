// SPDX-License-Identifier: Apache-2.0
// What a Pod is given on its way in: its account and token, priority, tolerations, runtime class.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AdmissionTest : public RegistryTest {
 protected:
  AdmissionTest() { open_namespace("default"); }

  /// A pod whose spec has more members (",…") and whose container has more (",…").
  Result<Stored> admit(const std::string& spec, const std::string& container = "") {
    return create("pods",
                  "default",
                  R"({"metadata":{"generateName":"p-"},"spec":{"containers":[{"name":"c",)"
                  R"("image":"i")" +
                      container + "}]" + spec + "}}");
  }

  void make(const std::string& resource, const std::string& json) {
    const auto made = create(resource, resource == "serviceaccounts" ? "default" : "", json);
    ASSERT_TRUE(made.ok()) << text_of(made);
  }

  static std::string spec_of(const Result<Stored>& pod, std::string_view path) {
    return pod.ok() ? std::string(pod->root()["spec"].find(path).raw()) : text_of(pod);
  }

  /// "key effect seconds" of each toleration.
  static std::vector<std::string> tolerations(const Stored& pod) {
    std::vector<std::string> out;
    for (const auto each : pod.root()["spec"]["tolerations"].elements()) {
      out.push_back(
          std::string(each["key"].string()) + " " + std::string(each["effect"].string()) + " " +
          (each["tolerationSeconds"] ? std::string(each["tolerationSeconds"].raw()) : "-"));
    }
    return out;
  }
};

TEST_F(AdmissionTest, EveryContainerGetsTheTokenOfTheDefaultAccount) {
  const auto pod = admit(R"(,"initContainers":[{"name":"i","image":"i"}])");

  ASSERT_TRUE(pod.ok()) << text_of(pod);
  const auto spec = pod->root()["spec"];
  EXPECT_EQ(spec["serviceAccountName"].string(), "default");
  EXPECT_EQ(spec["serviceAccount"].string(), "default");
  ASSERT_EQ(spec["volumes"].size(), 1U);
  const auto volume = spec["volumes"].at(0)["name"].string();
  EXPECT_TRUE(volume.starts_with("kube-api-access-"));
  for (const auto* list : {"initContainers", "containers"}) {
    const auto mounts = spec[list].at(0)["volumeMounts"];
    ASSERT_EQ(mounts.size(), 1U) << list;
    EXPECT_EQ(mounts.at(0)["name"].string(), volume);
    EXPECT_TRUE(mounts.at(0)["readOnly"].boolean());
  }
}

TEST_F(AdmissionTest, AContainerThatMountsAnotherTokenKeepsIt) {
  const auto pod = admit(R"(,"volumes":[{"name":"own","emptyDir":{}}])",
                         R"(,"volumeMounts":[{"name":"own",)"
                         R"("mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}])");

  ASSERT_TRUE(pod.ok()) << text_of(pod);
  EXPECT_EQ(pod->root()["spec"]["volumes"].size(), 1U);
  EXPECT_EQ(pod->root().find("spec.containers").at(0)["volumeMounts"].size(), 1U);
}

struct TokenRow {
  std::string_view name;
  std::string_view account;  ///< members of the account
  std::string_view pod;      ///< members of the pod's spec
  bool has_token;
};

void PrintTo(const TokenRow& row, std::ostream* out) {
  *out << row.name;
}

class TokenTest : public AdmissionTest, public testing::WithParamInterface<TokenRow> {};

TEST_P(TokenTest, IsMountedAsPodThenAccountSay) {
  make("serviceaccounts", R"({"metadata":{"name":"a"})" + std::string(GetParam().account) + "}");

  const auto pod = admit(R"(,"serviceAccountName":"a")" + std::string(GetParam().pod));

  ASSERT_TRUE(pod.ok()) << text_of(pod);
  EXPECT_EQ(pod->root().find("spec.volumes").size(), GetParam().has_token ? 1U : 0U);
}

constexpr TokenRow kTokens[] = {
    {"nobody_says", "", "", true},
    {"account_says_no", R"(,"automountServiceAccountToken":false)", "", false},
    {"pod_says_no", "", R"(,"automountServiceAccountToken":false)", false},
    {"pod_overrules_the_account",
     R"(,"automountServiceAccountToken":false)",
     R"(,"automountServiceAccountToken":true)",
     true},
};

INSTANTIATE_TEST_SUITE_P(Table, TokenTest, testing::ValuesIn(kTokens), [](const auto& row) {
  return std::string(row.param.name);
});

TEST_F(AdmissionTest, PullSecretsAreTheAccountsUnlessThePodHasSome) {
  make("serviceaccounts", R"({"metadata":{"name":"a"},"imagePullSecrets":[{"name":"theirs"}]})");

  const std::string account = R"(,"serviceAccountName":"a")";
  EXPECT_EQ(spec_of(admit(account), "imagePullSecrets"), R"([{"name":"theirs"}])");
  EXPECT_EQ(spec_of(admit(account + R"(,"imagePullSecrets":[{"name":"own"}])"), "imagePullSecrets"),
            R"([{"name":"own"}])");
}

TEST_F(AdmissionTest, TheOlderFieldNamesTheAccountToo) {
  make("serviceaccounts", R"({"metadata":{"name":"a"}})");

  EXPECT_EQ(spec_of(admit(R"(,"serviceAccount":"a")"), "serviceAccountName"), R"("a")");
  EXPECT_THAT(text_of(admit(R"(,"serviceAccountName":"none")")),
              HasSubstr("error looking up service account default/none: serviceaccount \"none\" "
                        "not found"));
}

struct PriorityRow {
  std::string_view name;
  std::string_view pod;
  std::string_view answer;  ///< "class priority policy", or a part of the refusal
};

void PrintTo(const PriorityRow& row, std::ostream* out) {
  *out << row.name;
}

class PriorityTest : public AdmissionTest, public testing::WithParamInterface<PriorityRow> {
 protected:
  PriorityTest() {
    make("priorityclasses.scheduling.k8s.io",
         R"({"metadata":{"name":"high"},"value":1000,"preemptionPolicy":"Never"})");
  }

  std::string answer(const std::string& spec) {
    const auto pod = admit(spec);
    return pod.ok() ? spec_of(pod, "priorityClassName") + " " + spec_of(pod, "priority") + " " +
                          spec_of(pod, "preemptionPolicy")
                    : text_of(pod);
  }
};

TEST_P(PriorityTest, IsThatOfTheClass) {
  EXPECT_THAT(answer(std::string(GetParam().pod)), HasSubstr(std::string(GetParam().answer)));
}

constexpr PriorityRow kPriorities[] = {
    {"none", "", R"(null 0 "PreemptLowerPriority")"},
    {"of_a_class", R"(,"priorityClassName":"high")", R"("high" 1000 "Never")"},
    {"the_same_said_twice",
     R"(,"priorityClassName":"high","priority":1000,"preemptionPolicy":"Never")",
     R"("high" 1000 "Never")"},
    {"system",
     R"(,"priorityClassName":"system-node-critical")",
     R"("system-node-critical" 2000001000 "PreemptLowerPriority")"},
    {"unknown", R"(,"priorityClassName":"who")", "no PriorityClass with name who was found"},
    {"a_value_without_class",
     R"(,"priority":7)",
     "the integer value of priority (7) must not be provided in pod spec; priority admission "
     "controller computed 0 from the given PriorityClass name"},
    {"another_value",
     R"(,"priorityClassName":"high","priority":7)",
     "priority admission controller computed 1000 from the given PriorityClass name"},
    {"another_policy",
     R"(,"priorityClassName":"high","preemptionPolicy":"PreemptLowerPriority")",
     "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod "
     "spec; priority admission controller computed Never from the given PriorityClass name"},
};

INSTANTIATE_TEST_SUITE_P(Table, PriorityTest, testing::ValuesIn(kPriorities), [](const auto& row) {
  return std::string(row.param.name);
});

TEST_F(PriorityTest, OfTheDefaultClassIsGivenWhereThePodNamesNone) {
  make("priorityclasses.scheduling.k8s.io",
       R"({"metadata":{"name":"usual"},"value":10,"globalDefault":true})");

  EXPECT_EQ(answer(""), R"("usual" 10 "PreemptLowerPriority")");
  EXPECT_EQ(answer(R"(,"priorityClassName":"high")"), R"("high" 1000 "Never")");
}

struct TolerationRow {
  std::string_view name;
  std::string_view own;  ///< the pod's list
  std::vector<std::string> all;
};

void PrintTo(const TolerationRow& row, std::ostream* out) {
  *out << row.name;
}

class TolerationTest : public AdmissionTest, public testing::WithParamInterface<TolerationRow> {};

TEST_P(TolerationTest, OfLostNodesEndsAfterFiveMinutesUnlessThePodSaysOtherwise) {
  const auto pod = admit(R"(,"tolerations":)" + std::string(GetParam().own));

  ASSERT_TRUE(pod.ok()) << text_of(pod);
  EXPECT_EQ(tolerations(*pod), GetParam().all);
}

const std::string kNotReady = "node.kubernetes.io/not-ready NoExecute ";
const std::string kUnreachable = "node.kubernetes.io/unreachable NoExecute ";
const TolerationRow kTolerations[] = {
    {"none", "[]", {kNotReady + "300", kUnreachable + "300"}},
    {"one_of_them",
     R"([{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute",)"
     R"("tolerationSeconds":5}])",
     {kNotReady + "5", kUnreachable + "300"}},
    {"one_of_them_for_another_effect",
     R"([{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoSchedule"}])",
     {"node.kubernetes.io/not-ready NoSchedule -", kNotReady + "300", kUnreachable + "300"}},
    {"one_for_every_effect",
     R"([{"key":"node.kubernetes.io/unreachable","operator":"Exists"}])",
     {"node.kubernetes.io/unreachable  -", kNotReady + "300"}},
    {"everything", R"([{"operator":"Exists"}])", {"  -"}},
    {"something_else",
     R"([{"key":"gpu","operator":"Exists","effect":"NoSchedule"}])",
     {"gpu NoSchedule -", kNotReady + "300", kUnreachable + "300"}},
};

INSTANTIATE_TEST_SUITE_P(Table,
                         TolerationTest,
                         testing::ValuesIn(kTolerations),
                         [](const auto& row) { return std::string(row.param.name); });

class RuntimeClassTest : public AdmissionTest {
 protected:
  RuntimeClassTest() {
    make("runtimeclasses.node.k8s.io",
         R"({"metadata":{"name":"vm"},"handler":"vm","overhead":{"podFixed":{"memory":"64Mi"}},)"
         R"("scheduling":{"nodeSelector":{"kind":"vm"},"tolerations":[{"key":"vm","operator":)"
         R"("Exists","effect":"NoSchedule"}]}})");
  }
};

TEST_F(RuntimeClassTest, BringsItsOverheadItsNodesAndItsTolerations) {
  const auto pod = admit(R"(,"runtimeClassName":"vm","nodeSelector":{"disk":"ssd"})");

  ASSERT_TRUE(pod.ok()) << text_of(pod);
  EXPECT_EQ(spec_of(pod, "overhead"), R"({"memory":"64Mi"})");
  EXPECT_EQ(pod->root().find("spec.nodeSelector.kind").string(), "vm");
  EXPECT_EQ(pod->root().find("spec.nodeSelector.disk").string(), "ssd");
  EXPECT_THAT(tolerations(*pod), testing::Contains("vm NoSchedule -"));
}

TEST_F(RuntimeClassTest, RepeatsNoTolerationThatThePodHas) {
  const auto pod =
      admit(R"(,"runtimeClassName":"vm","tolerations":[{"key":"vm","operator":"Exists","effect":)"
            R"("NoSchedule"}])");

  ASSERT_TRUE(pod.ok()) << text_of(pod);
  EXPECT_THAT(tolerations(*pod),
              ElementsAre("vm NoSchedule -", kNotReady + "300", kUnreachable + "300"));
}

TEST_F(RuntimeClassTest, TakesTheSameSaidTwiceAndNothingElse) {
  EXPECT_TRUE(admit(R"(,"runtimeClassName":"vm","overhead":{"memory":"64Mi"})").ok());
  EXPECT_TRUE(admit(R"(,"runtimeClassName":"vm","nodeSelector":{"kind":"vm"})").ok());
  EXPECT_THAT(text_of(admit(R"(,"runtimeClassName":"vm","overhead":{"memory":"1Mi"})")),
              HasSubstr("Pod's Overhead doesn't match RuntimeClass's defined Overhead"));
  EXPECT_THAT(text_of(admit(R"(,"runtimeClassName":"vm","nodeSelector":{"kind":"other"})")),
              HasSubstr("conflict: runtimeClass.scheduling.nodeSelector[kind] = vm; "
                        "pod.spec.nodeSelector[kind] = other"));
  EXPECT_THAT(text_of(admit(R"(,"overhead":{"memory":"1Mi"})")),
              HasSubstr("Pod Overhead set without corresponding RuntimeClass defined Overhead"));
  EXPECT_THAT(text_of(admit(R"(,"runtimeClassName":"none")")),
              HasSubstr("RuntimeClass \"none\" not found"));
}

}  // namespace
}  // namespace tetrarch::registry
