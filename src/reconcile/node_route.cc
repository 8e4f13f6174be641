// SPDX-License-Identifier: Apache-2.0
#include "reconcile/node_route.h"

#include <string>

#include "reconcile/edit.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using object::TreeObject;

std::string_view address_of(const Stored& node) {
  for (const auto address : node.root()["status"]["addresses"].elements()) {
    if (address["type"].string() == "InternalIP") {
      return address["address"].string();
    }
  }
  return {};
}

std::string_view range_of(const Stored& node) {
  return node.root()["spec"]["podCIDR"].string();
}

std::string_view transport_of(const Stored& node) {
  const auto said = node.metadata()["annotations"][kTransport].string();
  return said == "routes" || said == "vxlan" ? said : "auto";
}

TreeObject owner_of(const Stored& node) {
  return {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node.key.name}, {"uid", node.uid()}};
}

TreeObject spec_of(const Stored& node) {
  return {{"address", address_of(node)},
          {"podCIDR", range_of(node)},
          {"transport", transport_of(node)}};
}

bool belongs_to(const Stored& route, const Stored& node) {
  const auto owners = route.metadata()["ownerReferences"].elements();
  return owners.begin() != owners.end() && (*owners.begin())["uid"].string() == node.uid();
}

class NodeRoutes final : public Controller {
 public:
  std::string_view name() const override { return "node-route"; }

  std::vector<Watching> watches() const override {
    const auto same_name = [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
      keys.push_back({"nodes", "", change.any().key.name});
    };
    const auto where_it_matters = [same_name](
                                      const Mirror& seen, const Observed& change, auto& keys) {
      if (change.before == nullptr || change.after == nullptr ||
          spec_of(*change.before) != spec_of(*change.after)) {
        same_name(seen, change, keys);
      }
    };
    return {{"nodes", where_it_matters}, {std::string(kNodeRoutes), same_name}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const Key key{std::string(kNodeRoutes), "", asked.key.name};
    const auto* route = asked.seen.get(key);
    const auto* node = asked.seen.get("nodes", "", asked.key.name);
    if (node == nullptr || range_of(*node).empty() || address_of(*node).empty()) {
      if (route != nullptr) {
        plan.changes.push_back(removal_of(*route));
      }
      return plan;
    }
    if (route != nullptr && !belongs_to(*route, *node)) {
      plan.changes.push_back(removal_of(*route));  // of a node that had this name before
      return plan;
    }
    if (route == nullptr) {
      const TreeObject made{
          {"apiVersion", "network.tetrarch.dev/v1"},
          {"kind", "NodeRoute"},
          {"metadata",
           TreeObject{{"name", node->key.name}, {"ownerReferences", TreeArray{owner_of(*node)}}}},
          {"spec", spec_of(*node)}};
      plan.changes.push_back(
          {.verb = Change::Verb::create, .key = key, .document = object::to_document(made)});
      return plan;
    }
    if (!same_meaning(route->root()["spec"], object::Tree(spec_of(*node)))) {
      Edit edit(*route);
      edit.root()["spec"] = spec_of(*node);
      plan.changes.push_back(update_of(*route, edit.document()));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> node_route_controller() {
  return std::make_unique<NodeRoutes>();
}

}  // namespace tetrarch::reconcile
