// SPDX-License-Identifier: Apache-2.0
// The packet filter's text, read by a small model of nftables that refuses what the kernel refuses.
#include "agent/network/nft_rules.h"

#include <random>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent::network {
namespace {

using testing::HasSubstr;
using testing::Not;

/// One table: chains with their rules, maps and sets with their elements. A batch that the kernel
/// would refuse (an element twice, a chain deleted that something leads to) is named in `error`.
class Model {
 public:
  void run(const std::string& batch) {
    std::istringstream lines(batch);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string verb;
      std::string what;
      std::string family;
      std::string table;
      std::string name;
      words >> verb >> what >> family >> table >> name;
      std::string rest;
      std::getline(words >> std::ws, rest);
      step(verb, what, name, rest);
      if (!error.empty()) {
        error += " in: " + line;
        return;
      }
    }
  }

  std::map<std::string, std::vector<std::string>> chains;
  std::map<std::string, std::map<std::string, std::string>> elements;
  std::string error;

 private:
  void step(const std::string& verb,
            const std::string& what,
            const std::string& name,
            const std::string& rest) {
    if (what == "table") {
      if (verb == "delete") {
        chains.clear();
        elements.clear();
      }
    } else if (what == "map" || what == "set") {
      verb == "add" ? static_cast<void>(elements[name]) : remove_set(name);
    } else if (what == "chain") {
      chain(verb, name);
    } else if (what == "rule") {
      if (!chains.contains(name)) {
        error = "no chain " + name;
      }
      chains[name].push_back(rest);
    } else {
      element(verb, name, rest.substr(2, rest.size() - 4));
    }
  }

  void chain(const std::string& verb, const std::string& name) {
    if (verb != "add" && !chains.contains(name)) {
      error = "no chain " + name;
    } else if (verb == "add") {
      chains[name];
    } else if (verb == "flush") {
      chains[name].clear();
    } else if (!chains[name].empty() || is_named("goto " + name)) {
      error = "busy chain " + name;
    } else {
      chains.erase(name);
    }
  }

  void element(const std::string& verb, const std::string& name, const std::string& text) {
    const auto colon = text.find(" : ");
    const auto key = text.substr(0, colon);
    const auto value = colon == std::string::npos ? "" : text.substr(colon + 3);
    auto& list = elements.at(name);
    if (verb == "delete") {
      error = list.erase(key) == 0 ? "no element " + key : "";
    } else if (const auto [at, is_new] = list.try_emplace(key, value);
               !is_new && at->second != value) {
      error = "element twice: " + key;
    } else if (value.starts_with("goto ") && !chains.contains(value.substr(5))) {
      error = "no chain " + value;
    }
  }

  void remove_set(const std::string& name) {
    if (!elements.contains(name) || is_named("@" + name)) {
      error = "busy or missing set " + name;
    }
    elements.erase(name);
  }

  bool is_named(const std::string& text) const {
    const auto holds = [&](const std::string& in) {
      const auto at = in.find(text);
      return at != std::string::npos &&
             (at + text.size() == in.size() ||
              in.find_first_of(" ,", at + text.size()) == at + text.size());
    };
    for (const auto& [name, rules] : chains) {
      if (std::any_of(rules.begin(), rules.end(), holds)) {
        return true;
      }
    }
    for (const auto& [name, list] : elements) {
      for (const auto& [key, value] : list) {
        if (holds(value)) {
          return true;
        }
      }
    }
    return false;
  }
};

NftOptions an_nft() {
  return {"t",
          "b",
          *Ipv4Range::parse("10.42.0.0/24"),
          *Ipv4Range::parse("10.42.0.0/16"),
          *Ipv4Range::parse("10.43.0.0/16"),
          "10.43.0.10",
          "tetv-ab12cd"};
}

Change put(std::string resource, std::string name, std::string_view json) {
  return {{std::move(resource), "default", std::move(name)}, *Document::parse(json)};
}

Change slice(const std::string& service, const std::string& endpoints) {
  return put(
      "endpointslices.discovery.k8s.io",
      service + "-1",
      fmt::format(
          R"({{"metadata":{{"labels":{{"kubernetes.io/service-name":"{}"}}}},"addressType":"IPv4",)"
          R"("ports":[{{"name":"","port":8080,"protocol":"TCP"}}],"endpoints":[{}]}})",
          service,
          endpoints));
}

constexpr std::string_view kHere = R"({"addresses":["10.42.0.5"],"nodeName":"n1"})";
constexpr std::string_view kThere = R"({"addresses":["10.42.1.6"],"nodeName":"n2"})";

/// The rules that one service of this spec adds to an empty table.
std::string rules(std::string_view spec, const std::string& endpoints) {
  ServiceTable table("n1");
  table.apply(
      {put("services", "web", fmt::format(R"({{"spec":{}}})", spec)), slice("web", endpoints)},
      true);
  return render_change(an_nft(), {}, state_of(table));
}

struct ShapeRow {
  std::string_view name;
  std::string_view spec;
  std::string endpoints;
  std::vector<std::string> has;
  std::vector<std::string> has_not;
};

TEST(NftRules, FollowTheShapeOfAService) {
  const auto both = std::string(kHere) + "," + std::string(kThere);
  const std::vector<ShapeRow> rows = {
      {"cluster_ip",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80}]})",
       both,
       {"services { 10.43.0.20 . tcp . 80 : goto svc_",
        "numgen random mod 2 map { 0 : 10.42.0.5 . 8080, 1 : 10.42.1.6 . 8080 }"},
       {"node_ports {"}},
      {"one_endpoint",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80}]})",
       std::string(kHere),
       {"meta l4proto tcp dnat to 10.42.0.5:8080"},
       {"numgen"}},
      {"no_endpoints_leave_the_address_to_the_refusing_chain",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80,"nodePort":30080}]})",
       "",
       {},
       {"10.43.0.20", "30080"}},
      {"headless", R"({"clusterIP":"None","ports":[{"port":80}]})", both, {}, {"element"}},
      {"node_port",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80,"nodePort":30080}]})",
       both,
       {"node_ports { tcp . 30080 : goto ext_", "meta mark set meta mark or 0x4000"},
       {}},
      {"local_outside_keeps_the_client_address_and_drops_without_a_local_endpoint",
       R"({"clusterIP":"10.43.0.20","externalTrafficPolicy":"Local","ports":[{"port":80,"nodePort":30080}]})",
       std::string(kThere),
       {"node_ports { tcp . 30080 : goto ext_", "drop"},
       {"meta mark set"}},
      {"affinity",
       R"({"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","ports":[{"port":80}]})",
       both,
       {"timeout 10800s", "update @svc_", "vmap { 0 : goto svc_"},
       {}},
      {"external_ip",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7","2001:db8::1"],"ports":[{"port":80}]})",
       both,
       {"services { 192.0.2.7 . tcp . 80 : goto"},
       {"2001:db8"}},
      {"the_dns_address_is_never_led_away",
       R"({"clusterIP":"10.43.0.10","ports":[{"port":53}]})",
       both,
       {},
       {"services {"}},
  };
  for (const auto& row : rows) {
    const auto text = rules(row.spec, row.endpoints);
    for (const auto& part : row.has) {
      EXPECT_THAT(text, HasSubstr(part)) << row.name;
    }
    for (const auto& part : row.has_not) {
      EXPECT_THAT(text, Not(HasSubstr(part))) << row.name;
    }
  }
}

TEST(NftRules, TwoClaimsToOneAddressAndPortAreOneAndTheOtherComesWhenItIsFree) {
  ServiceTable table("n1");
  const auto service = [](const std::string& name, const std::string& ip) {
    return put("services",
               name,
               fmt::format(R"({{"spec":{{"clusterIP":"{}","externalIPs":["192.0.2.7"],)"
                           R"("ports":[{{"port":80}}]}}}})",
                           ip));
  };
  table.apply({service("a", "10.43.0.20"),
               service("b", "10.43.0.21"),
               slice("a", std::string(kHere)),
               slice("b", std::string(kThere))},
              true);
  Model kernel;
  const auto both = state_of(table);
  kernel.run(render_whole(an_nft(), both));
  ASSERT_EQ(kernel.error, "");
  const auto first = kernel.elements["services"]["192.0.2.7 . tcp . 80"];
  EXPECT_EQ(first, kernel.elements["services"]["10.43.0.20 . tcp . 80"]);

  table.apply({{{"services", "default", "a"}, nullptr}}, false);
  kernel.run(render_change(an_nft(), both, state_of(table)));

  ASSERT_EQ(kernel.error, "");
  EXPECT_EQ(kernel.elements["services"]["192.0.2.7 . tcp . 80"],
            kernel.elements["services"]["10.43.0.21 . tcp . 80"]);
}

/// A random service, slice or pod comes, changes or goes.
Change random_change(std::mt19937& random) {
  const auto pick = [&](unsigned n) { return static_cast<int>(random() % n); };
  const auto name = fmt::format("s{}", pick(5));
  const int kind = pick(3);
  if (pick(4) == 0) {
    const Key keys[] = {{"services", "default", name},
                        {"endpointslices.discovery.k8s.io", "default", name + "-1"},
                        {"pods", "default", name}};
    return {keys[kind], nullptr};
  }
  if (kind == 0) {
    constexpr const char* kExtras[] = {"",
                                       R"(,"sessionAffinity":"ClientIP")",
                                       R"(,"externalTrafficPolicy":"Local")",
                                       R"(,"internalTrafficPolicy":"Local")",
                                       R"(,"externalIPs":["192.0.2.7"])"};
    return put("services",
               name,
               fmt::format(R"({{"spec":{{"clusterIP":"10.43.0.2{}","ports":[{{"port":{},)"
                           R"("nodePort":{}}}]{}}}}})",
                           name[1],
                           80 + pick(2),
                           pick(2) * (30000 + pick(3)),
                           kExtras[pick(5)]));
  }
  if (kind == 1) {
    std::string endpoints;
    for (int n = pick(4); n > 0; --n) {
      endpoints += fmt::format(R"({}{{"addresses":["10.42.0.{}"],"nodeName":"n{}"}})",
                               endpoints.empty() ? "" : ",",
                               pick(6),
                               1 + pick(2));
    }
    return slice(name, endpoints);
  }
  return put("pods",
             name,
             fmt::format(R"({{"spec":{{"containers":[{{"ports":[{{"containerPort":80,)"
                         R"("hostPort":{}}}]}}]}},"status":{{"podIP":"10.42.0.{}"}}}})",
                         8080 + pick(2),
                         pick(9)));
}

TEST(NftRules, ChangesOneByOneLeadToWhatAWholeRenderingGives) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    ServiceTable table("n1");
    Model kernel;
    NftState present = state_of(table);
    kernel.run(render_whole(an_nft(), present));
    for (int i = 0; i < 40; ++i) {
      table.apply({random_change(random)}, false);
      auto wanted = state_of(table);
      kernel.run(render_change(an_nft(), present, wanted));
      ASSERT_EQ(kernel.error, "") << "seed " << seed << " step " << i;
      present = std::move(wanted);
    }
    Model fresh;
    fresh.run(render_whole(an_nft(), present));
    ASSERT_EQ(fresh.error, "") << "seed " << seed;
    kernel.elements.erase("hairpin");  // only grows: one entry per address at most
    fresh.elements.erase("hairpin");
    ASSERT_EQ(kernel.chains, fresh.chains) << "seed " << seed;
    ASSERT_EQ(kernel.elements, fresh.elements) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tetrarch::agent::network
