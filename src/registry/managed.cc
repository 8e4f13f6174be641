// SPDX-License-Identifier: Apache-2.0
#include "registry/managed.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "object/managed_fields.h"
#include "registry/authorizer.h"
#include "registry/versions.h"
#include "schema/ownership.h"

namespace tetrarch::registry {

using object::ManagedEntries;
using object::View;

namespace {

// Ours: the agent acts under its node's identity, in the process or over HTTPS.
constexpr std::string_view kAgent = "tetrarch-agent";
// Source: apimachinery v0.35, util/managedfields: a manager without a name.
constexpr std::string_view kUnknown = "unknown";

const schema::Kind& stored_kind(const Tracking& tracking) {
  const auto* found = tracking.catalog.by_resource(tracking.call.kind->resource);
  return found == nullptr ? *tracking.call.kind : *found;
}

View managed_in(View object) {
  return object["metadata"]["managedFields"];
}

/// A list of one empty entry says: forget who set what.
bool is_reset(View managed) {
  return managed.size() == 1 && managed.at(0).size() == 0;
}

/// The entries that the client sent; none where it sent none that can be read.
ManagedEntries sent_entries(View sent, View old) {
  if (sent.size() == 0) {
    return {};
  }
  if (sent.same_as(old)) {
    return object::stored_managed(sent);
  }
  auto read = object::read_managed(sent);
  return read.ok() ? *std::move(read) : ManagedEntries();
}

View asked_view(const Body& body) {
  return body.asked != nullptr ? body.asked->root() : body.document->root();
}

}  // namespace

std::string manager_of(const Call& call) {
  if (!node_of(call.identity).empty()) {
    return std::string(kAgent);
  }
  return call.field_manager.empty() ? std::string(kUnknown) : call.field_manager;
}

object::FieldSet ignored_by(const Call& call) {
  return schema::ignored_fields(*call.kind, call.subresource, call.kind->has_subresource("status"));
}

Result<std::string> managed_of_new(const Tracking& tracking, const Body& body) {
  const auto& call = tracking.call;
  if (body.managed) {
    return *body.managed;
  }
  if (call.is_internal || !node_of(call.identity).empty()) {
    return std::string();
  }
  const auto ignored = ignored_by(call);
  const View fresh = asked_view(body);
  const schema::OwnedChange change{tracking.catalog, *call.kind, View(), fresh, ignored};
  const schema::Manager manager{manager_of(call), call.subresource, tracking.now};
  auto entries = sent_entries(managed_in(fresh), View());
  if (entries.empty()) {
    return schema::print_creator(change, manager);
  }
  schema::own_update(entries, change, manager);
  return object::print_managed(std::move(entries));
}

Result<std::string> managed_of_update(const Tracking& tracking,
                                      const Stored& old,
                                      const Body& body) {
  const auto& call = tracking.call;
  if (body.managed) {
    return *body.managed;
  }
  const View fresh = asked_view(body);
  const View before = managed_in(old.root());
  ManagedEntries entries;
  if (call.subresource.empty()) {
    if (body.clears_managed || is_reset(managed_in(fresh))) {
      return std::string();
    }
    entries = sent_entries(managed_in(fresh), before);
  }
  if (entries.empty()) {
    entries = object::stored_managed(before);
  }
  if (entries.empty()) {
    return std::string();
  }
  auto document = old.document;
  if (const auto& stored = stored_kind(tracking); &stored != call.kind) {
    TRY(document, converted(stored, *call.kind, document));
  }
  const auto ignored = ignored_by(call);
  schema::own_update(entries,
                     {tracking.catalog, *call.kind, document->root(), fresh, ignored},
                     {manager_of(call), call.subresource, tracking.now});
  return object::print_managed(std::move(entries));
}

bool has_empty_managed(std::string_view json) {
  constexpr std::string_view kName = "\"managedFields\"";
  const auto at = std::search(
      json.begin(), json.end(), std::boyer_moore_horspool_searcher(kName.begin(), kName.end()));
  if (at == json.end()) {
    return false;
  }
  auto rest = json.substr(static_cast<std::size_t>(at - json.begin()) + kName.size());
  for (const char c : {':', '[', ']'}) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    if (!rest.starts_with(c)) {
      return false;
    }
    rest.remove_prefix(1);
  }
  // The name may be anybody's: look where it stands.
  const auto parsed = Document::parse(json);
  const View managed = parsed.ok() ? managed_in((*parsed)->root()) : View();
  return managed.is_array() && managed.size() == 0;
}

}  // namespace tetrarch::registry
