// SPDX-License-Identifier: Apache-2.0
// Deletion: grace, finalizers, propagation, preconditions, namespaces, collections, claims.
#include <set>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using client::DeleteOptions;
using client::Propagation;
using testing::HasSubstr;

class EndTest : public RegistryTest {
 protected:
  EndTest() { open_namespace("default"); }

  void bind(const std::string& pod) {
    auto where = call("pods", "default", pod);
    where.subresource = "binding";
    ASSERT_TRUE(create_in(where, R"({"target":{"kind":"Node","name":"n"}})").ok());
  }

  static DeleteOptions grace(std::int64_t seconds) {
    DeleteOptions out;
    out.grace_seconds = seconds;
    return out;
  }
};

TEST_F(EndTest, AnUnscheduledPodGoesAtOnce) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());

  EXPECT_TRUE(remove("pods", "default", "p").ok());
  EXPECT_FALSE(get("pods", "default", "p").ok());
}

TEST_F(EndTest, ARunningPodEndsGracefullyAndASecondCallShortensIt) {
  ASSERT_TRUE(create("pods", "default", pod_json("p")).ok());
  bind("p");

  const auto first = remove("pods", "default", "p");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->root().find("metadata.deletionTimestamp").string(), "2026-11-23T00:00:30Z");
  EXPECT_EQ(first->root().find("metadata.deletionGracePeriodSeconds").integer(), 30);
  clock_.advance(std::chrono::seconds(4));
  const auto same = remove("pods", "default", "p", grace(40));
  EXPECT_EQ(same->revision, first->revision);
  const auto sooner = remove("pods", "default", "p", grace(10));
  EXPECT_EQ(sooner->root().find("metadata.deletionTimestamp").string(), "2026-11-23T00:00:10Z");
  EXPECT_TRUE(remove("pods", "default", "p", grace(0)).ok());

  EXPECT_FALSE(get("pods", "default", "p").ok());
}

TEST_F(EndTest, FinalizersHoldAnObjectUntilTheLastIsGone) {
  ASSERT_TRUE(
      create("configmaps", "default", R"({"metadata":{"name":"c","finalizers":["a.b/c"]}})").ok());

  const auto ending = remove("configmaps", "default", "c");
  ASSERT_TRUE(ending.ok());
  EXPECT_EQ(ending->root().find("metadata.deletionTimestamp").string(), "2026-11-23T00:00:00Z");
  EXPECT_THAT(
      text_of(
          merge("configmaps", "default", "c", R"({"metadata":{"finalizers":["a.b/c","d.e/f"]}})")),
      HasSubstr(
          "no new finalizers can be added if the object is being deleted, found new finalizers "
          "[]string{\"d.e/f\"}"));
  EXPECT_TRUE(merge("configmaps", "default", "c", R"({"metadata":{"finalizers":null}})").ok());

  EXPECT_FALSE(get("configmaps", "default", "c").ok());
}

TEST_F(EndTest, PropagationBecomesAFinalizer) {
  for (const auto& [policy, finalizer] : {std::pair{Propagation::foreground, "foregroundDeletion"},
                                          std::pair{Propagation::orphan, "orphan"}}) {
    const std::string name = finalizer == std::string("orphan") ? "o" : "f";
    ASSERT_TRUE(create("configmaps", "default", R"({"metadata":{"name":")" + name + R"("}})").ok());
    DeleteOptions options;
    options.propagation = policy;

    const auto ending = remove("configmaps", "default", name, options);

    ASSERT_TRUE(ending.ok());
    EXPECT_EQ(ending->root().find("metadata.finalizers").at(0).string(), finalizer);
    EXPECT_TRUE(get("configmaps", "default", name).ok());
  }
}

TEST_F(EndTest, PreconditionsMustHold) {
  const auto made = create("configmaps", "default", R"({"metadata":{"name":"c"}})");
  DeleteOptions other_uid;
  other_uid.expected_uid = "u";
  DeleteOptions other_revision;
  other_revision.expected = Revision{1};

  EXPECT_EQ(text_of(remove("configmaps", "default", "c", other_uid)),
            "conflict: Operation cannot be fulfilled on ConfigMap \"c\": the UID in the "
            "precondition (u) does not match the UID in record (" +
                std::string(made->uid()) +
                "). The object might have been deleted and then recreated");
  EXPECT_THAT(text_of(remove("configmaps", "default", "c", other_revision)),
              HasSubstr("the ResourceVersion in the precondition (1) does not match the "
                        "ResourceVersion in record"));
}

TEST_F(EndTest, ANamespaceIsTerminatingUntilItIsFinalized) {
  open_namespace("team");

  const auto ending = remove("namespaces", "", "team");
  ASSERT_TRUE(ending.ok()) << text_of(ending);
  EXPECT_EQ(ending->root().find("status.phase").string(), "Terminating");
  EXPECT_EQ(text_of(create("configmaps", "team", R"({"metadata":{"name":"c"}})")),
            "forbidden: configmaps \"c\" is forbidden: unable to create new content in namespace "
            "team because it is "
            "being terminated");
  auto finalize = call("namespaces", "", "team");
  finalize.subresource = "finalize";
  ASSERT_TRUE(run(registry_->update(
                      finalize, R"({"metadata":{"name":"team"},"spec":{"finalizers":[]}})", {}))
                  .ok());

  EXPECT_FALSE(get("namespaces", "", "team").ok());
}

TEST_F(EndTest, SystemNamespacesStay) {
  EXPECT_EQ(
      text_of(remove("namespaces", "", "kube-system")),
      "forbidden: namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

TEST_F(EndTest, ACollectionGoesBySelector) {
  for (const auto* name : {"a", "b", "c"}) {
    ASSERT_TRUE(create("configmaps",
                       "default",
                       std::string(R"({"metadata":{"name":")") + name + R"(","labels":{"k":")" +
                           (*name == 'c' ? "keep" : "go") + R"("}}})")
                    .ok());
  }
  ListOptions which;
  which.select.labels = "k=go";

  const auto gone = run(registry_->remove_collection(call("configmaps", "default"), which, {}));

  ASSERT_TRUE(gone.ok()) << text_of(gone);
  EXPECT_EQ(gone->items.size(), 2U);
  EXPECT_EQ(list("configmaps", "default")->items.size(), 1U);
}

std::string service_json(const std::string& name, const std::string& spec = "") {
  return R"({"metadata":{"name":")" + name + R"("},"spec":{"ports":[{"port":80}])" + spec + "}}";
}

TEST_F(EndTest, AServiceAddressIsGivenOnceAndComesBack) {
  const auto asked = R"(,"clusterIP":"10.43.0.77")";

  ASSERT_TRUE(create("services", "default", service_json("one", asked)).ok());
  EXPECT_EQ(text_of(create("services", "default", service_json("two", asked))),
            "invalid: Service \"two\" is invalid: spec.clusterIPs: Invalid value: "
            "[\"10.43.0.77\"]: failed to "
            "allocate IP 10.43.0.77: provided IP is already allocated");
  ASSERT_TRUE(remove("services", "default", "one").ok());
  EXPECT_EQ(text_of(create("services", "default", service_json("two", asked))), "ok");
}

TEST_F(EndTest, AddressesOutsideTheRangeAreRefused) {
  EXPECT_THAT(
      text_of(create("services", "default", service_json("s", R"(,"clusterIP":"10.44.0.1")"))),
      HasSubstr("failed to allocate IP 10.44.0.1: the provided IP (10.44.0.1) is not in the valid "
                "range. The "
                "range of valid IPs is 10.43.0.0/16"));
  EXPECT_THAT(
      text_of(create("services",
                     "default",
                     R"({"metadata":{"name":"s"},"spec":{"type":"NodePort","ports":[{"port":80,)"
                     R"("nodePort":80}]}})")),
      HasSubstr(
          "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The "
          "range of valid ports is 30000-32767"));
}

TEST_F(EndTest, ServicesChangeTypeAndGivePortsBack) {
  const auto made = create("services", "default", service_json("s", R"(,"type":"NodePort")"));
  ASSERT_TRUE(made.ok()) << text_of(made);
  const auto port = made->root().find("spec.ports").at(0)["nodePort"].integer();
  EXPECT_GE(port, 30000);

  const auto plain = merge("services", "default", "s", R"({"spec":{"type":"ClusterIP"}})");
  ASSERT_TRUE(plain.ok()) << text_of(plain);
  EXPECT_FALSE(plain->root().find("spec.ports").at(0)["nodePort"].exists());
  EXPECT_EQ(plain->root().find("spec.clusterIP").string(),
            made->root().find("spec.clusterIP").string());
  EXPECT_EQ(
      text_of(create(
          "services",
          "default",
          R"({"metadata":{"name":"t"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":)" +
              std::to_string(port) + "}]}}")),
      "ok");
  EXPECT_THAT(text_of(merge("services",
                            "default",
                            "s",
                            R"({"spec":{"clusterIP":"10.43.9.9","clusterIPs":["10.43.9.9"]}})")),
              HasSubstr("may not change once set"));
}

TEST_F(EndTest, ConcurrentServicesGetDifferentAddresses) {
  Options narrow;
  narrow.service_cidr = "10.43.0.0/27";
  narrow.node_port_max = 30019;
  restart(narrow);
  ASSERT_TRUE(run(registry_->bootstrap()).ok());
  std::vector<std::future<Result<Stored>>> answers;
  for (int i = 0; i < 20; ++i) {
    std::promise<Result<Stored>> promise;
    answers.push_back(promise.get_future());
    auto task = registry_->create(call("services", "default"),
                                  service_json("s" + std::to_string(i), R"(,"type":"NodePort")"),
                                  {});
    group_.spawn_on(pool_.strand(), keep(std::move(task), std::move(promise)));
  }
  std::set<std::string> addresses;
  std::set<std::int64_t> ports;
  for (auto& answer : answers) {
    const auto got = answer.get();
    ASSERT_TRUE(got.ok()) << text_of(got);
    addresses.emplace(got->root().find("spec.clusterIP").string());
    ports.insert(got->root().find("spec.ports").at(0)["nodePort"].integer());
  }

  // The last port of the range, too.
  EXPECT_EQ(addresses.size(), 20U);
  EXPECT_EQ(ports.size(), 20U);
}

}  // namespace
}  // namespace tetrarch::registry
