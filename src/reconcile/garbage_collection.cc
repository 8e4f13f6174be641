// SPDX-License-Identifier: Apache-2.0
#include "reconcile/garbage_collection.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "schema/views/meta.h"

namespace tetrarch::reconcile {

namespace {

using object::TreeArray;
using std::chrono::seconds;

// Source: Kubernetes documentation, "Garbage collection": finalizers of cascading deletion.
constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";

bool has_finalizer(const Stored& object, std::string_view name) {
  for (const auto each : object.metadata()["finalizers"].elements()) {
    if (each.string() == name) {
      return true;
    }
  }
  return false;
}

bool waits_for_dependents(const Stored& object) {
  return is_terminating(object) && has_finalizer(object, kForeground);
}

/// What an object's owners are.
struct Owners {
  std::vector<views::OwnerReferenceView> solid;
  std::vector<views::OwnerReferenceView> waiting;  // being deleted in the foreground
  std::vector<Absence> absent;
  std::set<std::string, std::less<>> lost_uids;  // of waiting and absent
};

class Round {
 public:
  Round(const Question& asked, const KindLookup& lookup, const Stored& object)
      : asked_(asked), lookup_(lookup), object_(object) {}

  Plan run() {
    if (is_terminating(object_)) {
      if (has_finalizer(object_, kOrphan)) {
        orphan_dependents();
      } else if (has_finalizer(object_, kForeground)) {
        delete_dependents();
      }
    } else if (object_.metadata()["ownerReferences"].size() > 0) {
      check_owners();
    }
    return std::move(plan_);
  }

 private:
  void orphan_dependents() {
    bool is_free = true;
    for (const auto* dependent : asked_.seen.owned_by(object_.uid())) {
      is_free = false;
      plan_.changes.push_back(update_of(*dependent, released(*dependent, object_.uid())));
    }
    if (is_free) {
      plan_.changes.push_back(update_of(object_, without_finalizer(object_, kOrphan)));
    }
  }

  void delete_dependents() {
    bool is_blocked = false;
    for (const auto* dependent : asked_.seen.owned_by(object_.uid())) {
      is_blocked = is_blocked || blocks(*dependent);
      if (is_terminating(*dependent)) {
        continue;
      }
      const auto owners = owners_of(*dependent);
      if (!owners.solid.empty()) {
        plan_.changes.push_back(update_of(*dependent, released(*dependent, object_.uid())));
        continue;
      }
      auto removal = removal_of(*dependent);
      removal.expected = dependent->revision;
      removal.confirm_absent = owners.absent;
      const bool has_own = !asked_.seen.owned_by(dependent->uid()).empty();
      removal.propagation = has_own ? Propagation::foreground : Propagation::background;
      plan_.changes.push_back(std::move(removal));
    }
    if (!is_blocked) {
      plan_.changes.push_back(update_of(object_, without_finalizer(object_, kForeground)));
    }
  }

  bool blocks(const Stored& dependent) const {
    for (const auto reference : dependent.metadata()["ownerReferences"].elements()) {
      if (reference["uid"].string() == object_.uid() && reference["blockOwnerDeletion"].boolean()) {
        return !waits_for_us(dependent);
      }
    }
    return false;
  }

  /// Whether `dependent` waits, itself or through others that wait, for the end of our object: then
  /// the owners form a circle, and whoever of it is asked first goes first.
  bool waits_for_us(const Stored& dependent) const {
    std::set<std::string_view> known;
    std::vector<const Stored*> open{&dependent};
    while (!open.empty()) {
      const auto* each = open.back();
      open.pop_back();
      if (!waits_for_dependents(*each) || !known.insert(each->uid()).second) {
        continue;
      }
      for (const auto* next : asked_.seen.owned_by(each->uid())) {
        if (next->uid() == object_.uid()) {
          return true;
        }
        open.push_back(next);
      }
    }
    return false;
  }

  void check_owners() {
    const auto owners = owners_of(object_);
    if (owners.lost_uids.empty()) {
      return;
    }
    if (!owners.solid.empty()) {
      auto change = update_of(object_, without_owners(owners.lost_uids));
      change.confirm_absent = owners.absent;
      plan_.changes.push_back(std::move(change));
      return;
    }
    warn_of_other_namespaces();
    auto removal = removal_of(object_);
    removal.expected = object_.revision;  // an owner may have been added
    removal.confirm_absent = owners.absent;
    if (has_finalizer(object_, kOrphan)) {
      removal.propagation = Propagation::orphan;
    } else if (has_finalizer(object_, kForeground) || !owners.waiting.empty()) {
      const bool has_own = !asked_.seen.owned_by(object_.uid()).empty();
      removal.propagation = has_own ? Propagation::foreground : Propagation::background;
    } else {
      removal.propagation = Propagation::background;
    }
    plan_.changes.push_back(std::move(removal));
  }

  /// A common mistake, and the object is gone by it: worth an event.
  // Source: kube-controller-manager, garbage collector, OwnerRefInvalidNamespace.
  void warn_of_other_namespaces() {
    for (const auto reference : views::ObjectMetaView(object_.metadata()).owner_references()) {
      const auto* owner = asked_.seen.by_uid(reference.uid());
      if (owner != nullptr && !owner->key.ns.empty() && owner->key.ns != object_.key.ns) {
        plan_.notes.push_back(
            note_about(object_,
                       Note::Type::warning,
                       "OwnerRefInvalidNamespace",
                       fmt::format("ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not "
                                   "exist in namespace \"{}\"",
                                   reference.api_version(),
                                   reference.kind(),
                                   object_.key.ns,
                                   reference.name(),
                                   reference.uid(),
                                   object_.key.ns)));
      }
    }
  }

  DocumentPtr without_owners(const std::set<std::string, std::less<>>& uids) const {
    Edit edit(object_);
    TreeArray kept;
    for (const auto& each : Edit::array_in(edit.metadata(), "ownerReferences")) {
      if (!uids.contains(std::string_view(each.at("uid").as_string()))) {
        kept.push_back(each);
      }
    }
    edit.metadata()["ownerReferences"] = std::move(kept);
    return edit.document();
  }

  Owners owners_of(const Stored& object) const {
    Owners out;
    const views::ObjectMetaView metadata(object.metadata());
    for (const auto reference : metadata.owner_references()) {
      const auto place = lookup_(reference.api_version(), reference.kind());
      const bool is_unreachable = place.is_namespaced && object.key.ns.empty();
      if (place.resource.empty() || is_unreachable) {
        out.solid.push_back(reference);  // a kind that we do not know is not for us to judge
        continue;
      }
      const Key key{
          place.resource, place.is_namespaced ? object.key.ns : "", std::string(reference.name())};
      const auto* owner = asked_.seen.get(key);
      if (owner == nullptr || owner->uid() != reference.uid()) {
        out.absent.push_back({.key = key, .uid = std::string(reference.uid())});
        out.lost_uids.emplace(reference.uid());
      } else if (waits_for_dependents(*owner)) {
        out.waiting.push_back(reference);
        out.lost_uids.emplace(reference.uid());
      } else {
        out.solid.push_back(reference);
      }
    }
    return out;
  }

  const Question& asked_;
  const KindLookup& lookup_;
  const Stored& object_;
  Plan plan_;
};

/// Nothing that is looked at here: most changes of an object are of its status.
bool is_as_before(const Stored& before, const Stored& after) {
  constexpr std::array<std::string_view, 4> kRead = {
      "uid", "ownerReferences", "deletionTimestamp", "finalizers"};
  const auto old = before.metadata();
  const auto fresh = after.metadata();
  return std::all_of(kRead.begin(), kRead.end(), [&](std::string_view member) {
    return fresh[member].same_as(old[member]);
  });
}

/// Owners that wait learn of what happens to their dependents, dependents of the end of their
/// owner.
void keys_of_change(const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
  if (change.before != nullptr && change.after != nullptr &&
      is_as_before(*change.before, *change.after)) {
    return;
  }
  if (change.after == nullptr) {
    for (const auto* dependent : seen.owned_by(change.before->uid())) {
      keys.push_back(dependent->key);
    }
  } else if (change.after->metadata()["ownerReferences"].size() > 0 ||
             is_terminating(*change.after)) {
    keys.push_back(change.after->key);
  }
  if (change.before == nullptr) {
    return;
  }
  for (const auto reference : change.before->metadata()["ownerReferences"].elements()) {
    const auto* owner = seen.by_uid(reference["uid"].string());
    if (owner != nullptr && is_terminating(*owner)) {
      keys.push_back(owner->key);
    }
  }
  if (change.after != nullptr && change.before->uid() != change.after->uid()) {
    for (const auto* dependent : seen.owned_by(change.before->uid())) {
      keys.push_back(dependent->key);  // another object took the name between two lists
    }
  }
}

class GarbageCollection final : public Controller {
 public:
  explicit GarbageCollection(KindLookup lookup) : lookup_(std::move(lookup)) {}

  std::string_view name() const override { return "garbage-collection"; }

  std::vector<Watching> watches() const override { return {{"*", keys_of_change}}; }

  Plan reconcile(const Question& asked) const override {
    const auto* object = asked.seen.get(asked.key);
    return object == nullptr ? Plan{} : Round(asked, lookup_, *object).run();
  }

 private:
  const KindLookup lookup_;
};

}  // namespace

std::unique_ptr<Controller> garbage_collection_controller(KindLookup lookup) {
  return std::make_unique<GarbageCollection>(std::move(lookup));
}

}  // namespace tetrarch::reconcile
