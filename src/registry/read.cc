// SPDX-License-Identifier: Apache-2.0
// Reader: get and list.
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "registry/reader.h"
#include "registry/versions.h"

namespace tetrarch::registry {

using object::View;

namespace {

Error invalid_options(FieldError fault) {
  FieldErrors faults;
  faults.push_back(std::move(fault));
  return invalid("ListOptions.meta.k8s.io", "", std::move(faults));
}

/// Fills one page; knows when it is full.
struct PageFiller {
  const Selection& selection;
  std::size_t limit;
  client::ListPage& page;
  std::size_t visited = 0;
  bool has_more = false;

  bool visit(const Stored& stored) {
    if (limit != 0 && page.items.size() == limit) {
      has_more = true;
      return false;
    }
    ++visited;
    if (selection.is_everything() || selection.matches(stored.root())) {
      page.items.push_back(stored);
    }
    return true;
  }
};

Error expired_token(const ContinueToken& token) {
  // Source: Kubernetes API concepts, "Retrieving large results sets in chunks": 410 with a token
  // that continues without consistency.
  Error error{
      Code::expired,
      "The provided continue parameter is too old to display a consistent list result. You "
      "can start a new list without the continue parameter, or use the continue token in "
      "this response to retrieve the remainder of the results. Continuing with the provided "
      "token results in an inconsistent list - objects that were created, modified, or "
      "deleted between the time the first chunk was returned and now may show up in the "
      "list."};
  error.fields.push_back({"ListContinue", ContinueToken{0, token.ns, token.name}.text(), ""});
  return error;
}

}  // namespace

Result<std::uint64_t> parse_version(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && (fault != std::errc() || end != text.data() + text.size())) {
    return invalid_options(invalid_text("resourceVersion", text, "must be a decimal number"));
  }
  return number;
}

Error version_too_large(std::uint64_t asked, std::uint64_t current) {
  Error error{Code::timeout,
              fmt::format("Timeout: Too large resource version: {}, current: {}", asked, current)};
  error.fields.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  error.retry_after_s = 1;
  return error;
}

Status check_read_at(const ReadAt& at, bool has_continue) {
  // Source: Kubernetes API concepts, "Semantics for get and list", the table of
  // resourceVersionMatch.
  constexpr auto kField = "resourceVersionMatch";
  if (at.match.empty()) {
    return ok();
  }
  if (has_continue) {
    return invalid_options(
        forbidden_field(kField, "resourceVersionMatch is forbidden when continue is provided"));
  }
  if (at.resource_version.empty()) {
    return invalid_options(forbidden_field(
        kField, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  }
  if (at.match != "Exact" && at.match != "NotOlderThan") {
    return invalid_options(not_supported(kField, at.match, {"Exact", "NotOlderThan", ""}));
  }
  if (at.match == "Exact" && at.resource_version == "0") {
    return invalid_options(forbidden_field(
        kField, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
  }
  return ok();
}

Reader::Reader(const Surroundings& here, const Planner& planner, const NodePods& node_pods)
    : here_(here), planner_(planner), node_pods_(node_pods), paged_(here.clock, here.options) {}

Result<Stored> Reader::shown(const schema::Kind& asked, Stored stored) const {
  const auto& kind = planner_.storage(asked);
  if (&asked != &kind) {
    TRY(stored.document, converted(kind, asked, stored.document));
  }
  return stored;
}

Result<Selection> Reader::selection(const Call& call, const client::Selectors& text) const {
  return Selection::make(*call.kind, planner_.strategy(*call.kind), text);
}

Result<store::Snapshot> Reader::snapshot_at(const ReadAt& at) const {
  const auto newest = here_.store.snapshot();
  TRY(const auto asked, parse_version(at.resource_version));
  if (asked > newest.revision().number) {
    return version_too_large(asked, newest.revision().number);
  }
  if (at.match != "Exact" || asked == newest.revision().number) {
    return newest;
  }
  auto kept = paged_.find(asked);
  if (!kept) {
    return Error{Code::expired, "The resourceVersion for the provided list is too old."};
  }
  return *std::move(kept);
}

Result<Stored> Reader::get(const Call& call, const ReadAt& at) const {
  TRY(const auto snapshot, snapshot_at({at.resource_version, ""}));
  auto found = snapshot.get(planner_.key_of(call));
  if (!found) {
    return not_found(qualified(*call.kind), call.name);
  }
  return shown(*call.kind, *std::move(found));
}

Result<std::pair<store::Snapshot, std::pair<std::string, std::string>>> Reader::start_of(
    const ListOptions& options) const {
  TRY_STATUS(check_read_at(options.at, !options.continue_token.empty()));
  if (options.continue_token.empty()) {
    auto at = options.at;
    // Source: Kubernetes API concepts, the table of resourceVersionMatch: unset with a limit, a
    // version is meant exactly.
    if (options.limit != 0 && at.match.empty() && at.resource_version != "0" &&
        !at.resource_version.empty()) {
      at.match = "Exact";
    }
    TRY(auto snapshot, snapshot_at(at));
    return std::pair{std::move(snapshot), std::pair<std::string, std::string>{}};
  }
  if (!options.at.resource_version.empty() && options.at.resource_version != "0") {
    return bad_request("specifying resource version is not allowed when using continue");
  }
  TRY(auto token, ContinueToken::parse(options.continue_token));
  std::pair after{token.ns, token.name};
  const auto newest = here_.store.snapshot();
  if (token.revision == 0 || token.revision == newest.revision().number) {
    return std::pair{newest, std::move(after)};
  }
  auto kept = paged_.find(token.revision);
  if (!kept) {
    return expired_token(token);
  }
  return std::pair{*std::move(kept), std::move(after)};
}

/// The index of pods by node follows the newest state; an older snapshot is scanned.
std::optional<NodePods::Ids> Reader::ids_on(const std::string& node,
                                            const store::Snapshot& snapshot) const {
  if (node.empty() || here_.store.snapshot().revision() != snapshot.revision()) {
    return std::nullopt;
  }
  return node_pods_.on(node, snapshot.revision());
}

Result<client::ListPage> Reader::list(const Call& call, const ListOptions& options) {
  TRY(const auto selection, this->selection(call, options.select));
  TRY(const auto start, start_of(options));
  const auto& [snapshot, after] = start;
  const auto& kind = *call.kind;
  client::ListPage page;
  page.revision = snapshot.revision();
  const std::string ns = kind.is_namespaced ? (call.ns.empty() ? selection.ns() : call.ns) : "";
  PageFiller filler{selection, options.limit, page};
  const auto name = selection.name();
  const auto node = kind.resource == "pods" ? selection.node() : std::string();
  if (!name.empty() && (!kind.is_namespaced || !ns.empty())) {
    if (const auto found = snapshot.get(Key{kind.resource, ns, name});
        found && after.second.empty()) {
      filler.visit(*found);
    }
  } else if (const auto on_node = ids_on(node, snapshot)) {
    for (const auto& [pod_ns, pod_name] : *on_node) {
      const auto found = snapshot.get(Key{kind.resource, pod_ns, pod_name});
      const bool is_in = (ns.empty() || pod_ns == ns) && std::pair{pod_ns, pod_name} > after;
      if (found && is_in && !filler.visit(*found)) {
        break;
      }
    }
  } else {
    if (selection.is_everything() && options.limit == 0) {
      page.items.reserve(snapshot.count(kind.resource, ns));
    }
    snapshot.scan(
        kind.resource, ns, after, [&](const Stored& stored) { return filler.visit(stored); });
  }
  if (filler.has_more) {
    const auto& last = page.items.back().key;
    page.continue_token = ContinueToken{snapshot.revision().number, last.ns, last.name}.text();
    paged_.keep(snapshot);
    if (selection.is_everything() && after.second.empty()) {
      page.remaining = snapshot.count(kind.resource, ns) - page.items.size();
    } else if (selection.is_everything()) {
      snapshot.scan(kind.resource, ns, {last.ns, last.name}, [&](const Stored&) {
        return ++page.remaining != 0;
      });
    }
  }
  for (auto& item : page.items) {
    TRY(item, shown(kind, std::move(item)));
  }
  return page;
}

}  // namespace tetrarch::registry
