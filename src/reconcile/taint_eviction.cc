// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Taints and Tolerations", taint based evictions.
#include <algorithm>
#include <optional>

#include "reconcile/node_lifecycle.h"
#include "reconcile/node_taints.h"
#include "reconcile/pod_state.h"
#include "schema/views/core.h"

namespace tetrarch::reconcile {

namespace {

using std::chrono::seconds;

constexpr seconds kAllOut{5};

bool tolerates(views::TolerationView toleration, views::TaintView taint) {
  if (!toleration.effect().empty() && toleration.effect() != taint.effect()) {
    return false;
  }
  if (toleration.operator_() == "Exists") {
    return toleration.key().empty() || toleration.key() == taint.key();
  }
  return toleration.key() == taint.key() && toleration.value() == taint.value();
}

/// What a taint means for a Pod: stay, or go at a time.
struct Verdict {
  bool is_tolerated = false;
  std::optional<seconds> for_seconds;  // empty: for ever
};

Verdict judge(views::PodView pod, views::TaintView taint) {
  Verdict out;
  for (const auto toleration : pod.spec().tolerations()) {
    if (!tolerates(toleration, taint)) {
      continue;
    }
    out.is_tolerated = true;
    if (toleration.has_toleration_seconds()) {
      const seconds limit(std::max<std::int64_t>(0, toleration.toleration_seconds()));
      out.for_seconds = std::min(out.for_seconds.value_or(limit), limit);
    }
  }
  return out;
}

bool is_outage(std::string_view key) {
  return key == kTaintNotReady || key == kTaintUnreachable;
}

class TaintEviction final : public Controller {
 public:
  explicit TaintEviction(seconds grace) : grace_(grace) {}

  std::string_view name() const override { return "taint-eviction"; }

  std::vector<Watching> watches() const override {
    return {{"nodes", own_key()},
            {"pods", [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               const auto node = change.any().root()["spec"]["nodeName"].string();
               if (!node.empty() && change.after != nullptr) {
                 keys.push_back(Key{"nodes", "", std::string(node)});
               }
             }}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* stored = asked.seen.get(asked.key);
    if (stored == nullptr) {
      return plan;
    }
    const views::NodeView node(stored->root());
    for (const auto taint : node.spec().taints()) {
      if (taint.effect() != "NoExecute") {
        continue;
      }
      if (is_outage(taint.key()) && !any_node_ready(asked.seen)) {
        plan.look_again_at(asked.now + kAllOut);  // more likely it is us
        continue;
      }
      for (const auto* pod : asked.seen.pods_on(stored->key.name)) {
        consider(asked, *pod, taint, &plan);
      }
    }
    return plan;
  }

 private:
  void consider(const Question& asked,
                const Stored& stored,
                views::TaintView taint,
                Plan* plan) const {
    if (!is_active(stored)) {
      return;
    }
    const auto verdict = judge(views::PodView(stored.root()), taint);
    if (verdict.is_tolerated && !verdict.for_seconds) {
      return;
    }
    auto since = parse_time(taint.time_added()).value_or(created_at(stored));
    since = std::max(since, created_at(stored));
    auto when = since + verdict.for_seconds.value_or(seconds(0));
    if (is_outage(taint.key())) {
      when = std::max(when, asked.seen.observing_since() + grace_);
    }
    if (when > asked.now) {
      plan->look_again_at(when);
      return;
    }
    auto removal = removal_of(stored);
    removal.when_done =
        note_about(stored,
                   Note::Type::normal,
                   "TaintManagerEviction",
                   "Marking for deletion Pod " + stored.key.ns + "/" + stored.key.name);
    plan->changes.push_back(std::move(removal));
  }

  static bool any_node_ready(const Mirror& seen) {
    const auto nodes = seen.list("nodes");
    return std::any_of(nodes.begin(), nodes.end(), [](const Stored* node) {
      return ready_status(*node) == "True";
    });
  }

  const seconds grace_;
};

}  // namespace

std::unique_ptr<Controller> taint_eviction_controller(seconds grace) {
  return std::make_unique<TaintEviction>(grace);
}

}  // namespace tetrarch::reconcile
