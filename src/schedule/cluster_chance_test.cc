// SPDX-License-Identifier: Apache-2.0
// Histories by chance, against a model that knows nothing of classes, cells and tournaments: after
// any sequence of changes of nodes and pods, a pod is placed exactly where a look at every node
// would let it be, and nothing is claimed twice or forgotten.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

/// What a pod asks of the pods around it.
enum class Pair : std::uint8_t { none, spread, soft_spread, together, apart };

struct Machine {
  std::string zone;  ///< empty: the node has no such label
  int cpu = 0;       ///< thousandths
  int memory = 0;    ///< MiB
  int gpus = 0;
  int pods = 0;
  bool is_tainted = false;
  bool is_cordoned = false;
};

struct Need {
  int cpu = 0;
  int memory = 0;
  int gpus = 0;
  int port = 0;
  std::string zone;  ///< empty: any
  std::string pin;   ///< the one node it may be on, as of a DaemonSet; empty: any
  bool tolerates = false;
  bool honors_taints = false;
  Pair pair = Pair::none;
  std::string app;      ///< its label
  std::string selects;  ///< the label of the pods that `pair` is about
};

struct Placed {
  Need need;
  std::string node;
  bool is_confirmed = false;
  bool is_terminating = false;
};

Stored stored_node(const std::string& name, const Machine& machine) {
  const auto zone =
      machine.zone.empty() ? std::string() : fmt::format(R"(,"zone":"{}")", machine.zone);
  return make("nodes",
              "",
              name,
              fmt::format(
                  R"({{"kind":"Node","metadata":{{"name":"{0}","labels":{{"host":"{0}"{1}}}}},
      "spec":{{"unschedulable":{2},"taints":[{3}]}},
      "status":{{"allocatable":{{"cpu":"{4}m","memory":"{5}Mi","pods":"{6}",
      "x.io/gpu":"{7}"}}}}}})",
                  name,
                  zone,
                  machine.is_cordoned,
                  machine.is_tainted ? R"({"key":"k","value":"v","effect":"NoSchedule"})" : "",
                  machine.cpu,
                  machine.memory,
                  machine.pods,
                  machine.gpus));
}

std::string spread_json(const Need& need) {
  return fmt::format(
      R"(,"topologySpreadConstraints":[{{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"{}",
      "nodeTaintsPolicy":"{}","labelSelector":{{"matchLabels":{{"app":"{}"}}}}}}])",
      need.pair == Pair::spread ? "DoNotSchedule" : "ScheduleAnyway",
      need.honors_taints ? "Honor" : "Ignore",
      need.selects);
}

bool is_spread(const Need& need) {
  return need.pair == Pair::spread || need.pair == Pair::soft_spread;
}

std::string affinity_json(const Need& need) {
  std::vector<std::string> parts;
  if (!need.pin.empty()) {
    parts.push_back(fmt::format(
        R"("nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[
        {{"matchFields":[{{"key":"metadata.name","operator":"In","values":["{}"]}}]}}]}}}})",
        need.pin));
  }
  if (need.pair != Pair::none && !is_spread(need)) {
    parts.push_back(fmt::format(
        R"("{}":{{"requiredDuringSchedulingIgnoredDuringExecution":[
        {{"topologyKey":"{}","labelSelector":{{"matchLabels":{{"app":"{}"}}}}}}]}})",
        need.pair == Pair::together ? "podAffinity" : "podAntiAffinity",
        need.pair == Pair::together ? "zone" : "host",
        need.selects));
  }
  return parts.empty() ? "" : fmt::format(R"(,"affinity":{{{}}})", fmt::join(parts, ","));
}

Stored stored_pod(const std::string& name,
                  const Need& need,
                  const std::string& node = "",
                  bool is_terminating = false) {
  PodSpec spec;
  spec.name = name;
  spec.labels = fmt::format(R"({{"app":"{}"}})", need.app);
  spec.requests = fmt::format(
      R"({{"cpu":"{}m","memory":"{}Mi","x.io/gpu":"{}"}})", need.cpu, need.memory, need.gpus);
  if (need.port != 0) {
    spec.ports = fmt::format(R"([{{"containerPort":80,"hostPort":{}}}])", need.port);
  }
  if (!need.zone.empty()) {
    spec.more += fmt::format(R"(,"nodeSelector":{{"zone":"{}"}})", need.zone);
  }
  if (need.tolerates) {
    spec.more += R"(,"tolerations":[{"operator":"Exists"}])";
  }
  spec.more += is_spread(need) ? spread_json(need) : "";
  spec.more += affinity_json(need);
  spec.node = node;
  spec.metadata = is_terminating ? R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")" : "";
  return a_pod(spec);
}

/// The rules once more, as one would write them without a thought of speed.
class Model {
 public:
  std::map<std::string, Machine> machines;
  std::map<std::string, Placed> pods;

  bool fits(const std::string& node, const Need& need) const {
    const auto& machine = machines.at(node);
    return (need.pin.empty() || need.pin == node) && may_use(machine, need) &&
           has_room(node, need) && may_sit_beside(node, need);
  }

  std::int64_t free_cpu(const std::string& node) const {
    std::int64_t free = machines.at(node).cpu;
    for (const auto* each : on(node)) {
      free -= each->need.cpu;
    }
    return free;
  }

 private:
  std::vector<const Placed*> on(const std::string& node) const {
    std::vector<const Placed*> out;
    for (const auto& [name, pod] : pods) {
      if (pod.node == node) {
        out.push_back(&pod);
      }
    }
    return out;
  }

  static bool may_use(const Machine& machine, const Need& need) {
    return (need.tolerates || (!machine.is_tainted && !machine.is_cordoned)) &&
           (need.zone.empty() || need.zone == machine.zone);
  }

  bool has_room(const std::string& node, const Need& need) const {
    auto left = machines.at(node);
    for (const auto* each : on(node)) {
      left.cpu -= each->need.cpu;
      left.memory -= each->need.memory;
      left.gpus -= each->need.gpus;
      left.pods -= 1;
      if (need.port != 0 && need.port == each->need.port) {
        return false;
      }
    }
    // What is not asked for is not looked at, even where it is overdrawn.
    return (need.cpu == 0 || need.cpu <= left.cpu) &&
           (need.memory == 0 || need.memory <= left.memory) &&
           (need.gpus == 0 || need.gpus <= left.gpus) && left.pods >= 1;
  }

  /// How many pods of the app each zone has, as a spread constraint counts.
  std::map<std::string, int> zones(const Need& need) const {
    std::map<std::string, int> out;
    for (const auto& [name, machine] : machines) {
      const bool is_out_of_reach = need.honors_taints && machine.is_tainted && !need.tolerates;
      const bool is_elsewhere = (!need.zone.empty() && machine.zone != need.zone) ||
                                (!need.pin.empty() && name != need.pin);
      if (machine.zone.empty() || is_out_of_reach || is_elsewhere) {
        continue;
      }
      auto& count = out[machine.zone];
      for (const auto* each : on(name)) {
        count += each->need.app == need.selects && !each->is_terminating ? 1 : 0;
      }
    }
    return out;
  }

  bool keeps_skew(const std::string& node, const Need& need) const {
    const auto& zone = machines.at(node).zone;
    if (zone.empty()) {
      return false;
    }
    auto counts = zones(need);
    int smallest = counts.empty() ? 0 : counts.begin()->second;
    for (const auto& [name, count] : counts) {
      smallest = std::min(smallest, count);
    }
    return counts[zone] + (need.app == need.selects ? 1 : 0) - smallest <= 1;
  }

  bool is_together(const std::string& node, const Need& need) const {
    bool is_first = need.app == need.selects;
    bool has_friend = false;
    const auto& zone = machines.at(node).zone;
    for (const auto& [name, pod] : pods) {
      const auto machine = machines.find(pod.node);
      if (pod.need.app == need.selects && machine != machines.end() &&
          !machine->second.zone.empty()) {
        is_first = false;
        has_friend = has_friend || machine->second.zone == zone;
      }
    }
    return !zone.empty() && (is_first || has_friend);
  }

  bool may_sit_beside(const std::string& node, const Need& need) const {
    for (const auto* each : on(node)) {
      const bool minds = need.pair == Pair::apart && each->need.app == need.selects;
      const bool is_minded = each->need.pair == Pair::apart && need.app == each->need.selects;
      if (minds || is_minded) {
        return false;
      }
    }
    if (need.pair == Pair::spread) {
      return keeps_skew(node, need);
    }
    return need.pair != Pair::together || is_together(node, need);
  }
};

class HistoryTest : public testing::TestWithParam<unsigned> {
 protected:
  int chance(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  Machine a_machine() {
    static const std::vector<std::string> zones = {"a", "b", "c", ""};
    return {.zone = zones[static_cast<std::size_t>(chance(4))],
            .cpu = 500 * (1 + chance(8)),
            .memory = 256 * (1 + chance(8)),
            .gpus = chance(3),
            .pods = 3 + chance(8),
            .is_tainted = chance(5) == 0,
            .is_cordoned = chance(8) == 0};
  }

  Need a_need() {
    Need need;
    need.cpu = 100 * chance(8);
    need.memory = 64 * chance(6);
    need.app = std::string(1, static_cast<char>('p' + chance(3)));
    need.selects = chance(4) == 0 ? "p" : need.app;
    need.gpus = chance(6) == 0 ? 1 : 0;
    need.port = chance(5) == 0 ? 8000 + chance(2) : 0;
    need.zone = chance(5) == 0 ? "a" : "";
    need.pin = chance(6) == 0 ? fmt::format("n{}", chance(12)) : "";
    need.tolerates = chance(5) == 0;
    need.honors_taints = chance(3) == 0;
    const int pair = chance(10);
    need.pair = pair < 5 ? static_cast<Pair>(pair) : Pair::none;
    return need;
  }

  void put_node() {
    const auto name = fmt::format("n{}", chance(12));
    model_.machines[name] = a_machine();
    cluster_.upsert_node(stored_node(name, model_.machines[name]));
  }

  void remove_node() {
    const auto name = fmt::format("n{}", chance(12));
    confirm_all();
    model_.machines.erase(name);
    cluster_.remove_node(name);
  }

  void confirm_all() {
    for (auto& [name, pod] : model_.pods) {
      if (!pod.is_confirmed) {
        pod.is_confirmed = true;
        cluster_.upsert_pod(stored_pod(name, pod.need, pod.node));
      }
    }
  }

  void place_pod() {
    const auto name = fmt::format("pod{}", next_++);
    const auto need = a_need();
    const auto pod = stored_pod(name, need);
    std::set<std::string> possible;
    for (const auto& [node, machine] : model_.machines) {
      if (model_.fits(node, need)) {
        possible.insert(node);
      }
    }

    const auto decision = cluster_.place(pod);

    ASSERT_EQ(decision.is_placed(), !possible.empty())
        << name << " " << decision.node.text << " " << decision.explanation.text();
    if (!decision.is_placed()) {
      expect_every_node_explained(decision.explanation);
      return;
    }
    ASSERT_TRUE(possible.contains(decision.node.text)) << name << " " << decision.node.text;
    cluster_.forget(pod.uid());
    cluster_.forget_classes();
    ASSERT_EQ(cluster_.place(pod).node, decision.node) << "a scan of all columns chooses another";
    model_.pods[name] = {need, decision.node.text, false, false};
  }

  /// A node is refused for one reason, or for several amounts at once.
  void expect_every_node_explained(const Explanation& explanation) const {
    std::size_t count = 0;
    for (const auto& [reason, nodes] : explanation.counts()) {
      count += nodes;
      EXPECT_NE(reason, "");
    }
    EXPECT_GE(count, model_.machines.size());
  }

  /// Another one, or a new one somewhere that the scheduler did not choose.
  void bind_elsewhere() {
    const auto name = fmt::format("pod{}", next_++);
    const auto node = fmt::format("n{}", chance(12));
    const auto need = a_need();
    cluster_.upsert_pod(stored_pod(name, need, node));
    model_.pods[name] = {need, node, true, false};
  }

  void change_a_pod() {
    if (model_.pods.empty()) {
      return;
    }
    auto at = std::next(model_.pods.begin(), chance(static_cast<int>(model_.pods.size())));
    auto& [name, pod] = *at;
    const auto uid = "u-" + name;
    switch (chance(4)) {
      case 0:
        pod.is_terminating = true;
        break;
      case 1:
        pod.need.app = std::string(1, static_cast<char>('p' + chance(3)));
        break;
      default:
        cluster_.remove_pod(uid);
        model_.pods.erase(at);
        return;
    }
    pod.is_confirmed = true;
    cluster_.upsert_pod(stored_pod(name, pod.need, pod.node, pod.is_terminating));
  }

  void expect_the_same_room() {
    for (const auto& [name, machine] : model_.machines) {
      ASSERT_EQ(cluster_.free(name, "cpu"), model_.free_cpu(name)) << name;
    }
  }

  std::mt19937 random_{GetParam()};
  Cluster cluster_;
  Model model_;
  int next_ = 0;
};

TEST_P(HistoryTest, EveryDecisionIsOneThatALookAtEveryNodeAllows) {
  for (int i = 0; i < 6; ++i) {
    put_node();
  }

  for (int step = 0; step < 150 && !HasFatalFailure(); ++step) {
    switch (chance(12)) {
      case 0:
        put_node();
        break;
      case 1:
        if (chance(3) == 0) {
          remove_node();
        }
        break;
      case 2:
        bind_elsewhere();
        break;
      case 3:
      case 4:
      case 5:
        change_a_pod();
        break;
      case 6:
        confirm_all();
        break;
      default:
        place_pod();
        break;
    }
    expect_the_same_room();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryTest, testing::Range(1U, 121U));

/// One kind of pod with a hard constraint, on nodes that do not change: however pods come and go,
/// the zones differ by at most maxSkew after every placement.
class SkewTest : public testing::TestWithParam<int> {};

TEST_P(SkewTest, StaysWithinMaxSkew) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    std::mt19937 random(seed);
    Cluster cluster;
    for (int i = 0; i < 9; ++i) {
      cluster.upsert_node(a_node({.name = fmt::format("{}{}", "abc"[i % 3], i),
                                  .cpu = fmt::format("{}", 2 + random() % 8),
                                  .labels = fmt::format(R"({{"zone":"{}"}})", "abc"[i % 3])}));
    }
    const auto more = fmt::format(
        R"(,"topologySpreadConstraints":[{{"maxSkew":{},"topologyKey":"zone",
        "whenUnsatisfiable":"DoNotSchedule","labelSelector":{{"matchLabels":{{"app":"a"}}}}}}])",
        GetParam());
    std::map<char, std::set<std::string>> zones{{'a', {}}, {'b', {}}, {'c', {}}};

    for (int step = 0; step < 60; ++step) {
      auto& victims = zones["abc"[random() % 3]];
      if (random() % 4 == 0 && !victims.empty()) {
        cluster.remove_pod("u-" + *victims.begin());
        victims.erase(victims.begin());
        continue;
      }
      const auto name = fmt::format("p{}", step);
      const auto decision = cluster.place(a_pod({.name = name, .more = more}));
      if (!decision.is_placed()) {
        continue;
      }
      auto& zone = zones[decision.node.text[0]];
      zone.insert(name);
      const auto smallest = std::min({zones['a'].size(), zones['b'].size(), zones['c'].size()});
      ASSERT_LE(zone.size() - smallest, static_cast<std::size_t>(GetParam())) << "seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(MaxSkew, SkewTest, testing::Values(1, 2, 5));

}  // namespace
}  // namespace tetrarch::schedule
