// SPDX-License-Identifier: Apache-2.0
// Source: kube-controller-manager, resource quota controller (1.35): what replenishes a quota, and
// the flag resource-quota-sync-period (default).
#include "reconcile/resource_quota.h"

#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "schema/quota.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeObject;

constexpr std::string_view kResource = "resourcequotas";
constexpr std::chrono::minutes kEvery{5};
/// Ours: longer than a write takes from its plan to its commit.
constexpr std::chrono::seconds kOnTheWay{2};

TreeObject tree_of(const schema::Amounts& amounts) {
  TreeObject out;
  for (const auto& [name, value] : amounts) {
    out[name] = value.text();
  }
  return out;
}

/// Charges change only status.used, and are no reason to count.
void keys_of_quota(const Mirror& /*seen*/, const Observed& change, std::vector<Key>& keys) {
  if (change.after == nullptr) {
    return;
  }
  const auto now = change.after->root();
  const bool is_news = change.before == nullptr ||
                       !same_meaning(change.before->root()["spec"], now["spec"]) ||
                       !same_meaning(now["spec"]["hard"], now["status"]["hard"]);
  if (is_news) {
    keys.push_back(change.after->key);
  }
}

/// Whether the change can have given something back.
bool gives_back(const Observed& change) {
  if (change.after == nullptr) {
    return true;
  }
  if (change.before == nullptr) {
    return false;
  }
  const auto& resource = change.after->key.resource;
  if (resource == "pods") {
    return is_finished(views::PodView(change.after->root())) &&
           !is_finished(views::PodView(change.before->root()));
  }
  return resource == "services" &&
         !change.before->root()["spec"].same_as(change.after->root()["spec"]);
}

/// An object that was on its way in when the quota came: nobody charged it.
bool slipped_in(const Observed& change, const Stored& quota) {
  return change.before == nullptr && created_at(*change.after) <= created_at(quota) + kOnTheWay;
}

void keys_of_object(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  const auto& key = change.any().key;
  if (key.ns.empty()) {
    return;
  }
  for (const auto* quota : seen.list(kResource, key.ns)) {
    if (!gives_back(change) && !slipped_in(change, *quota)) {
      continue;
    }
    for (const auto& [name, most] : quota->root()["spec"]["hard"].members()) {
      if (schema::is_counted_by(name, key.resource)) {
        keys.push_back(quota->key);
        break;
      }
    }
  }
}

class ResourceQuotaController final : public Controller {
 public:
  std::string_view name() const override { return "resource-quota"; }

  std::vector<Watching> watches() const override {
    return {{std::string(kResource), keys_of_quota}, {"*", keys_of_object}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr || is_terminating(*stored)) {
      return plan;
    }
    plan.look_again_at(asked.now + kEvery);
    const auto spec = stored->root()["spec"];
    const auto used =
        schema::counted(spec, asked.now, [&](std::string_view resource, const auto& visit) {
          for (const auto* each : asked.seen.list(resource, stored->key.ns)) {
            visit(each->root());
          }
        });
    const TreeObject status{{"hard", object::to_tree(spec["hard"])}, {"used", tree_of(used)}};
    if (!same_meaning(stored->root()["status"], status)) {
      plan.changes.push_back(update_of(*stored, with_status(*stored, status), "usage"));
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Controller> resource_quota_controller() {
  return std::make_unique<ResourceQuotaController>();
}

}  // namespace tetrarch::reconcile
