// SPDX-License-Identifier: Apache-2.0
// The rules, on histories made by hand: each finds what it is for, and nothing else.
#include "sim/invariants.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/domain.h"

namespace tetrarch::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct PodText {
  std::string name = "a";
  std::string uid = "u1";
  std::string node = "n1";
  std::string spec = {};      ///< of the container
  std::string metadata = {};  ///< further members
  std::string status = {};
};

class InvariantsTest : public testing::Test {
 protected:
  void take(std::string resource, std::string name, std::string json) {
    const std::string ns = resource == "nodes" ? "" : "work";
    Written written{{std::move(resource), ns, std::move(name)}, Revision{++revision_}};
    written.document = json.empty() ? nullptr : Document::from_canonical(std::move(json));
    rules_.take({written});
  }

  static std::string json_of(const PodText& pod) {
    return fmt::format(
        R"({{"metadata":{{"name":"{}","namespace":"work","uid":"{}","labels":{{"app":"web"}},)"
        R"("creationTimestamp":"2026-11-23T00:00:00Z"{}}},"spec":{{"nodeName":"{}",)"
        R"("containers":[{{"name":"c"{}}}]}},"status":{{{}}}}})",
        pod.name,
        pod.uid,
        pod.metadata,
        pod.node,
        pod.spec,
        pod.status);
  }

  void take(const PodText& pod) { take("pods", pod.name, json_of(pod)); }

  void take_node(const std::string& name) {
    take("nodes", name, R"({"status":{"allocatable":{"cpu":"1","memory":"1Gi","pods":"3"}}})");
  }

  /// The deployment says that all is as it should be.
  void take_settled() {
    take("deployments.apps",
         "web",
         R"({"metadata":{"generation":2},"spec":{"replicas":1},"status":{"observedGeneration":2,)"
         R"("replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1}})");
  }

  static Stored stored(const PodText& pod) {
    return {{"pods", "work", pod.name}, Revision{1}, Document::from_canonical(json_of(pod))};
  }

  static constexpr const char* kOwned =
      R"(,"ownerReferences":[{"kind":"ReplicaSet","name":"web-1"}])";

  TimePoint start_ = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);
  Domain world_{start_};
  History history_{world_.clock(), start_};
  Invariants rules_{history_, world_.clock()};
  std::uint64_t revision_ = 0;
};

TEST_F(InvariantsTest, FindsANodeThatIsGivenAwayTwice) {
  const std::string half = R"(,"resources":{"requests":{"cpu":"600m"}})";
  take_node("n1");
  take({.name = "a", .uid = "u1", .spec = half});
  EXPECT_THAT(history_.violations(), IsEmpty());
  take({.name = "a", .uid = "u1", .spec = half, .status = R"("phase":"Succeeded")"});
  take({.name = "b", .uid = "u2", .spec = half});
  EXPECT_THAT(history_.violations(), IsEmpty());

  take({.name = "c", .uid = "u3", .spec = half});

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("1200m of 1000m")));
}

TEST_F(InvariantsTest, FindsMorePodsThanANodeTakes) {
  take_node("n1");
  for (const auto* name : {"a", "b", "c"}) {
    take({.name = name, .uid = name});
  }
  EXPECT_THAT(history_.violations(), IsEmpty());

  take({.name = "d", .uid = "d"});

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("4 of 3 pods")));
}

TEST_F(InvariantsTest, FindsAHostPortWithTwoPods) {
  const std::string port = R"(,"ports":[{"hostPort":80}])";
  take_node("n1");
  take({.name = "a", .uid = "u1", .spec = port});
  take({.name = "b", .uid = "u2", .node = "n2", .spec = port});
  EXPECT_THAT(history_.violations(), IsEmpty());

  take({.name = "c", .uid = "u3", .spec = port});

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("port TCP/80 of node n1")));
}

TEST_F(InvariantsTest, FindsAddressesAndNodePortsWithTwoOwners) {
  take({.name = "a", .uid = "u1", .status = R"("podIP":"10.0.0.1")"});
  take({.name = "b", .uid = "u2", .status = R"("podIP":"10.0.0.1")"});
  const auto* service = R"({"spec":{"clusterIP":"10.43.0.9","ports":[{"nodePort":30001}]}})";
  take("services", "x", service);
  take("services", "x", service);
  take("services", "y", service);

  EXPECT_THAT(history_.violations(),
              ElementsAre(HasSubstr("10.0.0.1 has two owners"),
                          HasSubstr("10.43.0.9 has two owners"),
                          HasSubstr("node port TCP/30001 has two owners")));
}

TEST_F(InvariantsTest, FindsAPodThatMoves) {
  take({.node = "n1"});
  take({.node = "n2"});

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("moved from n1 to n2")));
}

TEST_F(InvariantsTest, FindsAPodThatIsReplacedWithoutACause) {
  take({.metadata = kOwned});
  take_settled();

  take({.metadata = std::string(kOwned) + R"(,"deletionTimestamp":"2026-11-23T00:00:10Z")"});

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("deleted without a cause")));
}

TEST_F(InvariantsTest, TakesAChangeATroubleAndAWishForACause) {
  take({.name = "a", .uid = "u1", .metadata = kOwned});
  take("pods", "a", "");  // its owner is not settled
  take_settled();
  take({.name = "b", .uid = "u2", .metadata = kOwned});
  rules_.trouble_begins("n1");
  rules_.trouble_ends("n1");
  take("pods", "b", "");
  take({.name = "c", .uid = "u3", .node = "n2"});  // nothing owns it
  rules_.asked_for({"pods", "work", "c"});
  take("pods", "c", "");
  take({.name = "d", .uid = "u4", .node = "n2", .status = R"("phase":"Failed")"});
  take("pods", "d", "");

  EXPECT_THAT(history_.violations(), IsEmpty());
}

TEST_F(InvariantsTest, FindsARestartWithoutACause) {
  const auto pod = stored({});
  rules_.started("n1", pod, "c");
  rules_.ended(pod, "c", EndCause::finished);
  rules_.started("n1", pod, "c");
  rules_.ended(pod, "c", EndCause::rebooted);
  rules_.started("n1", pod, "c");
  rules_.ended(pod, "c", EndCause::told);
  EXPECT_THAT(history_.violations(), IsEmpty());

  rules_.started("n1", pod, "c");

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("restarted without a cause")));
}

TEST_F(InvariantsTest, FindsAPodThatIsStoppedThoughItWasToGoOn) {
  take({});
  rules_.started("n1", stored({}), "c");

  rules_.ended(stored({}), "c", EndCause::told);

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("though it was to go on")));
}

TEST_F(InvariantsTest, FindsAnIdentityThatRunsTwice) {
  rules_.started("n1", stored({.name = "db-0", .uid = "u1"}), "c");

  rules_.started("n2", stored({.name = "db-0", .uid = "u2"}), "c");

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("pod db-0 runs twice")));
}

TEST_F(InvariantsTest, FindsAContainerThatIsStartedWhileItRuns) {
  rules_.started("n1", stored({}), "c");

  rules_.started("n2", stored({}), "c");

  EXPECT_THAT(history_.violations(), ElementsAre(HasSubstr("while it runs on n1")));
}

}  // namespace
}  // namespace tetrarch::sim
