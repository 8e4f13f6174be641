// SPDX-License-Identifier: Apache-2.0
// Planner: JSON patch, merge patch and strategic merge patch, each as an update of what is there
// now.
#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "object/json_patch.h"
#include "object/merge_patch.h"
#include "object/tree.h"
#include "registry/managed.h"
#include "registry/planner.h"
#include "registry/versions.h"
#include "schema/duplicates.h"

namespace tetrarch::registry {

namespace {

/// The object as the caller sees it: in its version, with its resourceVersion.
Result<object::Tree> visible_tree(const schema::Kind& asked,
                                  const schema::Kind& kind,
                                  const Stored& old) {
  auto document = old.document;
  if (&asked != &kind) {
    TRY(document, converted(kind, asked, document));
  }
  auto tree = object::to_tree(document->root());
  tree.as_object()["metadata"].as_object()["resourceVersion"] = std::to_string(old.revision.number);
  return tree;
}

/// A patch that cannot be applied to what is there. Source: the texts of a 1.35 server, which keeps
/// the reason to itself. Ours: the reason behind the sentence.
Error inapplicable(Error why) {
  if (why.code == Code::invalid) {
    why.message = "the server rejected our request due to an error in our request: " + why.message;
  }
  return why;
}

/// What a patch makes of an object must be one. Source: the texts of a 1.35 server.
Error undecodable(const Call& call, std::string_view patched, const Error& why) {
  auto text = why.message;
  // "<kind> in version <version> cannot be handled as a <kind>: " is about bodies.
  constexpr std::string_view kHandled = " cannot be handled as a ";
  if (const auto at = text.find(kHandled); at != std::string::npos) {
    text.erase(0, text.find(": ", at) + 2);
  }
  FieldErrors faults;
  faults.push_back(invalid_value("patch", quoted(patched), text));
  return invalid("", call.name, std::move(faults));
}

/// What stands twice in the patch counts as what stands twice in an object. Source: kube-apiserver,
/// handlers/patch.go (1.35): before what is wrong with the result. Empty: nothing is, or nobody
/// asks.
std::string judge_duplicates(const Call& call, std::string_view body) {
  if (call.field_validation == FieldValidation::ignore) {
    return {};
  }
  auto found = schema::duplicate_fields(body);
  if (call.field_validation == FieldValidation::strict) {
    return fmt::format("{}", fmt::join(found, ", "));
  }
  if (call.warnings != nullptr) {
    std::ranges::move(found, std::back_inserter(*call.warnings));
  }
  return {};
}

/// The error of a strict decoding with those before it.
Error with_duplicates(Error why, const std::string& duplicates) {
  constexpr std::string_view kStrict = "strict decoding error: ";
  const auto at = why.message.find(kStrict);
  if (at != std::string::npos) {
    why.message.insert(at + kStrict.size(), duplicates + ", ");
  }
  return why;
}

}  // namespace

Result<DocumentPtr> Planner::patched(const Call& call,
                                     client::PatchType type,
                                     std::string_view body,
                                     const Stored& old) const {
  auto parsed = Document::parse(body);
  if (!parsed.ok()) {
    return bad_request("error decoding patch: " + parsed.error().message);
  }
  const auto patch = *std::move(parsed);
  TRY(auto tree, visible_tree(*call.kind, storage(*call.kind), old));
  switch (type) {
    case client::PatchType::json:
      if (auto applied = object::apply_json_patch(tree, patch->root()); !applied.ok()) {
        return inapplicable(std::move(applied).error());
      }
      break;
    case client::PatchType::merge:
      TRY_STATUS(object::apply_merge_patch(tree, patch->root()));
      break;
    case client::PatchType::strategic: {
      if (!patch->root().is_object()) {
        return bad_request("a strategic merge patch must be a JSON object");
      }
      TRY_STATUS(apply_strategic(tree, patch->root(), *call.kind));
      break;
    }
    case client::PatchType::apply:
      return bad_request("an applied configuration is no patch of the object that is there");
  }
  return object::to_document(tree);
}

Result<Plan> Planner::patch(const Call& call,
                            client::PatchType type,
                            std::string_view body,
                            const client::WriteOptions& options) const {
  if (type == client::PatchType::apply) {
    return apply(call, body, options);
  }
  const auto snapshot = here_.store.snapshot();
  TRY(const auto old, existing(call, snapshot));
  TRY(const auto document, patched(call, type, body, old));
  const auto duplicates = judge_duplicates(call, body);
  auto fresh = decode(call, document->bytes());
  if (fresh.ok() && !duplicates.empty()) {
    fresh = Error{Code::malformed, "strict decoding error: " + duplicates};
  } else if (!fresh.ok() && !duplicates.empty()) {
    fresh = with_duplicates(std::move(fresh).error(), duplicates);
  }
  if (!fresh.ok()) {
    return undecodable(call, document->bytes(), fresh.error());
  }
  fresh->clears_managed = has_empty_managed(document->bytes());
  return update_from(call, snapshot, old, *std::move(fresh), options, true);
}

}  // namespace tetrarch::registry
