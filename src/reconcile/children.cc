// SPDX-License-Identifier: Apache-2.0
#include "reconcile/children.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "reconcile/edit.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

using object::LabelSelector;
using object::TreeArray;
using object::TreeObject;

namespace {

Change adoption_by(const Claim& claim, const Stored& child) {
  auto change = adoption_of(child, claim.owner);
  if (!claim.finalizer.empty()) {
    auto tree = object::to_tree(change.document->root());
    auto& metadata = Edit::object_in(tree.as_object(), "metadata");
    Edit::array_in(metadata, "finalizers").emplace_back(claim.finalizer);
    change.document = object::to_document(tree);
  }
  return change;
}

}  // namespace

std::vector<const Stored*> claim_children(const Question& asked, const Claim& claim, Plan* plan) {
  auto mine = asked.seen.controlled_by(claim.resource, claim.owner.uid());
  if (is_terminating(claim.owner)) {
    return mine;
  }
  std::erase_if(mine, [&](const Stored* child) {
    if (claim.selector.matches(child->metadata()["labels"])) {
      return false;
    }
    if (!is_terminating(*child)) {
      plan->changes.push_back(update_of(*child, released(*child, claim.owner.uid())));
    }
    return true;
  });
  for (const auto* child : asked.seen.uncontrolled(claim.resource, claim.owner.key.ns)) {
    if (claim.may_adopt(*child, claim.owner) &&
        claim.selector.matches(child->metadata()["labels"])) {
      plan->changes.push_back(adoption_by(claim, *child));
      mine.push_back(child);
    }
  }
  return mine;
}

bool may_adopt_active(const Stored& child, const Stored& /*owner*/) {
  return is_active(child);
}

bool may_adopt_living(const Stored& child, const Stored& /*owner*/) {
  return !is_terminating(child);
}

LabelSelector selector_of(const Stored& owner) {
  const auto read = LabelSelector::from_object(owner.root()["spec"]["selector"]);
  return read.ok() && !read->is_everything() ? *read : LabelSelector::nothing();
}

Watching::Keys keys_of_child(std::string resource, std::string kind, SelectorOf selector) {
  auto by_owner = key_of_controller(resource, std::move(kind));
  return [resource = std::move(resource),
          by_owner = std::move(by_owner),
          selector = std::move(selector)](
             const Mirror& seen, const Observed& change, std::vector<Key>& keys) {
    by_owner(seen, change, keys);
    if (change.after == nullptr || controller_of(*change.after)) {
      return;
    }
    for (const auto* owner : seen.list(resource, change.after->key.ns)) {
      if (selector(*owner).matches(change.after->metadata()["labels"])) {
        keys.push_back(owner->key);
      }
    }
  };
}

TreeObject pod_from(const Stored& owner, views::PodTemplateSpecView source) {
  TreeObject metadata{
      {"name", ""}, {"generateName", owner.key.name + "-"}, {"namespace", owner.key.ns}};
  for (const auto member : {"labels", "annotations", "finalizers"}) {
    if (const auto value = source.metadata().view()[member]) {
      metadata[member] = object::to_tree(value);
    }
  }
  metadata["ownerReferences"] = TreeArray{controller_reference(owner)};
  return TreeObject{{"kind", "Pod"},
                    {"apiVersion", "v1"},
                    {"metadata", std::move(metadata)},
                    {"spec", object::to_tree(source.spec().view())}};
}

Change pod_creation(const Stored& owner, const TreeObject& pod) {
  const std::string name(pod.at("metadata").at("name").as_string());
  Change change{.verb = Change::Verb::create, .key = Key{"pods", owner.key.ns, name}};
  change.document = object::to_document(pod);
  change.when_done =
      note_about(owner, Note::Type::normal, "SuccessfulCreate", "Created pod: " + name);
  change.when_failed = note_about(owner, Note::Type::warning, "FailedCreate", "Error creating");
  return change;
}

Change pod_removal(const Stored& owner, const Stored& pod) {
  auto change = removal_of(pod);
  change.when_done =
      note_about(owner, Note::Type::normal, "SuccessfulDelete", "Deleted pod: " + pod.key.name);
  change.when_failed = note_about(owner, Note::Type::warning, "FailedDelete", "Error deleting");
  return change;
}

std::int64_t number_in(std::string_view text, std::int64_t otherwise) {
  std::int64_t value = otherwise;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

std::int64_t slot_of(const Stored& pod) {
  return number_in(pod.metadata()["annotations"][kSlot].string(), -1);
}

std::int64_t highest_slot(const std::vector<const Stored*>& pods) {
  std::int64_t out = -1;
  for (const auto* pod : pods) {
    out = std::max(out, slot_of(*pod));
  }
  return out;
}

void set_count(TreeObject& status, std::string_view name, std::int64_t value) {
  if (value == 0) {
    status.erase(name);
  } else {
    status[name] = value;
  }
}

void report_status(const Stored& object, object::Tree status, Plan* plan) {
  if (!same_meaning(object.root()["status"], status)) {
    plan->changes.push_back(update_of(object, with_status(object, std::move(status)), "status"));
  }
}

}  // namespace tetrarch::reconcile
