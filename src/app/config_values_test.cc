// SPDX-License-Identifier: Apache-2.0
#include "app/config_values.h"

#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

Config a_config() {
  Config config;
  config.node_name = "node-1";
  return config;
}

struct GoodRow {
  std::string_view name;
  std::string Config::*key;
  std::string value;
};

struct BadRow {
  std::string_view name;
  std::string Config::*key;
  std::string value;
  std::string_view says;
};

TEST(ConfigValues, TakesTheDefaults) {
  EXPECT_TRUE(check_config(a_config()).ok()) << check_config(a_config()).error().message;
}

TEST(ConfigValues, TakesWhatIsWellFormed) {
  for (const GoodRow& row : {
           GoodRow{"all addresses", &Config::api_listen, ":6443"},
           GoodRow{"all addresses of both kinds", &Config::api_listen, ":::6443"},
           GoodRow{"any free port", &Config::api_listen, "127.0.0.1:0"},
           GoodRow{"smallest pod range", &Config::pod_cidr, "10.9.8.0/24"},
           GoodRow{"smallest service range", &Config::service_cidr, "10.9.8.16/28"},
           GoodRow{"one port", &Config::service_node_ports, "30000-30000"},
           GoodRow{"fleet at several places", &Config::fleet_listen, "unix:///run/f.sock,:49153"},
           GoodRow{"fleet where it usually is", &Config::fleet_listen, ""},
           GoodRow{"dotted node", &Config::node_name, "a.example"},
           GoodRow{"label without value", &Config::node_labels, "example.com/ssd,zone=a"},
           GoodRow{"no systemd", &Config::systemd_bus, "none"},
           GoodRow{"metadata", &Config::metadata, "region=eu west, disk = ssd"},
           GoodRow{"taint without value", &Config::node_taints, "dedicated:NoExecute"},
       }) {
    auto config = a_config();
    config.*row.key = row.value;

    EXPECT_TRUE(check_config(config).ok())
        << row.name << ": " << check_config(config).error().message;
  }
}

TEST(ConfigValues, RefusesNonsenseAndNamesTheKey) {
  for (const BadRow& row : {
           BadRow{"no size", &Config::container_log_max_size, "much", "container-log-max-size"},
           BadRow{"size too small", &Config::container_log_max_size, "1", "at least 4Ki"},
           BadRow{"no port", &Config::api_listen, "127.0.0.1", "api-listen: '127.0.0.1' is not"},
           BadRow{"name to listen on", &Config::api_listen, "localhost:6443", "an IP address and"},
           BadRow{"port too large", &Config::api_listen, ":65536", "api-listen"},
           BadRow{"fleet without port", &Config::fleet_listen, "/run/f.sock", "fleet-listen"},
           BadRow{"no range", &Config::pod_cidr, "banana", "pod-cidr: \"banana\" is not"},
           BadRow{"address", &Config::pod_cidr, "10.42.0.1/16", "its range is 10.42.0.0/16"},
           BadRow{"too small", &Config::pod_cidr, "10.42.0.0/25", "each node takes a /24"},
           BadRow{"services small", &Config::service_cidr, "10.43.0.0/29", "at least a /28"},
           BadRow{"overlap", &Config::service_cidr, "10.42.3.0/24", "overlap"},
           BadRow{"ports reversed", &Config::service_node_ports, "32767-30000", "is not FROM-TO"},
           BadRow{"port zero", &Config::service_node_ports, "0-10", "is not FROM-TO"},
           BadRow{"one number", &Config::service_node_ports, "30000", "is not FROM-TO"},
           BadRow{"upper case", &Config::node_name, "Node", "node-name: 'Node'"},
           BadRow{"space in domain", &Config::cluster_domain, "a b", "cluster-domain"},
           BadRow{"transport", &Config::pod_transport, "wireguard", "auto, routes or vxlan"},
           BadRow{"name as address", &Config::advertise_address, "localhost", "an IPv4 address"},
           BadRow{"plain http", &Config::server, "http://a:1", "https://host:port"},
           BadRow{"label key", &Config::node_labels, "=x", "node-labels: '=x'"},
           BadRow{"taint effect", &Config::node_taints, "a=b:Never", "node-taints: 'a=b:Never'"},
           BadRow{
               "threshold", &Config::eviction_hard, "memory<1Gi", "eviction-hard: \"memory<1Gi\""},
           BadRow{
               "mirror", &Config::registry_mirrors, "docker.io", "registry-mirrors: 'docker.io'"},
           BadRow{
               "mirror of a path", &Config::registry_mirrors, "a/b=http://c", "registry-mirrors"},
           BadRow{"bus", &Config::systemd_bus, "/run/bus", "systemd-bus: '/run/bus'"},
           BadRow{"metadata", &Config::metadata, "a=b,c", "metadata: 'c'"},
           BadRow{"leave", &Config::leave_on_stop, "maybe", "leave-on-stop"},
           BadRow{"grace", &Config::shutdown_grace, "0=soon", "shutdown-grace: \"0=soon\""},
           BadRow{"taint without effect", &Config::node_taints, "a=b", "node-taints: 'a=b'"},
       }) {
    auto config = a_config();
    config.*row.key = row.value;

    const auto checked = check_config(config);

    ASSERT_FALSE(checked.ok()) << row.name;
    EXPECT_NE(checked.error().message.find(row.says), std::string::npos)
        << row.name << ": " << checked.error().message;
  }
}

TEST(ConfigValues, ThePortForBlobsIsAPort) {
  for (const auto& [port, is_good] : {std::pair(0, true), {65535, true}, {65536, false}}) {
    auto config = a_config();
    config.blob_port = port;

    EXPECT_EQ(check_config(config).ok(), is_good) << port;
  }
}

TEST(ConfigValues, MirrorsAreInOrder) {
  const auto mirrors = parse_mirrors("docker.io=https://a,*=http://b:5000,docker.io=https://c");

  ASSERT_TRUE(mirrors.ok());
  EXPECT_EQ(mirrors->at("docker.io"), (std::vector<std::string>{"https://a", "https://c"}));
  EXPECT_EQ(mirrors->at("*"), std::vector<std::string>{"http://b:5000"});
}

TEST(ConfigValues, TheAgesOfUnusedImagesAreInOrder) {
  struct Row {
    int min;
    int max;
    bool is_good;
  };

  for (const Row row : {Row{120, 0, true},
                        Row{0, 1, true},
                        Row{60, 60, false},
                        Row{-1, 0, false},
                        Row{0, -1, false}}) {
    auto config = a_config();
    config.image_gc_minimum_age = row.min;
    config.image_gc_maximum_age = row.max;

    const auto checked = check_config(config);

    EXPECT_EQ(checked.ok(), row.is_good) << row.min << " and " << row.max;
    EXPECT_TRUE(row.is_good ||
                checked.error().message.find("image-gc-maximum-age") != std::string::npos);
  }
}

TEST(ConfigValues, ReadsTaintsAsKubectlWritesThem) {
  const auto taints = parse_taints("dedicated=team-a:NoSchedule,broken:NoExecute");

  ASSERT_TRUE(taints.ok());
  ASSERT_EQ(taints->size(), 2U);
  EXPECT_EQ((*taints)[0].key, "dedicated");
  EXPECT_EQ((*taints)[0].value, "team-a");
  EXPECT_EQ((*taints)[0].effect, "NoSchedule");
  EXPECT_EQ((*taints)[1].key, "broken");
  EXPECT_EQ((*taints)[1].value, "");
  EXPECT_EQ((*taints)[1].effect, "NoExecute");
}

TEST(ConfigValues, CountsTheFixedAddressesFromTheRangesStart) {
  auto config = a_config();
  config.service_cidr = "10.9.8.16/28";

  EXPECT_EQ(kubernetes_service_address(config), "10.9.8.17");
  EXPECT_EQ(dns_service_address(config), "10.9.8.26");
}

TEST(ConfigValues, TheApiIsReachedWhereItListens) {
  struct Row {
    std::string listen;
    std::string advertise;
    std::string local;
    std::string url;
    std::string advertised;
  };

  for (const Row& row : {
           Row{"0.0.0.0:6443", "", "127.0.0.1", "https://127.0.0.1:7", ""},
           Row{":6443", "", "127.0.0.1", "https://127.0.0.1:7", ""},
           Row{":::6443", "", "127.0.0.1", "https://127.0.0.1:7", ""},
           Row{"127.0.0.1:6443", "", "127.0.0.1", "https://127.0.0.1:7", ""},
           Row{"127.0.0.2:6443", "", "127.0.0.2", "https://127.0.0.2:7", ""},
           Row{"10.0.0.5:6443", "", "10.0.0.5", "https://10.0.0.5:7", "10.0.0.5"},
           Row{"10.0.0.5:6443", "192.0.2.1", "10.0.0.5", "https://10.0.0.5:7", "192.0.2.1"},
           Row{"0.0.0.0:6443", "192.0.2.1", "127.0.0.1", "https://127.0.0.1:7", "192.0.2.1"},
           Row{"::1:6443", "", "::1", "https://[::1]:7", ""},
       }) {
    auto config = a_config();
    config.api_listen = row.listen;
    config.advertise_address = row.advertise;

    EXPECT_EQ(local_host(config), row.local) << row.listen;
    EXPECT_EQ(local_url(config, 7), row.url) << row.listen;
    EXPECT_EQ(advertised_host(config), row.advertised) << row.listen;
  }
}

TEST(ConfigValues, WantsThePolicyAndThePlaceOfAnAuditLog) {
  Config config = a_config();
  config.audit_log_path = "/var/log/audit.log";
  EXPECT_EQ(check_config(config).error().code, Code::invalid);

  config.audit_policy_file = "/etc/policy.yaml";
  EXPECT_TRUE(check_config(config).ok());
}

TEST(ConfigValues, MetadataIsReadAsFleetReadsIt) {
  const auto read = parse_metadata("region = us-east, disk=ssd,disk=nvme,empty=,eq=a=b,");

  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read,
            (std::map<std::string, std::string>{
                {"disk", "nvme"}, {"empty", ""}, {"eq", "a=b"}, {"region", "us-east"}}));
}

}  // namespace
}  // namespace tetrarch::app
