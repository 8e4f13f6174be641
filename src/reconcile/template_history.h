// SPDX-License-Identifier: Apache-2.0
// The ControllerRevisions of a DaemonSet or StatefulSet: one for each template that it had, which
// `kubectl rollout history` lists and `undo` goes back to.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "object/selector.h"
#include "reconcile/controller.h"

namespace tetrarch::reconcile {

// Source: Kubernetes API reference, well-known labels.
inline constexpr std::string_view kRevisionHash = "controller-revision-hash";
/// The same on the revisions of StatefulSets.
inline constexpr std::string_view kRevisionHashOfStateful = "controller.kubernetes.io/hash";

struct TemplateHistory {
  std::vector<const Stored*> all;   ///< oldest first
  const Stored* present = nullptr;  ///< with the owner's present template; null: not made yet
  std::int64_t next = 1;            ///< the number of a new one

  const Stored* named(std::string_view name) const;
};

/// What is different between the two kinds.
struct HistoryStyle {
  std::string_view hash_label;
};

/// Claims are added to `plan`.
TemplateHistory find_history(const Question& asked,
                             const Stored& owner,
                             const object::LabelSelector& selector,
                             Plan* plan);

/// Adds to `plan` what makes the present template the newest of the history: a revision, or a
/// higher number for the one that there is. False: nothing was left to do. `collisions` grows where
/// the name is taken by something else.
bool record_template(const Question& asked,
                     const Stored& owner,
                     const TemplateHistory& history,
                     HistoryStyle style,
                     std::int64_t* collisions,
                     Plan* plan);

/// Deletes the oldest revisions beyond the owner's limit; those of `living` names stay.
void trim_history(const Stored& owner,
                  const TemplateHistory& history,
                  const std::set<std::string, std::less<>>& living,
                  Plan* plan);

/// The pod template that a revision holds.
object::View template_of_revision(const Stored& revision);

}  // namespace tetrarch::reconcile
