// SPDX-License-Identifier: Apache-2.0
// The small pure parts: environment, resources, back-off, probes, volumes' content, names and
// addresses.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/backoff.h"
#include "agent/container_config.h"
#include "agent/env.h"
#include "agent/images.h"
#include "agent/probe.h"
#include "agent/resources.h"
#include "agent/volumes.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

struct ExpandRow {
  std::string_view name;
  std::string_view text;
  std::string_view expected;
};

void PrintTo(const ExpandRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr ExpandRow kExpandRows[] = {
    {"known", "a$(X)b", "avalueb"},
    {"unknown_stays", "$(Y)", "$(Y)"},
    {"escaped", "$$(X)", "$(X)"},
    {"lone_dollar", "cost 5$", "cost 5$"},
    {"unclosed", "$(X", "$(X"},
    {"plain_shell", "$X", "$X"},
    {"two", "$(X)$(X)", "valuevalue"},
};

class Expand : public testing::TestWithParam<ExpandRow> {};

TEST_P(Expand, FollowsTheRulesForReferences) {
  const auto lookup = [](std::string_view name) -> std::optional<std::string> {
    return name == "X" ? std::optional<std::string>("value") : std::nullopt;
  };

  EXPECT_EQ(expand(GetParam().text, lookup), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Table, Expand, testing::ValuesIn(kExpandRows), [](const auto& row) {
  return std::string(row.param.name);
});

DocumentPtr parse(std::string_view json) {
  return *Document::parse(json);
}

Sources sources() {
  Sources out;
  out.config_map = [](std::string_view, std::string_view name) {
    return name == "map" ? parse(R"({"data":{"k":"v","l":"w"}})") : nullptr;
  };
  out.secret = [](std::string_view, std::string_view name) {
    return name == "secret" ? parse(R"({"data":{"password":"cw=="}})") : nullptr;
  };
  out.services = {parse(R"({"metadata":{"name":"kubernetes","namespace":"default"},
    "spec":{"clusterIP":"10.43.0.1","ports":[{"name":"https","port":443,"protocol":"TCP"}]}})")};
  return out;
}

TEST(Environment, GathersServicesReferencesAndExpansions) {
  const auto pod = parse(
      R"({"metadata":{"name":"p","namespace":"n","labels":{"app":"x","b":"y"}},"spec":{"containers":[{
    "name":"c","envFrom":[{"prefix":"P_","configMapRef":{"name":"map"}}],
    "resources":{"limits":{"cpu":"1500m"}},"env":[
    {"name":"A","value":"1"},{"name":"B","value":"$(A)2"},
    {"name":"S","valueFrom":{"secretKeyRef":{"name":"secret","key":"password"}}},
    {"name":"L","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['app']"}}},
    {"name":"ALL","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels"}}},
    {"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}}]}]}})");
  const views::PodView view(pod->root());

  const auto environment = environment_of(view, view.spec().containers().at(0), sources(), {});

  ASSERT_TRUE(environment.ok());
  for (const auto& [name, value] : {std::pair("B", "12"),
                                    std::pair("S", "s"),
                                    std::pair("L", "x"),
                                    std::pair("ALL", "app=\"x\"\nb=\"y\""),
                                    std::pair("CPU", "2"),
                                    std::pair("P_k", "v"),
                                    std::pair("KUBERNETES_SERVICE_HOST", "10.43.0.1"),
                                    std::pair("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
                                    std::pair("KUBERNETES_PORT_443_TCP_ADDR", "10.43.0.1")}) {
    EXPECT_THAT(*environment, Contains(Pair(name, value)));
  }
}

TEST(Environment, SaysWhatIsMissing) {
  const auto pod = parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[
    {"name":"c","env":[{"name":"A",
      "valueFrom":{"configMapKeyRef":{"name":"map","key":"none"}}}]}]}})");
  const views::PodView view(pod->root());

  const auto environment = environment_of(view, view.spec().containers().at(0), sources(), {});

  ASSERT_FALSE(environment.ok());
  EXPECT_EQ(environment.error().message, "couldn't find key none in ConfigMap n/map");
}

TEST(Environment, SaysThatItReadsNoFiles) {
  const auto pod = parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[
    {"name":"c","env":[{"name":"A",
      "valueFrom":{"fileKeyRef":{"volumeName":"v","path":"a.env","key":"A"}}}]}]}})");
  const views::PodView view(pod->root());

  const auto environment = environment_of(view, view.spec().containers().at(0), sources(), {});

  ASSERT_FALSE(environment.ok());
  EXPECT_EQ(environment.error().message, "fileKeyRef is not supported here");
}

TEST(ResourceValue, IsTheNodesWhereThereIsNoLimit) {
  const auto pod = parse(R"({"spec":{"containers":[{"name":"c"}]}})");
  PodFacts facts;
  facts.node_cpu_milli = 3500;
  facts.node_memory = 4096;
  facts.node_disk = 8192;
  const auto value = [&](std::string_view resource) {
    const auto selector = parse(fmt::format(R"({{"resource":"{}"}})", resource));
    return *resource_value(views::PodView(pod->root()),
                           facts,
                           views::ResourceFieldSelectorView(selector->root()),
                           "c");
  };

  EXPECT_EQ(value("limits.cpu"), "4");
  EXPECT_EQ(value("limits.memory"), "4096");
  EXPECT_EQ(value("limits.ephemeral-storage"), "8192");
  EXPECT_EQ(value("requests.ephemeral-storage"), "0");
}

TEST(Resources, BecomeTheKernelsNumbers) {
  EXPECT_EQ(cpu_shares(0), 2);
  EXPECT_EQ(cpu_shares(1000), 1024);
  EXPECT_EQ(cpu_quota_us(500), 50'000);
  EXPECT_EQ(cpu_quota_us(1), 1000);
  EXPECT_EQ(cpu_quota_us(0), 0);
  EXPECT_EQ(cpu_weight(2), 1);
  EXPECT_EQ(cpu_weight(1024), 39);
  EXPECT_EQ(cpu_weight(262'144), 10'000);
  EXPECT_EQ(oom_score_adjust(Qos::guaranteed, 1, 100), -997);
  EXPECT_EQ(oom_score_adjust(Qos::burstable, 50, 100), 500);
  EXPECT_EQ(oom_score_adjust(Qos::burstable, 100, 100), 3);
}

TEST(Qos, FollowsRequestsAndLimits) {
  const auto qos = [](std::string_view resources) {
    const auto pod = parse(R"({"spec":{"containers":[{"name":"a","resources":)" +
                           std::string(resources) + "}]}}");
    return qos_of(views::PodView(pod->root()));
  };

  EXPECT_EQ(qos("{}"), Qos::best_effort);
  EXPECT_EQ(qos(R"({"requests":{"cpu":"1"}})"), Qos::burstable);
  EXPECT_EQ(qos(R"({"limits":{"cpu":"1","memory":"1Gi"}})"), Qos::guaranteed);
  EXPECT_EQ(
      qos(R"({"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}})"),
      Qos::burstable);
}

TEST(RestartBackoff, DoublesUpToFiveMinutesAndForgetsAfterTen) {
  RestartBackoff backoff;
  const TimePoint now{};
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 8; ++i) {
    pauses.push_back(
        std::chrono::duration_cast<seconds>(backoff.next(now, seconds(1)) - now).count());
    backoff.restarted(seconds(1));
  }

  EXPECT_THAT(pauses, ElementsAre(0, 10, 20, 40, 80, 160, 300, 300));
  EXPECT_EQ(backoff.next(now, seconds(700)), now);
  backoff.restarted(seconds(700));
  EXPECT_EQ(backoff.next(now, seconds(1)), now + seconds(10));
}

TEST(ProbeState, ChangesItsVerdictOnlyAtTheThresholds) {
  ProbeState readiness(ProbeKind::readiness, {2, 3});

  EXPECT_FALSE(readiness.is_passing());
  EXPECT_FALSE(readiness.add(true));
  EXPECT_TRUE(readiness.add(true));
  EXPECT_TRUE(readiness.is_passing());
  EXPECT_FALSE(readiness.add(false));
  EXPECT_FALSE(readiness.add(false));
  EXPECT_FALSE(readiness.add(true));  // the run is broken
  EXPECT_FALSE(readiness.add(false));
  EXPECT_FALSE(readiness.add(false));
  EXPECT_TRUE(readiness.add(false));
  EXPECT_FALSE(readiness.is_passing());
}

TEST(ProbeState, LivenessCountsAsAliveUntilItFails) {
  ProbeState liveness(ProbeKind::liveness, {1, 1});

  EXPECT_TRUE(liveness.is_passing());
  EXPECT_TRUE(liveness.add(false));
  EXPECT_FALSE(liveness.is_passing());
}

TEST(Payload, TakesKeysItemsModesAndBinaryData) {
  const auto pod = parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"volumes":[
    {"name":"all","configMap":{"name":"map","defaultMode":256}},
    {"name":"some","secret":{"secretName":"secret",
      "items":[{"key":"password","path":"a/b","mode":384}]}},
    {"name":"bad","configMap":{"name":"map","items":[{"key":"k","path":"../up"}]}},
    {"name":"gone","configMap":{"name":"none"}},
    {"name":"maybe","configMap":{"name":"none","optional":true}}]}})");
  const views::PodView view(pod->root());
  const auto objects = sources();
  const PodFacts facts;
  const PayloadSources from{
      objects, facts, [](const TokenWish&) { return std::optional<std::string>("t"); }};
  const auto payload = [&](std::size_t place) {
    return payload_of(view, view.spec().volumes().at(place), from);
  };

  EXPECT_EQ(*payload(0), (Payload{{"k", {"v", 256}}, {"l", {"w", 256}}}));
  EXPECT_EQ(*payload(1), (Payload{{"a/b", {"s", 384}}}));
  EXPECT_FALSE(payload(2).ok());
  EXPECT_EQ(payload(3).error().message, "configmap \"none\" not found");
  EXPECT_TRUE(payload(4)->empty());
}

TEST(Payload, KeepsATokenInsideItsVolume) {
  const auto pod = parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"volumes":[
    {"name":"in","projected":{"sources":[{"serviceAccountToken":{"path":"a/token"}}]}},
    {"name":"up","projected":{"sources":[{"serviceAccountToken":{"path":"a/../../token"}}]}},
    {"name":"root","projected":{"sources":[{"serviceAccountToken":{"path":"/etc/passwd"}}]}}]}})");
  const views::PodView view(pod->root());
  const auto objects = sources();
  const PodFacts facts;
  const PayloadSources from{
      objects, facts, [](const TokenWish&) { return std::optional<std::string>("t"); }};
  const auto payload = [&](std::size_t place) {
    return payload_of(view, view.spec().volumes().at(place), from);
  };

  EXPECT_EQ(*payload(0), (Payload{{"a/token", {"t", 0644}}}));
  ASSERT_FALSE(payload(1).ok());
  EXPECT_EQ(payload(1).error().message, "path \"a/../../token\" leaves the volume");
  ASSERT_FALSE(payload(2).ok());
  EXPECT_EQ(payload(2).error().message, "path \"/etc/passwd\" leaves the volume");
}

TEST(VolumeKind, HidesAllPayloadsInMemoryButPlainConfigMaps) {
  const auto pod = parse(R"({"spec":{"volumes":[{"name":"s","secret":{"secretName":"x"}},
    {"name":"p","projected":{"sources":[]}},{"name":"d","downwardAPI":{"items":[]}},
    {"name":"r","emptyDir":{"medium":"Memory"}},{"name":"c","configMap":{"name":"x"}},
    {"name":"e","emptyDir":{}},{"name":"h","hostPath":{"path":"/x"}},{"name":"n"}]}})");
  std::string in_memory;
  for (const auto volume : views::PodView(pod->root()).spec().volumes()) {
    in_memory += is_kept_in_memory(volume) ? volume.name() : "-";
  }

  EXPECT_EQ(in_memory, "spdr----");
}

TEST(InnerPath, RefusesWhatLeavesTheVolume) {
  EXPECT_TRUE(is_inner_path("a/..b/c"));
  EXPECT_FALSE(is_inner_path("a/../b"));
  EXPECT_FALSE(is_inner_path("/a"));
  EXPECT_FALSE(is_inner_path(""));
  EXPECT_FALSE(is_inner_path(".."));
}

NodeSettings node() {
  NodeSettings out;
  out.instance = "abc123";
  out.cluster_domain = "cluster.local";
  out.dns_address = "10.43.0.10";
  out.host_resolv_conf = "nameserver 192.0.2.53\nsearch example.org\noptions rotate\n";
  return out;
}

TEST(Dns, FollowsThePolicy) {
  const auto dns = [](std::string_view spec) {
    const auto pod = parse(R"({"metadata":{"namespace":"n"},"spec":)" + std::string(spec) + "}");
    return dns_of(views::PodView(pod->root()), node());
  };

  const auto cluster = dns(R"({"dnsPolicy":"ClusterFirst"})");
  EXPECT_THAT(cluster.servers, ElementsAre("10.43.0.10"));
  EXPECT_THAT(
      cluster.searches,
      ElementsAre("n.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"));
  EXPECT_THAT(dns(R"({"dnsPolicy":"ClusterFirst","hostNetwork":true})").servers,
              ElementsAre("192.0.2.53"));
  EXPECT_THAT(dns(R"({"dnsPolicy":"None","dnsConfig":{"nameservers":["192.0.2.1"]}})").servers,
              ElementsAre("192.0.2.1"));
}

TEST(Dns, SettingsOfThePodReplaceOptionsAndAreNotRepeated) {
  const auto pod = parse(R"({"metadata":{"name":"p","namespace":"n"},"spec":{"dnsConfig":{
    "nameservers":["10.43.0.10","192.0.2.1"],"searches":["svc.cluster.local","more.test"],
    "options":[{"name":"ndots","value":"2"},{"name":"edns0"},{"name":"edns0"}]}}})");

  const auto dns = dns_of(views::PodView(pod->root()), node());

  EXPECT_THAT(dns.servers, ElementsAre("10.43.0.10", "192.0.2.1"));
  EXPECT_THAT(
      dns.searches,
      ElementsAre(
          "n.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org", "more.test"));
  EXPECT_THAT(dns.options, ElementsAre("ndots:2", "edns0"));
}

TEST(EtcHosts, NamesThePodAndItsAliases) {
  const auto pod = parse(R"({"metadata":{"name":"web-0","namespace":"n"},"spec":{"subdomain":"web",
    "hostAliases":[{"ip":"192.0.2.9","hostnames":["db","db2"]}]}})");
  PodFacts facts;
  facts.pod_ips = {"10.0.0.5"};

  const auto text = etc_hosts(views::PodView(pod->root()), facts, node());

  EXPECT_THAT(text, HasSubstr("10.0.0.5\tweb-0.web.n.svc.cluster.local\tweb-0\n"));
  EXPECT_THAT(text, HasSubstr("192.0.2.9\tdb\tdb2\n"));
}

TEST(KernelName, IsTheWholeNameWhereThePodAsksForIt) {
  const auto name = [](std::string_view spec) {
    const auto pod =
        parse(R"({"metadata":{"name":"web-0","namespace":"n"},"spec":)" + std::string(spec) + "}");
    const auto found = kernel_name(views::PodView(pod->root()), node());
    return found.ok() ? *found : found.error().message;
  };

  EXPECT_EQ(name(R"({"subdomain":"web"})"), "web-0");
  EXPECT_EQ(name(R"({"setHostnameAsFQDN":true})"), "web-0");
  EXPECT_EQ(name(R"({"subdomain":"web","setHostnameAsFQDN":true})"),
            "web-0.web.n.svc.cluster.local");
  EXPECT_EQ(name(R"({"subdomain":"web","setHostnameAsFQDN":true,"hostname":"a"})"),
            "a.web.n.svc.cluster.local");
  const auto host = name(R"({"subdomain":"web","setHostnameAsFQDN":true,"hostNetwork":true})");
  EXPECT_EQ(host, "web-0");
}

TEST(KernelName, HasRoomForSixtyFourCharacters) {
  const auto name = [](std::size_t size) {
    const auto pod = parse(fmt::format(
        R"({{"metadata":{{"name":"p","namespace":"n"}},"spec":{{"setHostnameAsFQDN":true,
           "hostname":"{}","subdomain":"s"}}}})",
        std::string(size, 'h')));
    return kernel_name(views::PodView(pod->root()), node());
  };
  const auto whole = *name(1);
  const auto most = 64 - whole.size() + 1;

  EXPECT_TRUE(name(most).ok());
  ASSERT_FALSE(name(most + 1).ok());
  EXPECT_THAT(name(most + 1).error().message,
              HasSubstr("is too long (64 characters is the max, 65 characters requested)"));
}

TEST(SandboxConfig, OpensTheHostPortsOfSidecarsToo) {
  constexpr auto kSpec = R"({{"spec":{{{}
    "containers":[{{"name":"c","ports":[{{"containerPort":80,"hostPort":8080}}]}}],
    "initContainers":[
      {{"name":"i","ports":[{{"containerPort":81,"hostPort":8081}}]}},
      {{"name":"s","restartPolicy":"Always","ports":[{{"containerPort":82,"hostPort":8082}},
                                                   {{"containerPort":83}}]}}]}}}})";
  const auto ports = [&](std::string_view members) {
    const auto pod = parse(fmt::format(kSpec, members));
    std::vector<int> out;
    for (const auto& port : sandbox_config(views::PodView(pod->root()), node(), 0).ports) {
      out.push_back(port.host_port);
    }
    return out;
  };

  EXPECT_THAT(ports(""), UnorderedElementsAre(8080, 8082));
  EXPECT_THAT(ports(R"("hostNetwork":true,)"), ElementsAre());
}

TEST(Security, RefusesRootWhereThePodForbidsIt) {
  const auto pod = parse(R"({"spec":{"securityContext":{"runAsNonRoot":true},"containers":[
    {"name":"image"},{"name":"set","securityContext":{"runAsUser":7}},
    {"name":"root","securityContext":{"runAsUser":0}}]}})");
  const views::PodView view(pod->root());
  const auto security = [&](std::size_t place, const ImageUser& image) {
    return security_of(view, view.spec().containers().at(place), image);
  };

  EXPECT_EQ(security(0, {}).error().message,
            "container has runAsNonRoot and image will run as root");
  EXPECT_TRUE(security(0, {65535, ""}).ok());
  EXPECT_THAT(security(0, {std::nullopt, "www"}).error().message,
              HasSubstr("non-numeric user (www)"));
  EXPECT_EQ(security(1, {})->user, 7);
  EXPECT_FALSE(security(2, {}).ok());
}

TEST(Login, IsFoundByTheRegistryOfTheImage) {
  constexpr std::string_view kConfig =
      R"({"auths":{"https://registry.example:5000/v2/":{"username":"u","password":"p"},
          "https://index.docker.io/v1/":{"auth":"aA=="}}})";

  EXPECT_EQ(login_for("registry.example:5000/a/b:1", kConfig)->user, "u");
  EXPECT_EQ(login_for("nginx", kConfig)->auth, "aA==");
  EXPECT_EQ(login_for("registry.example:5000/a/b:1", kConfig)->server,
            "https://registry.example:5000");
  EXPECT_EQ(login_for("nginx", kConfig)->server, "https://registry-1.docker.io");
  EXPECT_EQ(basic_for("http://registry.example:5000", kConfig), "Basic dTpw");
  EXPECT_EQ(basic_for("https://index.docker.io/v1", kConfig), "Basic aA==");
  EXPECT_EQ(basic_for("https://other.example", kConfig), "");
  EXPECT_FALSE(login_for("other.example/x", kConfig).has_value());
  EXPECT_FALSE(login_for("nginx", "broken").has_value());
}

}  // namespace
}  // namespace tetrarch::agent
