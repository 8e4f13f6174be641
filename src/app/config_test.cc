// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

/// A file of the test's own, removed at its end.
class ConfigFile {
 public:
  explicit ConfigFile(std::string_view text)
      : path_(std::filesystem::temp_directory_path() /
              ("tetrarch-config-" + std::to_string(getpid()))) {
    std::ofstream(path_) << text;
  }

  ~ConfigFile() { std::filesystem::remove(path_); }

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(Config, FlagsWinOverTheFile) {
  const ConfigFile file("pod-cidr: 10.1.0.0/16\nlog-level: debug\nmax-pods: 7\n");
  std::vector<std::string> rest;

  const auto config = read_config({"--config", file.path(), "--log-level=warn", "extra"}, rest);

  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->pod_cidr, "10.1.0.0/16");
  EXPECT_EQ(config->log_level, "warn");
  EXPECT_EQ(config->max_pods, 7);
  EXPECT_EQ(rest, std::vector<std::string>{"extra"});
}

struct BadRow {
  std::string_view text;
  std::string_view says;
};

TEST(Config, RefusesWhatItDoesNotKnowAndNamesIt) {
  for (const BadRow& row : {BadRow{"pod-cdir: x\n", "unknown key 'pod-cdir'"},
                            BadRow{"max-pods: many\n", "'many' is not a positive number"},
                            BadRow{"max-pods: [1]\n", "must be a plain value"},
                            BadRow{"- a\n", "must be a map"}}) {
    const ConfigFile file(row.text);
    std::vector<std::string> rest;

    const auto config = read_config({"--config", file.path()}, rest);

    ASSERT_FALSE(config.ok()) << row.text;
    EXPECT_NE(config.error().message.find(row.says), std::string::npos) << config.error().message;
  }
}

TEST(Config, TakesZeroWhereItMeansSomething) {
  std::vector<std::string> rest;

  const auto config = read_config({"--blob-port",
                                   "0",
                                   "--image-gc-minimum-age=0",
                                   "--image-gc-maximum-age=0",
                                   "--audit-log-maxage=0",
                                   "--audit-log-maxbackup=0"},
                                  rest);

  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->blob_port, 0);
  EXPECT_EQ(config->image_gc_minimum_age, 0);
  EXPECT_EQ(config->image_gc_maximum_age, 0);
  EXPECT_EQ(config->audit_log_maxage, 0);
  EXPECT_EQ(config->audit_log_maxbackup, 0);
  EXPECT_EQ(read_config({"--blob-port", "-1"}, rest).error().message,
            "blob-port: '-1' is not 0 or a positive number");
  EXPECT_EQ(read_config({"--max-pods", "0"}, rest).error().message,
            "max-pods: '0' is not a positive number");
}

TEST(Config, TakesFromTheClusterWhatWasNotGivenHere) {
  std::vector<std::string> rest;
  Config server;
  server.pod_cidr = "10.52.0.0/16";
  server.service_cidr = "10.53.0.0/16";
  server.cluster_domain = "machines.test";
  const auto settings = cluster_settings(server);
  const ConfigFile file("cluster-domain: own.test\n");
  const auto own = read_config({"--config", file.path(), "--service-cidr", "10.1.0.0/16"}, rest);

  const auto joined = with_cluster_settings(*own, settings);

  EXPECT_EQ(joined.pod_cidr, "10.52.0.0/16");
  EXPECT_EQ(joined.service_cidr, "10.1.0.0/16");
  EXPECT_EQ(joined.cluster_domain, "own.test");
  for (const auto nothing : {"", "{}", "nonsense"}) {
    EXPECT_EQ(with_cluster_settings(*own, nothing).pod_cidr, own->pod_cidr) << nothing;
  }
}

TEST(Config, AListGrowsWithEachFlagAndReplacesTheDefault) {
  std::vector<std::string> rest;

  const auto config =
      read_config({"--fleet-listen", "unix:///run/f.sock", "--fleet-listen=127.0.0.1:49153"}, rest);

  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->fleet_listen, "unix:///run/f.sock,127.0.0.1:49153");
  EXPECT_EQ(read_config({}, rest)->fleet_listen, "unix:///run/tetrarch/fleet.sock");
}

TEST(Config, SaysThatAFlagNeedsAValue) {
  std::vector<std::string> rest;

  EXPECT_EQ(read_config({"--pod-cidr"}, rest).error().message, "--pod-cidr needs a value");
}

}  // namespace
}  // namespace tetrarch::app
