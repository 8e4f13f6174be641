// SPDX-License-Identifier: Apache-2.0
// Whole histories of evictions by chance, against the rules written down once more without a
// thought of speed: no classes, no columns, no caches.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schedule/cluster.h"
#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

enum class Pair : std::uint8_t { none, spread, together, apart };

struct Machine {
  std::string name = {};
  std::string zone = {};  ///< empty: the node has no such label
  int cpu = 4;
  int pods = 6;
  bool is_tainted = false;
};

struct Pod {
  std::string name = {};
  int cpu = 1;
  int port = 0;
  int priority = 0;
  Pair pair = Pair::none;
  std::string app = {};
  std::string selects = {};  ///< the label of the pods that `pair` is about
  std::string node = "";
  int started = 0;
  bool is_nominated = false;
  bool is_leaving = false;      ///< chosen as a victim
  bool is_terminating = false;  ///< seen to end
};

std::string pair_json(const Pod& pod) {
  if (pod.pair == Pair::spread) {
    return fmt::format(
        R"(,"topologySpreadConstraints":[{{"maxSkew":1,"topologyKey":"zone",
        "whenUnsatisfiable":"DoNotSchedule","labelSelector":{{"matchLabels":{{"app":"{}"}}}}}}])",
        pod.selects);
  }
  if (pod.pair == Pair::none) {
    return "";
  }
  return fmt::format(R"(,"affinity":{{"{}":{{"requiredDuringSchedulingIgnoredDuringExecution":[
      {{"topologyKey":"{}","labelSelector":{{"matchLabels":{{"app":"{}"}}}}}}]}}}})",
                     pod.pair == Pair::together ? "podAffinity" : "podAntiAffinity",
                     pod.pair == Pair::together ? "zone" : "host",
                     pod.selects);
}

Stored stored(const Pod& pod) {
  PodSpec spec;
  spec.name = pod.name;
  spec.requests = fmt::format(R"({{"cpu":"{}"}})", pod.cpu);
  spec.labels = fmt::format(R"({{"app":"{}"}})", pod.app);
  spec.more = fmt::format(R"(,"priority":{}{})", pod.priority, pair_json(pod));
  if (pod.port != 0) {
    spec.ports = fmt::format(R"([{{"containerPort":80,"hostPort":{}}}])", pod.port);
  }
  if (!pod.is_nominated && !pod.node.empty()) {
    spec.node = pod.node;
    spec.status = fmt::format(R"({{"startTime":"2026-01-01T00:00:{:02}Z"}})", pod.started);
  }
  if (pod.is_terminating) {
    spec.metadata = R"(,"deletionTimestamp":"2026-01-01T00:01:00Z")";
  }
  return a_pod(spec);
}

using Names = std::set<std::string>;
using Reasons = std::vector<std::string>;

struct Choice {
  std::string node = {};
  std::vector<std::string> victims = {};
  int violations = 0;
  bool is_awaited = false;
};

class Model {
 public:
  std::vector<Machine> machines;
  std::map<std::string, Pod> pods;
  std::map<std::string, int> budgets;  // what is left, by app

  /// Why the pod is not for the machine, if these were not there. Empty: it fits.
  Reasons refusal(const Machine& machine, const Pod& pod, const Names& without) const {
    if (machine.is_tainted) {
      return {"taint"};
    }
    int cpu = machine.cpu;
    int places = machine.pods;
    bool has_port = false;
    for (const auto* each : on(machine.name, pod, without)) {
      cpu -= each->cpu;
      places -= 1;
      has_port = has_port || (pod.port != 0 && pod.port == each->port);
    }
    if (has_port) {
      return {"node(s) didn't have free ports for the requested pod ports"};
    }
    Reasons out;
    if (pod.cpu > cpu) {
      out.emplace_back("Insufficient cpu");
    }
    if (places < 1) {
      out.emplace_back("Too many pods");
    }
    return out.empty() ? pair_refusal(machine, pod, without) : out;
  }

  bool is_hopeless(const Machine& machine, const Pod& pod, const Reasons& why) const {
    const auto& first = why.front();
    return first == "taint" || (first == "Insufficient cpu" && pod.cpu > machine.cpu) ||
           first == "node(s) didn't match pod affinity rules" ||
           first.ends_with("(missing required label)");
  }

  /// The node to empty; or, in `counts`, why there is none.
  std::optional<Choice> choose(const Pod& pod, std::map<std::string, int>& counts) const {
    std::optional<Choice> best;
    for (const Machine& machine : machines) {
      const auto found = candidate(machine, pod, counts);
      if (found && (!best || cost(*found) < cost(*best))) {
        best = found;
      }
    }
    return best;
  }

  std::optional<Choice> candidate(const Machine& machine,
                                  const Pod& pod,
                                  std::map<std::string, int>& counts) const {
    Names without;
    for (const auto& [name, each] : pods) {
      if (each.node == machine.name && each.is_nominated && each.priority < pod.priority) {
        without.insert(name);
      }
    }
    const auto now = refusal(machine, pod, without);
    if (now.empty()) {
      return Choice{machine.name};
    }
    if (is_hopeless(machine, pod, now)) {
      ++counts["Preemption is not helpful for scheduling"];
      return std::nullopt;
    }
    return with_victims(machine, pod, without, counts);
  }

 private:
  std::optional<Choice> with_victims(const Machine& machine,
                                     const Pod& pod,
                                     Names without,
                                     std::map<std::string, int>& counts) const {
    Choice out{machine.name};
    std::vector<const Pod*> evictable;
    for (const auto& [name, each] : pods) {
      if (each.node != machine.name || each.is_nominated || each.priority >= pod.priority) {
        continue;
      }
      without.insert(name);
      if (each.is_leaving || each.is_terminating) {
        out.is_awaited = true;
      } else {
        evictable.push_back(&each);
      }
    }
    if (evictable.empty() && !out.is_awaited) {
      ++counts["No preemption victims found for incoming pod"];
      return std::nullopt;
    }
    const auto left = refusal(machine, pod, without);
    for (const auto& reason : left) {
      ++counts[reason];
    }
    if (!left.empty()) {
      return std::nullopt;
    }
    std::sort(evictable.begin(), evictable.end(), [](const Pod* a, const Pod* b) {
      return std::tuple(-a->priority, a->started, a->name) <
             std::tuple(-b->priority, b->started, b->name);
    });
    reprieve(machine, pod, evictable, without, out);
    return out;
  }

  void reprieve(const Machine& machine,
                const Pod& pod,
                const std::vector<const Pod*>& evictable,
                Names& without,
                Choice& out) const {
    auto left = budgets;
    Names protects;
    for (const auto* each : evictable) {
      if (left.contains(each->app) && --left[each->app] < 0) {
        protects.insert(each->name);
      }
    }
    for (const bool is_protected : {true, false}) {
      for (const auto* each : evictable) {
        if (protects.contains(each->name) != is_protected) {
          continue;
        }
        without.erase(each->name);
        if (!refusal(machine, pod, without).empty()) {
          without.insert(each->name);
          out.violations += is_protected ? 1 : 0;
        }
      }
    }
    for (const auto* each : evictable) {
      if (without.contains(each->name)) {
        out.victims.push_back(each->name);
      }
    }
  }

  using Cost = std::tuple<bool, bool, int, int, std::int64_t, std::size_t, int>;

  /// Machines are asked in order, so equals stay where they are.
  Cost cost(const Choice& choice) const {
    if (choice.victims.empty()) {
      return {false, choice.is_awaited, 0, 0, 0, 0, 0};
    }
    const int highest = pods.at(choice.victims.front()).priority;
    std::int64_t sum = 0;
    int oldest = 100;
    for (const auto& name : choice.victims) {
      const Pod& each = pods.at(name);
      sum += each.priority + std::int64_t{1} + std::numeric_limits<std::int32_t>::max();
      oldest = each.priority == highest ? std::min(oldest, each.started) : oldest;
    }
    return {true, false, choice.violations, highest, sum, choice.victims.size(), -oldest};
  }

  std::vector<const Pod*> on(const std::string& node, const Pod& but, const Names& without) const {
    std::vector<const Pod*> out;
    for (const auto& [name, each] : pods) {
      if (each.node == node && name != but.name && !without.contains(name)) {
        out.push_back(&each);
      }
    }
    return out;
  }

  Reasons pair_refusal(const Machine& machine, const Pod& pod, const Names& without) const {
    if (pod.pair == Pair::spread && machine.zone.empty()) {
      return {"node(s) didn't match pod topology spread constraints (missing required label)"};
    }
    if (pod.pair == Pair::spread && !keeps_skew(machine, pod, without)) {
      return {"node(s) didn't match pod topology spread constraints"};
    }
    if (pod.pair == Pair::together && !is_together(machine, pod, without)) {
      return {"node(s) didn't match pod affinity rules"};
    }
    bool minds = false;
    bool is_minded = false;
    for (const auto* each : on(machine.name, pod, without)) {
      minds = minds || (pod.pair == Pair::apart && each->app == pod.selects);
      is_minded = is_minded || (each->pair == Pair::apart && each->selects == pod.app);
    }
    if (minds) {
      return {"node(s) didn't match pod anti-affinity rules"};
    }
    return is_minded ? Reasons{"node(s) didn't satisfy existing pods anti-affinity rules"}
                     : Reasons{};
  }

  bool keeps_skew(const Machine& machine, const Pod& pod, const Names& without) const {
    std::map<std::string, int> zones;
    for (const Machine& each : machines) {
      if (each.zone.empty()) {
        continue;
      }
      for (const auto* other : on(each.name, pod, without)) {
        zones[each.zone] += other->app == pod.selects && !other->is_terminating ? 1 : 0;
      }
      zones[each.zone] += 0;
    }
    int smallest = zones.begin()->second;
    for (const auto& [zone, count] : zones) {
      smallest = std::min(smallest, count);
    }
    return zones[machine.zone] + (pod.app == pod.selects ? 1 : 0) - smallest <= 1;
  }

  bool is_together(const Machine& machine, const Pod& pod, const Names& without) const {
    bool is_first = pod.app == pod.selects;
    bool has_friend = false;
    for (const Machine& each : machines) {
      for (const auto* other : on(each.name, pod, without)) {
        if (!other->is_nominated && other->app == pod.selects && !each.zone.empty()) {
          is_first = false;
          has_friend = has_friend || each.zone == machine.zone;
        }
      }
    }
    return !machine.zone.empty() && (is_first || has_friend);
  }
};

class RoomHistoryTest : public testing::TestWithParam<unsigned> {
 protected:
  int chance(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  void SetUp() override {
    static const std::vector<std::string> zones = {"a", "b", "a", ""};
    const int count = 3 + chance(4);
    for (int i = 0; i < count; ++i) {
      Machine machine{.name = fmt::format("n{}", i),
                      .zone = zones[static_cast<std::size_t>(chance(4))],
                      .cpu = 3 + chance(4),
                      .pods = 3 + chance(4),
                      .is_tainted = chance(8) == 0};
      model_.machines.push_back(machine);
      const auto zone = machine.zone.empty() ? "" : fmt::format(R"(,"zone":"{}")", machine.zone);
      cluster_.upsert_node(
          a_node({.name = machine.name,
                  .cpu = std::to_string(machine.cpu),
                  .pods = std::to_string(machine.pods),
                  .labels = fmt::format(R"({{"host":"{}"{}}})", machine.name, zone),
                  .spec = machine.is_tainted
                              ? R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})"
                              : "{}"}));
    }
    set_budgets();
  }

  Pod a_new_pod() {
    Pod pod{.name = fmt::format("p{:03}", next_++), .cpu = 1 + chance(4)};
    pod.port = chance(5) == 0 ? 8000 + chance(2) : 0;
    pod.priority = chance(4) * 10 - 10;
    const int pair = chance(12);
    pod.pair = pair < 4 ? static_cast<Pair>(pair) : Pair::none;
    pod.app = std::string(1, static_cast<char>('q' + chance(3)));
    pod.selects = chance(3) == 0 ? "q" : pod.app;
    pod.started = chance(5);
    return pod;
  }

  /// Their controller has seen all that ends.
  void set_budgets() {
    for (auto& [name, pod] : model_.pods) {
      if (pod.is_leaving && !pod.is_terminating) {
        see_end(pod);
      }
    }
    for (const std::string app : {"q", "r"}) {
      model_.budgets[app] = chance(3);
      cluster_.upsert_budget(a_budget(app, model_.budgets[app]));
    }
  }

  void see_end(Pod& pod) {
    pod.is_terminating = true;
    cluster_.upsert_pod(stored(pod));
  }

  void bind(Pod pod, const std::string& node) {
    pod.node = node;
    pod.is_nominated = false;
    model_.pods[pod.name] = pod;
    cluster_.upsert_pod(stored(pod));
  }

  /// One new pod, or one that waits already.
  void try_pod(Pod pod) {
    Pod waiting = pod;
    waiting.is_nominated = false;
    const auto held = pod.is_nominated ? pod.node : "";
    waiting.node = "";
    Names possible;
    for (const Machine& machine : model_.machines) {
      if (model_.refusal(machine, waiting, {}).empty()) {
        possible.insert(machine.name);
      }
    }

    const auto decision = cluster_.place(stored(waiting));

    ASSERT_EQ(decision.is_placed(), !possible.empty()) << pod.name << " " << decision.node.text;
    if (decision.is_placed()) {
      ASSERT_TRUE(possible.contains(decision.node.text)) << decision.node.text;
      ASSERT_TRUE(!possible.contains(held) || decision.node.text == held);
      bind(waiting, decision.node.text);
      return;
    }
    std::map<std::string, int> none;
    model_.pods.erase(pod.name);
    const auto here = held.empty() ? std::nullopt : model_.candidate(machine(held), waiting, none);
    const bool awaits = here && here->victims.empty() && here->is_awaited;
    ASSERT_EQ(decision.awaits_room(), awaits) << pod.name;
    if (awaits) {
      model_.pods[pod.name] = pod;
      return;
    }
    make_room(waiting);
  }

  const Machine& machine(const std::string& name) const {
    return *std::find_if(model_.machines.begin(), model_.machines.end(), [&](const auto& each) {
      return each.name == name;
    });
  }

  void make_room(Pod pod) {
    std::map<std::string, int> counts;
    const auto wanted = model_.choose(pod, counts);

    const auto room = cluster_.make_room(stored(pod));

    ASSERT_EQ(room.node.text, wanted ? wanted->node : "") << pod.name << " " << room.text;
    if (!wanted) {
      EXPECT_EQ(room.text, text_of(counts)) << pod.name;
      return;
    }
    std::vector<std::string> victims;
    for (const auto& uid : room.victims) {
      victims.push_back(uid.substr(2));
    }
    ASSERT_EQ(victims, wanted->victims) << pod.name;
    ASSERT_EQ(room.is_free, victims.empty() && !wanted->is_awaited);
    for (const auto& name : victims) {
      Pod& victim = model_.pods.at(name);
      ASSERT_FALSE(std::exchange(victim.is_leaving, true)) << name << " is evicted twice";
      ASSERT_LT(victim.priority, pod.priority);
      if (model_.budgets.contains(victim.app)) {
        --model_.budgets[victim.app];
      }
    }
    for (const auto& uid : room.displaced) {
      model_.pods.erase(uid.substr(2));
    }
    pod.node = room.node.text;
    pod.is_nominated = !room.is_free;
    if (room.is_free) {
      bind(pod, pod.node);
    }
    model_.pods[pod.name] = pod;
  }

  std::string text_of(const std::map<std::string, int>& counts) const {
    std::vector<std::string> parts;
    for (const auto& [reason, count] : counts) {
      parts.push_back(fmt::format("{} {}", count, reason));
    }
    std::sort(parts.begin(), parts.end());
    return fmt::format(
        "0/{} nodes are available: {}.", model_.machines.size(), fmt::join(parts, ", "));
  }

  /// A pod that is so, by chance.
  template <class Holds>
  Pod* any(const Holds& holds) {
    std::vector<Pod*> all;
    for (auto& [name, pod] : model_.pods) {
      if (holds(pod)) {
        all.push_back(&pod);
      }
    }
    return all.empty() ? nullptr
                       : all[static_cast<std::size_t>(chance(static_cast<int>(all.size())))];
  }

  void remove(const Pod* pod) {
    if (pod != nullptr) {
      cluster_.remove_pod("u-" + pod->name);
      model_.pods.erase(std::string(pod->name));
    }
  }

  void step() {
    switch (chance(10)) {
      case 0:
        remove(any([](const Pod& pod) { return pod.is_terminating; }));
        break;
      case 1:
        if (auto* pod = any([](const Pod& each) { return each.is_leaving; })) {
          see_end(*pod);
        }
        break;
      case 2:
        if (auto* pod = any([](const Pod& each) { return !each.is_nominated; })) {
          see_end(*pod);
        }
        break;
      case 3:
        if (chance(2) == 0) {
          remove(any([](const Pod&) { return true; }));
        }
        break;
      case 4:
        set_budgets();
        break;
      case 5:
      case 6:
        if (const auto* pod = any([](const Pod& each) { return each.is_nominated; })) {
          try_pod(*pod);
        }
        break;
      default:
        try_pod(a_new_pod());
        break;
    }
  }

  void expect_nothing_overcommitted() const {
    for (const Machine& machine : model_.machines) {
      int cpu = 0;
      for (const auto& [name, pod] : model_.pods) {
        cpu += pod.node == machine.name && !pod.is_nominated ? pod.cpu : 0;
      }
      ASSERT_LE(cpu, machine.cpu) << machine.name;
    }
  }

  std::mt19937 random_{GetParam()};
  Cluster cluster_;
  Model model_;
  int next_ = 0;
};

TEST_P(RoomHistoryTest, TheVictimsAreThoseThatALookAtEveryPodWouldChoose) {
  for (int i = 0; i < 150 && !HasFatalFailure(); ++i) {
    step();
    expect_nothing_overcommitted();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RoomHistoryTest, testing::Range(1U, 121U));

}  // namespace
}  // namespace tetrarch::schedule
