// SPDX-License-Identifier: Apache-2.0
// What a Deployment tells while it is made, rolled, scaled, paused, stuck and refused: transcripts
// of its conditions in the words that kubectl, helm and people switch on.
#include "reconcile/deployment_status.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/deployment.h"
#include "reconcile/edit.h"
#include "reconcile/replicaset.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

const Key kDeployment{"deployments.apps", "ns", "web"};

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    world_.add(deployment_controller());
    world_.add(replicaset_controller());
  }

  void create(int replicas,
              std::string_view more = R"("progressDeadlineSeconds":60,)",
              std::string_view strategy =
                  R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}})") {
    world_.create("deployments.apps",
                  fmt::format(R"({{"kind":"Deployment","apiVersion":"apps/v1","metadata":
      {{"name":"web","namespace":"ns","uid":"d-uid"}},"spec":{{"replicas":{},{}"strategy":{},
      "selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":
      {{"app":"web"}}}},"spec":{{"image":1}}}}}}}})",
                              replicas,
                              more,
                              strategy));
  }

  void set(std::string_view field, object::Tree value) {
    world_.change(kDeployment, [&](TreeObject& root) { root["spec"].as_object()[field] = value; });
  }

  void set_image(int image) { world_.set_image(kDeployment, image); }

  void settle() { ASSERT_TRUE(world_.settle()); }

  void finish() {
    for (int i = 0; i < 10; ++i) {
      settle();
      world_.make_all_ready();
      world_.end_terminating();
    }
    settle();
  }

  void pass(int whole) {
    world_.advance(seconds(whole));
    settle();
  }

  /// "Progressing=True NewReplicaSetAvailable: …", with the set's hash as H.
  std::string condition(std::string_view type) const {
    for (const auto each : world_.get(kDeployment)->root()["status"]["conditions"].elements()) {
      if (each["type"].string() == type) {
        return mask(fmt::format("{} {}: {}",
                                each["status"].string(),
                                each["reason"].string(),
                                each["message"].string()));
      }
    }
    return "(none)";
  }

  std::string time_of(std::string_view type, std::string_view field) const {
    for (const auto each : world_.get(kDeployment)->root()["status"]["conditions"].elements()) {
      if (each["type"].string() == type) {
        return std::string(each[field].string());
      }
    }
    return "(none)";
  }

  std::string mask(std::string text) const {
    for (const auto* set : world_.list("replicasets.apps")) {
      const auto at = text.find(set->key.name);
      if (at != std::string::npos) {
        text.replace(at, set->key.name.size(), "web-H");
      }
    }
    return text;
  }

  /// "replicas updated ready available unavailable"
  std::string counts() const {
    std::string out;
    for (const auto field : {"replicas",
                             "updatedReplicas",
                             "readyReplicas",
                             "availableReplicas",
                             "unavailableReplicas"}) {
      out += fmt::format("{}{}",
                         out.empty() ? "" : " ",
                         world_.integer(kDeployment, fmt::format("status.{}", field)));
    }
    return out;
  }

  World world_;
};

constexpr std::string_view kAvailable =
    "True MinimumReplicasAvailable: Deployment has minimum availability.";
constexpr std::string_view kUnavailable =
    "False MinimumReplicasUnavailable: Deployment does not have minimum availability.";

TEST_F(StatusTest, TranscriptOfAFirstRollout) {
  create(2);
  world_.step();  // makes the set
  EXPECT_EQ(condition("Progressing"),
            "True NewReplicaSetCreated: Created new replica set \"web-H\"");
  EXPECT_EQ(condition("Available"), kUnavailable);
  EXPECT_EQ(counts(), "0 0 0 0 0");

  settle();
  EXPECT_EQ(condition("Progressing"),
            "True ReplicaSetUpdated: ReplicaSet \"web-H\" is progressing.");
  EXPECT_EQ(counts(), "2 2 0 0 2");

  finish();
  EXPECT_EQ(condition("Progressing"),
            "True NewReplicaSetAvailable: ReplicaSet \"web-H\" has successfully progressed.");
  EXPECT_EQ(condition("Available"), kAvailable);
  EXPECT_EQ(counts(), "2 2 2 2 0");
}

TEST_F(StatusTest, TranscriptOfARollout) {
  create(2);
  finish();
  set_image(2);
  settle();
  EXPECT_EQ(condition("Progressing"),
            "True ReplicaSetUpdated: ReplicaSet \"web-H\" is progressing.");
  EXPECT_EQ(condition("Available"), kAvailable);
  EXPECT_EQ(counts(), "3 1 2 2 1");

  world_.make_all_ready();
  settle();
  EXPECT_EQ(counts(), "3 2 2 2 1");  // an old one is ending, another new one is there

  finish();
  EXPECT_EQ(condition("Progressing"),
            "True NewReplicaSetAvailable: ReplicaSet \"web-H\" has successfully progressed.");
  EXPECT_EQ(counts(), "2 2 2 2 0");
}

TEST_F(StatusTest, ARolloutThatDoesNotMoveTimesOutAndRecovers) {
  create(1);
  settle();
  pass(59);
  EXPECT_THAT(condition("Progressing"), HasSubstr("True ReplicaSetUpdated"));

  pass(1);
  EXPECT_EQ(condition("Progressing"),
            "False ProgressDeadlineExceeded: ReplicaSet \"web-H\" has timed out progressing.");
  EXPECT_EQ(condition("Available"), kUnavailable);
  pass(3600);
  EXPECT_THAT(condition("Progressing"), HasSubstr("ProgressDeadlineExceeded"));

  world_.make_all_ready();
  settle();
  EXPECT_EQ(condition("Progressing"),
            "True NewReplicaSetAvailable: ReplicaSet \"web-H\" has successfully progressed.");
}

TEST_F(StatusTest, EachBitOfProgressMovesTheDeadline) {
  create(3);
  settle();
  for (int i = 0; i < 2; ++i) {
    pass(50);
    world_.make_ready(Key(world_.list("pods")[static_cast<std::size_t>(i)]->key));
    settle();
    EXPECT_THAT(condition("Progressing"), HasSubstr("True ReplicaSetUpdated"));
    EXPECT_EQ(time_of("Progressing", "lastUpdateTime"), format_time(world_.now()));
  }
  const auto since = time_of("Progressing", "lastTransitionTime");
  EXPECT_EQ(since, format_time(world_.now() - seconds(100)));

  pass(60);
  EXPECT_THAT(condition("Progressing"), HasSubstr("ProgressDeadlineExceeded"));
  EXPECT_EQ(time_of("Progressing", "lastTransitionTime"), format_time(world_.now()));
}

TEST_F(StatusTest, WithoutADeadlineNothingIsSaidOfProgress) {
  create(1, "");
  finish();
  EXPECT_EQ(condition("Progressing"), "(none)");
  EXPECT_EQ(condition("Available"), kAvailable);
}

TEST_F(StatusTest, TheLargestDeadlineMeansNone) {
  create(1, R"("progressDeadlineSeconds":2147483647,)");
  finish();
  EXPECT_EQ(condition("Progressing"), "(none)");
}

TEST_F(StatusTest, ADeadlineThatIsTakenAwayTakesItsConditionAlong) {
  create(1);
  finish();
  ASSERT_NE(condition("Progressing"), "(none)");

  world_.change(kDeployment, [](TreeObject& root) {
    root["spec"].as_object().erase("progressDeadlineSeconds");
  });
  settle();

  EXPECT_EQ(condition("Progressing"), "(none)");
}

TEST_F(StatusTest, TranscriptOfAPause) {
  create(2);
  finish();
  set("paused", true);
  settle();
  EXPECT_EQ(condition("Progressing"), "Unknown DeploymentPaused: Deployment is paused");

  set_image(2);
  settle();
  pass(3600);
  EXPECT_EQ(condition("Progressing"), "Unknown DeploymentPaused: Deployment is paused");
  EXPECT_EQ(counts(), "2 0 2 2 0");

  set("paused", false);
  world_.step();
  EXPECT_THAT(condition("Progressing"),
              testing::AnyOf(HasSubstr("DeploymentResumed"), HasSubstr("NewReplicaSetCreated")));
  finish();
  EXPECT_THAT(condition("Progressing"), HasSubstr("NewReplicaSetAvailable"));
}

TEST_F(StatusTest, ATimeoutIsNotForgottenByAPause) {
  create(1);
  settle();
  pass(60);
  ASSERT_THAT(condition("Progressing"), HasSubstr("ProgressDeadlineExceeded"));

  set("paused", true);
  settle();

  EXPECT_THAT(condition("Progressing"), HasSubstr("ProgressDeadlineExceeded"));
}

TEST_F(StatusTest, AFinishedRolloutStaysFinishedWhenPodsFailLater) {
  create(2);
  finish();

  world_.make_ready(Key(world_.list("pods")[0]->key), false);
  settle();
  pass(3600);

  EXPECT_THAT(condition("Progressing"), HasSubstr("NewReplicaSetAvailable"));
  EXPECT_EQ(condition("Available"), kUnavailable);
  EXPECT_EQ(counts(), "2 2 1 1 1");
}

struct AvailableRow {
  std::string_view name;
  int replicas;
  std::string_view strategy;
  int ready;
  bool is_available;
};

void PrintTo(const AvailableRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr std::string_view kHalf =
    R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":"50%"}})";
constexpr AvailableRow kAvailableRows[] = {
    {"none_wanted", 0, kHalf, 0, true},
    {"half_of_four", 4, kHalf, 2, true},
    {"less_than_half_of_four", 4, kHalf, 1, false},
    {"half_of_five_is_rounded_down", 5, kHalf, 3, true},
    {"so_two_of_five_are_too_few", 5, kHalf, 2, false},
    {"recreate_wants_all", 3, R"({"type":"Recreate"})", 2, false},
    {"recreate_has_all", 3, R"({"type":"Recreate"})", 3, true},
};

class AvailableTest : public StatusTest, public testing::WithParamInterface<AvailableRow> {};

TEST_P(AvailableTest, IsWhenNoMoreAreMissingThanMay) {
  create(GetParam().replicas, "", GetParam().strategy);
  settle();
  for (int i = 0; i < GetParam().ready; ++i) {
    world_.make_ready(Key(world_.list("pods")[static_cast<std::size_t>(i)]->key));
  }
  settle();

  EXPECT_EQ(condition("Available"), GetParam().is_available ? kAvailable : kUnavailable);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         AvailableTest,
                         testing::ValuesIn(kAvailableRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(StatusTest, ASetThatMayNotBeMadeIsSaidToTheUser) {
  world_.refuse_creates("replicasets.apps", "exceeded quota");
  create(1);
  settle();
  pass(1);

  EXPECT_THAT(condition("Progressing"),
              testing::MatchesRegex("False ReplicaSetCreateError: Failed to create new replica set "
                                    "\"web-[a-z0-9]+\": exceeded quota"));
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "ReplicaSetCreateError")));

  world_.allow_creates();
  pass(2);
  finish();
  EXPECT_THAT(condition("Progressing"), HasSubstr("NewReplicaSetAvailable"));
}

TEST_F(StatusTest, TheNewSetsFailureSpeaksBeforeThatOfAnOldOne) {
  create(1);
  finish();
  set_image(2);
  settle();
  for (const auto* each : world_.list("replicasets.apps")) {
    const bool is_new = each->root().find("spec.template.spec.image").integer() == 2;
    world_.change(Key(each->key), [&](TreeObject& root) {
      Edit::object_in(root, "status")["conditions"] =
          TreeArray{TreeObject{{"type", "ReplicaFailure"},
                               {"status", "True"},
                               {"reason", "FailedCreate"},
                               {"message", is_new ? "new" : "old"}}};
    });
  }

  world_.apply(world_.plan(*deployment_controller(), kDeployment));

  EXPECT_EQ(condition("ReplicaFailure"), "True FailedCreate: new");
}

TEST_F(StatusTest, ADeploymentThatIsGoingOnlyTellsItsCounts) {
  create(2);
  finish();
  world_.remove(kDeployment, Propagation::foreground);
  world_.make_ready(Key(world_.list("pods")[0]->key), false);
  set_image(2);
  settle();

  EXPECT_EQ(counts(), "2 0 1 1 1");
  EXPECT_EQ(world_.list("replicasets.apps").size(), 1U);
}

TEST_F(StatusTest, AvailabilityWaitsForMinReadySeconds) {
  create(2, R"("minReadySeconds":30,"progressDeadlineSeconds":60,)");
  settle();
  world_.make_all_ready();
  settle();
  EXPECT_EQ(counts(), "2 2 2 0 2");
  EXPECT_EQ(condition("Available"), kUnavailable);

  pass(29);
  EXPECT_EQ(counts(), "2 2 2 0 2");
  pass(1);
  EXPECT_EQ(counts(), "2 2 2 2 0");
  EXPECT_EQ(condition("Available"), kAvailable);
}

}  // namespace
}  // namespace tetrarch::reconcile
