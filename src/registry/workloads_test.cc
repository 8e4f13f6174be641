// SPDX-License-Identifier: Apache-2.0
// What the API does to jobs, cron jobs, daemon sets and their kin beyond what their tables say.
#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class WorkloadsTest : public RegistryTest {
 protected:
  WorkloadsTest() { open_namespace("default"); }

  static std::string job_json(const std::string& name,
                              const std::string& spec = "",
                              const std::string& labels = "") {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{)" + spec +
           R"("template":{"metadata":{"labels":{)" + labels +
           R"(}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})";
  }

  static std::string daemon_json(const std::string& image, const std::string& annotations = "{}") {
    return R"({"metadata":{"name":"d","annotations":)" + annotations +
           R"(},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":)"
           R"({"a":"b"}},"spec":{"containers":[{"name":"c","image":")" +
           image + R"("}]}}}})";
  }
};

TEST_F(WorkloadsTest, AJobIsGivenASelectorByItsUid) {
  const auto made = create("jobs.batch", "default", job_json("sum", "", R"("mine":"x")"));

  ASSERT_TRUE(made.ok()) << text_of(made);
  const std::string uid(made->uid());
  const auto labels = R"({"batch.kubernetes.io/controller-uid":")" + uid +
                      R"(","batch.kubernetes.io/job-name":"sum","controller-uid":")" + uid +
                      R"(","job-name":"sum","mine":"x"})";
  EXPECT_EQ(made->root().find("spec.template.metadata.labels").raw(), labels);
  EXPECT_EQ(made->metadata()["labels"].raw(), labels);
  EXPECT_EQ(made->root()["spec"]["selector"].raw(),
            R"({"matchLabels":{"batch.kubernetes.io/controller-uid":")" + uid + R"("}})");
}

TEST_F(WorkloadsTest, AJobMayBringItsOwnSelectorOnlyIfItSaysSo) {
  const std::string selector = R"("selector":{"matchLabels":{"mine":"x"}},)";

  EXPECT_TRUE(create("jobs.batch",
                     "default",
                     job_json("own", R"("manualSelector":true,)" + selector, R"("mine":"x")"))
                  .ok());
  EXPECT_THAT(
      text_of(create(
          "jobs.batch",
          "default",
          job_json("wrong", "", R"("job-name":"other","batch.kubernetes.io/job-name":"other")"))),
      HasSubstr("spec.template.metadata.labels: Invalid value"));
}

TEST_F(WorkloadsTest, ACronJobNamesAZoneThatThereIs) {
  const auto json = [](const std::string& name, const std::string& zone) {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{"schedule":"@daily","timeZone":")" +
           zone +
           R"(","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never",)"
           R"("containers":[{"name":"c","image":"i"}]}}}}}})";
  };

  EXPECT_TRUE(create("cronjobs.batch", "default", json("good", "Etc/UTC")).ok());
  EXPECT_EQ(
      text_of(create("cronjobs.batch", "default", json("bad", "Mars/Olympus"))),
      R"(invalid: CronJob.batch "bad" is invalid: spec.timeZone: Invalid value: "Mars/Olympus": )"
      "unknown time zone Mars/Olympus");
}

TEST_F(WorkloadsTest, ADaemonSetCountsItsTemplates) {
  const auto generation = [](const Result<Stored>& set) {
    return set->metadata()["annotations"]["deprecated.daemonset.template.generation"].string();
  };
  const auto made = create("daemonsets.apps", "default", daemon_json("i:1"));
  ASSERT_TRUE(made.ok()) << text_of(made);
  EXPECT_EQ(generation(made), "1");

  const auto same = update("daemonsets.apps", "default", "d", daemon_json("i:1"));
  ASSERT_TRUE(same.ok()) << text_of(same);
  EXPECT_EQ(generation(same), "1");
  EXPECT_EQ(same->revision, made->revision) << "nothing has changed";

  const auto other = update("daemonsets.apps", "default", "d", daemon_json("i:2", R"({"x":"y"})"));
  ASSERT_TRUE(other.ok()) << text_of(other);
  EXPECT_EQ(generation(other), "2");
  EXPECT_EQ(other->metadata()["annotations"]["x"].string(), "y");
}

TEST_F(WorkloadsTest, TheScaleOfAReplicationControllerNamesItsLabels) {
  ASSERT_TRUE(create("replicationcontrollers",
                     "default",
                     R"({"metadata":{"name":"r"},"spec":{"replicas":2,"template":{"metadata":)"
                     R"({"labels":{"b":"c","a":"b"}},"spec":{"containers":[{"name":"c",)"
                     R"("image":"i"}]}}}})")
                  .ok());

  auto where = call("replicationcontrollers", "default", "r");
  where.subresource = "scale";
  const auto scale = run(registry_->get(where, {}));

  ASSERT_TRUE(scale.ok()) << text_of(scale);
  EXPECT_EQ(scale->root().find("status.selector").string(), "a=b,b=c");
  EXPECT_EQ(scale->root().find("spec.replicas").integer(), 2);
}

TEST_F(WorkloadsTest, AJobIsDeletedWithoutItsPodsWhereNobodySaysOtherwise) {
  ASSERT_TRUE(create("jobs.batch", "default", job_json("a")).ok());
  ASSERT_TRUE(create("jobs.batch", "default", job_json("b")).ok());
  client::DeleteOptions background;
  background.propagation = client::Propagation::background;

  const auto left = remove("jobs.batch", "default", "a");
  const auto gone = remove("jobs.batch", "default", "b", background);

  ASSERT_TRUE(left.ok() && gone.ok());
  EXPECT_EQ(left->metadata()["finalizers"].raw(), R"(["orphan"])");
  EXPECT_FALSE(gone->metadata()["finalizers"].exists());
}

}  // namespace
}  // namespace tetrarch::registry
