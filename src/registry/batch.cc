// SPDX-License-Identifier: Apache-2.0
// Engine: several writes made durable together: batches of clients, and deletecollection.
#include <utility>

#include "registry/engine.h"
#include "registry/errors.h"

namespace tetrarch::registry {

namespace {

constexpr std::size_t kBatch = 512;

Call call_for(const trust::Identity& identity,
              const schema::Kind* kind,
              const client::Change& change) {
  Call call;
  call.identity = identity;
  call.kind = kind;
  call.ns = change.key.ns;
  call.name = change.key.name;
  call.subresource = change.write.subresource;
  call.field_manager = change.write.field_manager;
  call.field_validation = FieldValidation::ignore;
  call.is_internal = true;
  return call;
}

std::string_view verb_of(const client::Change& change) {
  switch (change.verb) {
    case client::Change::Verb::create:
      return "create";
    case client::Change::Verb::update:
      return "update";
    case client::Change::Verb::remove:
      break;
  }
  return "delete";
}

/// One write on its way through a batch.
struct Pending {
  std::size_t place;
  Call call;
  Plan plan;
};

}  // namespace

Result<Plan> Engine::plan_change(const Call& call, const client::Change& change) const {
  TRY_STATUS(check_access(call, verb_of(change)));
  if (change.verb == client::Change::Verb::remove) {
    return planner_.remove(call, change.remove);
  }
  if (change.document == nullptr) {
    return bad_request("a change needs a document");
  }
  if (call.subresource == "binding") {
    return planner_.bind(call, change.document->root());
  }
  if (call.subresource == "usage") {
    return planner_.recount(call);
  }
  const auto& bytes = change.document->bytes();
  if (change.verb == client::Change::Verb::create) {
    return planner_.create(call, bytes, change.write);
  }
  return call.subresource == "finalize" ? planner_.finalize(call, bytes)
                                        : planner_.update(call, bytes, change.write);
}

Task<Result<Stored>> Engine::change_alone(Call call, client::Change change) {
  const int tries = change.verb == client::Change::Verb::create ? kCreateTries : kTries;
  co_return co_await carry_out(
      call, [&] { return plan_change(call, change); }, tries);
}

Task<std::vector<Result<Stored>>> Engine::apply(trust::Identity identity,
                                                std::vector<client::Change> changes) {
  std::vector<Result<Stored>> answers(changes.size(), Error{Code::internal, "not reached"});
  std::vector<Pending> pending;
  std::vector<store::Transaction> transactions;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto kind = kind_of(changes[i].key.resource);
    if (!kind.ok()) {
      answers[i] = kind.error();
      continue;
    }
    auto call = call_for(identity, *kind, changes[i]);
    auto plan = plan_change(call, changes[i]);
    if (!plan.ok()) {
      answers[i] = std::move(plan).error();
    } else if (plan->transaction.mutations.empty()) {
      answers[i] = std::move(plan->settled);
    } else {
      transactions.push_back(std::move(plan->transaction));
      pending.push_back({i, std::move(call), *std::move(plan)});
    }
  }
  if (transactions.empty()) {
    co_return answers;
  }
  auto committed = co_await parts_.store.commit_each(std::move(transactions));
  for (std::size_t i = 0; i < pending.size(); ++i) {
    auto& each = pending[i];
    if (committed[i].ok()) {
      answers[each.place] = finish(each.call, each.plan, *std::move(committed[i]));
      continue;
    }
    const auto code = committed[i].error().code;
    const bool lost_race = code == Code::conflict || code == Code::not_found;
    if (!lost_race) {
      answers[each.place] = std::move(committed[i]).error();
      continue;
    }
    answers[each.place] =
        co_await change_alone(std::move(each.call), std::move(changes[each.place]));
  }
  co_return answers;
}

Task<Result<client::ListPage>> Engine::remove_collection(Call call,
                                                         ListOptions which,
                                                         client::DeleteOptions options) {
  CO_TRY_STATUS(check_access(call, "deletecollection", which.select.fields));
  CO_TRY(auto page, reader_.list(call, which));
  std::vector<Stored> gone;
  const bool is_dry_run = call.is_dry_run || options.is_dry_run;
  for (std::size_t begin = 0; begin < page.items.size() && !is_dry_run; begin += kBatch) {
    std::vector<client::Change> changes;
    for (std::size_t i = begin; i < std::min(begin + kBatch, page.items.size()); ++i) {
      client::Change change;
      change.verb = client::Change::Verb::remove;
      change.key = page.items[i].key;
      change.remove = options;
      changes.push_back(std::move(change));
    }
    // The caller may delete the collection; each single delete follows from that.
    trust::Identity masters{call.identity.user};
    masters.groups.emplace_back(trust::kMasters);
    auto answers = co_await apply(std::move(masters), std::move(changes));
    for (auto& answer : answers) {
      if (answer.ok()) {
        gone.push_back(*std::move(answer));
      } else if (answer.error().code != Code::not_found) {
        co_return std::move(answer).error();
      }
    }
  }
  if (!is_dry_run) {
    page.items = std::move(gone);
  }
  co_return page;
}

}  // namespace tetrarch::registry
