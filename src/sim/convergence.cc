// SPDX-License-Identifier: Apache-2.0
#include "sim/convergence.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace tetrarch::sim {
namespace {

using object::View;

constexpr std::size_t kWordsMax = 12;

std::string_view condition(View root, std::string_view type) {
  for (const auto each : root["status"]["conditions"].elements()) {
    if (each["type"].string() == type) {
      return each["status"].string();
    }
  }
  return {};
}

bool is_over(View pod) {
  const auto phase = pod["status"]["phase"].string();
  return phase == "Succeeded" || phase == "Failed";
}

/// One look at everything.
class Look {
 public:
  Look(const store::Snapshot& snapshot,
       const Users& users,
       std::vector<std::unique_ptr<Machine>>& machines)
      : snapshot_(snapshot), users_(users), machines_(machines) {}

  std::vector<std::string> make() {
    look_at_nodes();
    look_at_pods();
    for (const auto& app : users_.apps()) {
      look_at_app(app);
    }
    look_at_jobs();
    look_at_replica_sets();
    look_at_machines();
    return std::move(words_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    if (words_.size() < kWordsMax) {
      words_.push_back(fmt::format(format, std::forward<Args>(args)...));
    }
  }

  template <class F>
  void each(std::string_view resource, const F& visit) {
    snapshot_.scan(resource, "", {}, [&](const Stored& object) {
      visit(object);
      return true;
    });
  }

  void look_at_nodes() {
    std::size_t count = 0;
    each("nodes", [&](const Stored& node) {
      ++count;
      const auto root = node.root();
      if (condition(root, "Ready") != "True") {
        say("node {} is not ready", node.key.name);
      }
      if (root["spec"]["taints"].size() > 0 || root["spec"]["unschedulable"].boolean()) {
        say("node {} still has a taint", node.key.name);
      }
    });
    if (count != machines_.size()) {
      say("{} nodes of {}", count, machines_.size());
    }
  }

  void look_at_pods() {
    each("pods", [&](const Stored& pod) {
      const auto root = pod.root();
      const auto app = std::string(root["metadata"]["labels"]["app"].string());
      if (is_over(root)) {
        return;
      }
      placed_[std::string(root["spec"]["nodeName"].string())].insert(std::string(pod.uid()));
      if (root["metadata"]["deletionTimestamp"].exists()) {
        say("pod {} still ends", pod.key.name);
        return;
      }
      if (condition(root, "Ready") != "True") {
        say("pod {} on {} is not ready", pod.key.name, root["spec"]["nodeName"].string());
      }
      const auto image = root["spec"]["containers"].at(0)["image"].string();
      pods_[app].insert(std::string(image));
      addresses_[app].insert(std::string(root["status"]["podIP"].string()));
    });
    each("endpointslices.discovery.k8s.io", [&](const Stored& slice) {
      const auto service = slice.root()["metadata"]["labels"]["kubernetes.io/service-name"];
      for (const auto endpoint : slice.root()["endpoints"].elements()) {
        if (endpoint["conditions"]["ready"].boolean()) {
          served_[std::string(service.string())].insert(
              std::string(endpoint["addresses"].at(0).string()));
        }
      }
    });
  }

  std::int64_t wanted_of(const App& app) {
    if (!app.is_there) {
      return 0;
    }
    if (app.kind != App::Kind::daemon) {
      return app.replicas;
    }
    std::int64_t out = 0;
    each("nodes", [&](const Stored& node) {
      const auto zone = node.root()["metadata"]["labels"]["topology.kubernetes.io/zone"].string();
      out += zone == app.zone ? 1 : 0;
    });
    return out;
  }

  void look_at_app(const App& app) {
    const auto wanted = wanted_of(app);
    const auto count = static_cast<std::int64_t>(pods_[app.name].size());
    if (count != wanted) {
      say("{} has {} pods of {}", app.name, count, wanted);
    }
    if (std::any_of(pods_[app.name].begin(), pods_[app.name].end(), [&](const auto& image) {
          return image != app.image();
        })) {
      say("{} has pods of an old version", app.name);
    }
    if (app.kind != App::Kind::daemon && app.is_there &&
        served_[app.name] != addresses_[app.name]) {
      say("the endpoints of {} are {} of {}",
          app.name,
          served_[app.name].size(),
          addresses_[app.name].size());
    }
    const auto stored = snapshot_.get(app.key());
    if (stored.has_value() != app.is_there) {
      say("{} is {}there", app.name, stored ? "" : "not ");
      return;
    }
    if (stored && stored->root()["status"]["observedGeneration"].integer() !=
                      stored->root()["metadata"]["generation"].integer()) {
      say("the status of {} is old", app.name);
    }
    if (stored && app.kind != App::Kind::daemon &&
        stored->root()["status"]["readyReplicas"].integer() != wanted) {
      say("the status of {} counts {} of {}",
          app.name,
          stored->root()["status"]["readyReplicas"].integer(),
          wanted);
    }
  }

  void look_at_jobs() {
    for (const auto& job : users_.jobs()) {
      const auto stored = snapshot_.get({"jobs.batch", kNamespace, job});
      if (!stored || condition(stored->root(), "Complete") != "True") {
        say("{} is not complete", job);
      }
    }
  }

  /// Old ones are kept for a rollback, but own nothing; none is without its owner.
  void look_at_replica_sets() {
    each("replicasets.apps", [&](const Stored& set) {
      const auto owner = set.metadata()["ownerReferences"].at(0);
      const auto found =
          snapshot_.get({"deployments.apps", set.key.ns, std::string(owner["name"].string())});
      if (!found || found->uid() != owner["uid"].string()) {
        say("replica set {} has no owner", set.key.name);
      }
    });
  }

  void look_at_machines() {
    for (const auto& machine : machines_) {
      if (machine->pods().running() != placed_[machine->name()]) {
        say("{} runs {} pods of {}",
            machine->name(),
            machine->pods().running().size(),
            placed_[machine->name()].size());
      }
    }
  }

  const store::Snapshot& snapshot_;
  const Users& users_;
  std::vector<std::unique_ptr<Machine>>& machines_;
  std::vector<std::string> words_;
  std::map<std::string, std::multiset<std::string>> pods_;  // images, by app
  std::map<std::string, std::set<std::string>> addresses_;  // by app
  std::map<std::string, std::set<std::string>> served_;     // by service
  std::map<std::string, std::set<std::string>> placed_;     // uids, by node
};

}  // namespace

std::vector<std::string> missing(const store::Snapshot& snapshot,
                                 const Users& users,
                                 std::vector<std::unique_ptr<Machine>>& machines) {
  return Look(snapshot, users, machines).make();
}

}  // namespace tetrarch::sim
