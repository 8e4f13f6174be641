// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes pkg/controller/history and its users (1.31): the form of the data, which
// kubectl sends back as a strategic merge patch; which revisions stay.
#include "reconcile/template_history.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/template_hash.h"

namespace tetrarch::reconcile {

namespace {

using object::Tree;
using object::TreeArray;
using object::TreeObject;

constexpr std::string_view kResource = "controllerrevisions.apps";
constexpr std::string_view kPatch = "$patch";

std::int64_t number_of(const Stored& revision) {
  return revision.root()["revision"].integer();
}

Tree bare(object::View source) {
  auto tree = object::to_tree(source);
  if (!tree.is_object()) {
    return TreeObject();
  }
  tree.get_object().erase(kPatch);
  return tree;
}

Change creation_of(const Stored& owner,
                   const std::string& hash,
                   std::int64_t number,
                   HistoryStyle style) {
  auto source = bare(owner.root()["spec"]["template"]);
  TreeObject labels;
  if (const auto given = owner.root().find("spec.template.metadata.labels"); given.is_object()) {
    labels = object::to_tree(given).as_object();
  }
  labels[style.hash_label] = hash;
  const auto name = fmt::format("{}-{}", owner.key.name, hash);
  TreeObject metadata{{"name", name},
                      {"namespace", owner.key.ns},
                      {"labels", std::move(labels)},
                      {"ownerReferences", TreeArray{controller_reference(owner)}}};
  if (const auto annotations = owner.metadata()["annotations"]; annotations.is_object()) {
    metadata["annotations"] = object::to_tree(annotations);
  }
  source.as_object()[kPatch] = "replace";
  const TreeObject revision{
      {"kind", "ControllerRevision"},
      {"apiVersion", "apps/v1"},
      {"metadata", std::move(metadata)},
      {"data", TreeObject{{"spec", TreeObject{{"template", std::move(source)}}}}},
      {"revision", number}};
  Change change{.verb = Change::Verb::create,
                .key = Key{std::string(kResource), owner.key.ns, name}};
  change.document = object::to_document(revision);
  return change;
}

}  // namespace

const Stored* TemplateHistory::named(std::string_view name) const {
  for (const auto* each : all) {
    if (each->key.name == name) {
      return each;
    }
  }
  return nullptr;
}

object::View template_of_revision(const Stored& revision) {
  return revision.root().find("data.spec.template");
}

TemplateHistory find_history(const Question& asked,
                             const Stored& owner,
                             const object::LabelSelector& selector,
                             Plan* plan) {
  TemplateHistory out;
  out.all = claim_children(
      asked,
      {.owner = owner, .resource = kResource, .selector = selector, .may_adopt = &may_adopt_living},
      plan);
  std::erase_if(out.all, [](const Stored* each) { return is_terminating(*each); });
  std::sort(out.all.begin(), out.all.end(), [](const Stored* a, const Stored* b) {
    return std::tuple(number_of(*a), created_at(*a), a->key.name) <
           std::tuple(number_of(*b), created_at(*b), b->key.name);
  });
  const auto wanted = bare(owner.root()["spec"]["template"]);
  for (const auto* each : out.all) {
    if (same_meaning(wanted, bare(template_of_revision(*each)))) {
      out.present = each;  // of equal ones the newest
    }
    out.next = std::max(out.next, number_of(*each) + 1);
  }
  return out;
}

bool record_template(const Question& asked,
                     const Stored& owner,
                     const TemplateHistory& history,
                     HistoryStyle style,
                     std::int64_t* collisions,
                     Plan* plan) {
  if (history.present != nullptr) {
    if (history.present == history.all.back()) {
      return false;
    }
    Edit edit(*history.present);
    edit.root()["revision"] = history.next;
    plan->changes.push_back(update_of(*history.present, edit.document()));
    return true;
  }
  const auto hash = hash_of_template(bare(owner.root()["spec"]["template"]), *collisions);
  auto creation = creation_of(owner, hash, history.next, style);
  if (asked.seen.get(creation.key) != nullptr) {
    ++*collisions;  // another name next time
    return false;
  }
  plan->changes.push_back(std::move(creation));
  return true;
}

void trim_history(const Stored& owner,
                  const TemplateHistory& history,
                  const std::set<std::string, std::less<>>& living,
                  Plan* plan) {
  const auto limit = owner.root()["spec"]["revisionHistoryLimit"];
  if (!limit.exists()) {
    return;
  }
  std::vector<const Stored*> old;
  for (const auto* each : history.all) {
    if (each != history.present && !living.contains(each->key.name)) {
      old.push_back(each);
    }
  }
  const auto kept = static_cast<std::size_t>(std::max<std::int64_t>(0, limit.integer()));
  for (std::size_t i = 0; i + kept < old.size(); ++i) {
    plan->changes.push_back(removal_of(*old[i]));
  }
}

}  // namespace tetrarch::reconcile
