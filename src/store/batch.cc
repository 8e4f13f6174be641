// SPDX-License-Identifier: Apache-2.0
#include "store/batch.h"

#include <charconv>
#include <iterator>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "store/record.h"

namespace tetrarch::store {
namespace {

constexpr std::string_view kFailedCompare = "CompareFailed";

Error conflict(std::size_t at, std::string message) {
  FieldError field{
      .reason = std::string(kFailedCompare), .message = message, .field = fmt::format("{}", at)};
  return {Code::conflict, std::move(message), {std::move(field)}};
}

Status check_storable(const Mutation& mutation) {
  const Key& key = mutation.key;
  if (key.resource.empty() || key.name.empty()) {
    return Error{Code::invalid, "a key needs a resource and a name"};
  }
  for (const std::string* part : {&key.resource, &key.ns, &key.name, &mutation.tag}) {
    if (part->size() > Entry::kTextMax || part->find('\0') != std::string::npos) {
      return Error{
          Code::invalid,
          fmt::format("{} cannot be stored: a part of its key is too long or has a NUL byte",
                      describe(key).substr(0, 256))};
    }
  }
  return ok();
}

}  // namespace

std::optional<std::size_t> failed_compare(const Error& error) {
  for (const FieldError& field : error.fields) {
    std::size_t at = 0;
    const char* end = field.field.data() + field.field.size();
    if (field.reason == kFailedCompare && std::from_chars(field.field.data(), end, at).ptr == end) {
      return at;
    }
  }
  return std::nullopt;
}

Batch::Batch(const Snapshot::Root& head, const Sealing& sealing, std::uint64_t id)
    : sealing_(sealing), root_(std::make_shared<Snapshot::Root>(head)), edit_(id) {}

Committing Batch::apply(const Transaction& transaction) {
  TRY_STATUS(check(transaction));
  std::vector<Journal::Write> writes;
  TRY_STATUS(prepare(transaction.mutations, writes));
  writes_.insert(
      writes_.end(), std::move_iterator(writes.begin()), std::move_iterator(writes.end()));
  if (!transaction.mutations.empty()) {
    is_volatile_ = is_volatile_ && transaction.is_volatile;
  }
  Committed committed;
  committed.objects.reserve(transaction.mutations.size());
  for (const Mutation& mutation : transaction.mutations) {
    committed.objects.push_back(apply_one(mutation));
  }
  return committed;
}

Status Batch::check(const Transaction& transaction) const {
  for (std::size_t i = 0; i < transaction.compares.size(); ++i) {
    const Compare& compare = transaction.compares[i];
    const Entry* entry = find(compare.key);
    const Revision actual = entry == nullptr ? Revision{} : entry->revision();
    if (actual == compare.expected) {
      continue;
    }
    if (entry == nullptr) {
      return conflict(i, fmt::format("{} does not exist any more", describe(compare.key)));
    }
    return conflict(i,
                    compare.expected == Revision{}
                        ? fmt::format("{} exists already", describe(compare.key))
                        : fmt::format("{} has been modified: it is at revision {}, not {}",
                                      describe(compare.key),
                                      actual.number,
                                      compare.expected.number));
  }
  return check_mutations(transaction.mutations);
}

Status Batch::check_mutations(const std::vector<Mutation>& mutations) const {
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> seen;
  for (const Mutation& mutation : mutations) {
    TRY_STATUS(check_storable(mutation));
    if (mutations.size() > 1 &&
        !seen.emplace(mutation.key.resource, mutation.key.ns, mutation.key.name).second) {
      return Error{Code::invalid,
                   fmt::format("{} is changed twice in one transaction", describe(mutation.key))};
    }
    if (mutation.document == nullptr && find(mutation.key) == nullptr) {
      return Error{Code::not_found, fmt::format("{} does not exist", describe(mutation.key))};
    }
  }
  return ok();
}

Status Batch::prepare(const std::vector<Mutation>& mutations,
                      std::vector<Journal::Write>& writes) const {
  std::uint64_t revision = root_->revision.number;
  for (const Mutation& mutation : mutations) {
    ++revision;
    if (mutation.document == nullptr) {
      writes.push_back(
          {.key = object_key(mutation.key), .head = {}, .body = {}, .is_delete = true});
      continue;
    }
    TRY(auto write,
        encode_object(
            mutation.key, mutation.tag, Revision{revision}, *mutation.document, sealing_));
    writes.push_back(std::move(write));
  }
  return ok();
}

Stored Batch::apply_one(const Mutation& mutation) {
  const Revision revision{++root_->revision.number};
  Table& table = root_->table(mutation.key.resource);
  Change change{.revision = revision, .now = {}, .before = {}};
  if (mutation.document == nullptr) {
    change.before = edit_.erase(table.tree, place_of(mutation.key));
  } else {
    change.now = Entry::make(place_of(mutation.key), mutation.tag, revision, mutation.document);
    change.before = edit_.put(table.tree, change.now);
    table.marks += mark_of(*table.resource, change.now->place(), revision);
  }
  if (change.before) {
    table.marks -= mark_of(*table.resource, change.before->place(), change.before->revision());
  }
  touched_.insert(*table.resource);
  const DocumentPtr& document = change.now ? change.now->document() : change.before->document();
  Stored stored{.key = mutation.key, .revision = revision, .document = document};
  publications_.push_back({.resource = *table.resource, .change = std::move(change)});
  return stored;
}

std::vector<Journal::Write> Batch::sums() const {
  std::vector<Journal::Write> out;
  for (const std::string_view resource : touched_) {
    out.push_back(encode_sum(resource, root_->table(resource).sum()));
  }
  return out;
}

const Entry* Batch::find(const Key& key) const {
  const Tree* tree = root_->find(key.resource);
  return tree == nullptr ? nullptr : tree->find(place_of(key));
}

}  // namespace tetrarch::store
