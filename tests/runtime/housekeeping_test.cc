// SPDX-License-Identifier: Apache-2.0
// What an agent removes of a real containerd's images and containers, and of the disk.
#include <algorithm>
#include <thread>

#include <sys/mount.h>

#include "agent/places.h"
#include "agent/runtime/containers.h"
#include "agent_bench.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::ElementsAre;

class HousekeepingTest : public AgentBench {
 public:
  /// Its archives are pause.tar alone: other images are there as if they had been pulled.
  static void SetUpTestSuite() {
    set_up([](Options& options) {
      options.image_directories = {place_ / "archives"};
      fs::create_directories(place_ / "archives");
      fs::copy_file(fs::path(TETRARCH_IMAGES_DIR) / "pause.tar",
                    place_ / "archives/pause.tar",
                    fs::copy_options::skip_existing);
      options.housekeeping_interval = seconds(1);
      options.image_gc_interval = seconds(1);
      options.image_age_min = seconds(2);
      options.image_age_max = age_max_;
      options.image_gc_high_percent = high_percent_;
      options.image_gc_low_percent = 0;
    });
  }

  void SetUp() override {
    const auto places = places_of(place_);
    runtime_ = runtime::make_containers(
        {places.socket, place_ / "pipes", "ctr", places.containerd / "root"}, *blocking_);
  }

  void TearDown() override { runtime_.reset(); }

  /// Another agent on the same data, with other thresholds.
  void start_with(int high_percent, seconds age_max) {
    runtime_.reset();
    stop();
    high_percent_ = high_percent;
    age_max_ = age_max;
    start();
    SetUp();
  }

  void pull(const std::string& name) {
    const auto archive = fs::path(TETRARCH_IMAGES_DIR) / (name + ".tar");
    const auto names = run(runtime_->import_images(archive.string()));
    ASSERT_TRUE(names.ok()) << names.error().message;
  }

  bool has_image(const std::string& name) {
    const auto found = run(runtime_->image("tetrarch.dev/" + name + ":1"));
    return found.ok() && found->has_value();
  }

  std::vector<std::uint32_t> attempts_of(const std::string& pod) {
    std::vector<std::uint32_t> out;
    for (const auto& container : run(runtime_->containers("uid-" + pod)).value_or({})) {
      out.push_back(container.attempt);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  static void put_sleeper(const std::string& name) {
    put_pod(name,
            R"({"containers":[{"name":"c","image":"tetrarch.dev/busybox:1",)"
            R"("imagePullPolicy":"Never","command":["sleep","1000"]}],)"
            R"("terminationGracePeriodSeconds":0})");
  }

  template <class Question>
  static bool comes_true(Question question, int limit_s = 30) {
    for (int tries = 0; tries < limit_s * 20; ++tries) {
      if (question()) {
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }

  static inline int high_percent_ = 100;
  static inline seconds age_max_{0};
  std::unique_ptr<runtime::Runtime> runtime_;
};

TEST_F(HousekeepingTest, AFullDiskCostsTheImagesThatNothingUsesAndNobodyElse) {
  pull("demo");
  pull("busybox");
  put_sleeper("keeps");
  const auto before = wait_for("keeps", is_ready);
  std::this_thread::sleep_for(seconds(5));
  EXPECT_TRUE(has_image("demo")) << "the disk is not full: what is unused stays";

  start_with(0, seconds(0));  // any disk is too full now

  EXPECT_TRUE(comes_true([&] { return !has_image("demo"); }));
  EXPECT_TRUE(has_image("busybox")) << "a container runs from it";
  EXPECT_TRUE(has_image("pause")) << "an archive's image could not be brought again";
  EXPECT_EQ(first(wait_for("keeps", is_ready))["containerID"].string(),
            first(before)["containerID"].string());

  delete_pod("keeps", 0);
  EXPECT_TRUE(comes_true([&] { return !has_image("busybox"); })) << "now nothing uses it";
  EXPECT_TRUE(has_image("pause"));
}

TEST_F(HousekeepingTest, AnImageUnusedForTooLongGoesHoweverEmptyTheDisk) {
  start_with(100, seconds(4));
  pull("demo");
  std::this_thread::sleep_for(seconds(2));
  EXPECT_TRUE(has_image("demo"));

  EXPECT_TRUE(comes_true([&] { return !has_image("demo"); }));
  EXPECT_TRUE(has_image("pause"));
}

TEST_F(HousekeepingTest, OfAContainerThatRestartsTheNewestAttemptAndOneBeforeItStay) {
  start_with(100, seconds(0));
  pull("busybox");
  put_pod(
      "crash",
      R"({"containers":[{"name":"c","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",)"
      R"("command":["sh","-c","echo once; exit 3"]}]})");
  const auto log = [](int attempt) {
    return places_of(place_).logs / "default_crash_uid-crash/c" / fmt::format("{}.log", attempt);
  };
  EXPECT_TRUE(comes_true([&] { return fs::exists(log(0)); }));

  wait_for("crash", [](const DocumentPtr& document) {
    return first(document)["restartCount"].integer() == 2;
  });

  EXPECT_TRUE(comes_true([&] { return !fs::exists(log(0)); }));
  EXPECT_THAT(attempts_of("crash"), ElementsAre(1, 2));
  EXPECT_TRUE(fs::exists(log(1))) << "kubectl logs --previous";
  EXPECT_TRUE(fs::exists(log(2)));
  EXPECT_EQ(first(client_->look(pod("crash")))["restartCount"].integer(), 2);
  delete_pod("crash", 0);
  EXPECT_TRUE(comes_true([&] { return attempts_of("crash").empty() && !fs::exists(log(2)); }));
}

TEST_F(HousekeepingTest, FilesAndMemoryOfPodsThatNobodyKnowsAreRemoved) {
  const auto left = places_of(place_).pods / "uid-forgotten";
  fs::create_directories(left / "volumes/s");
  ASSERT_EQ(::mount("tmpfs", (left / "volumes/s").c_str(), "tmpfs", 0, "size=64k"), 0);
  std::ofstream(left / "volumes/s/secret") << "sesame";

  EXPECT_TRUE(comes_true([&] { return !fs::exists(left); }));
  EXPECT_EQ(shell("grep -c uid-forgotten /proc/self/mounts"), "0\n");
}

}  // namespace
}  // namespace tetrarch::agent
