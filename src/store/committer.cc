// SPDX-License-Identifier: Apache-2.0
#include "store/committer.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "store/record.h"

namespace tetrarch::store {
namespace {

std::int64_t size_of(const EntryPtr& entry) {
  return entry ? static_cast<std::int64_t>(entry->document()->bytes().size()) : 0;
}

}  // namespace

Committer::Series::Series(Metrics& m)
    : committed(m.counter("tetrarch_store_transactions_total",
                          "Transactions by outcome.",
                          "outcome=\"committed\"")),
      refused(m.counter(
          "tetrarch_store_transactions_total", "Transactions by outcome.", "outcome=\"refused\"")),
      batches(m.counter("tetrarch_store_batches_total", "Batches written to the journal.")),
      mutations(m.counter("tetrarch_store_mutations_total",
                          "Objects changed; by batches_total: the mean batch.")),
      written_bytes(
          m.counter("tetrarch_store_written_bytes_total", "Bytes handed to the journal.")),
      append_s(
          m.histogram("tetrarch_store_append_seconds", "Time to append a batch, with its fsync.")),
      bytes(m.gauge("tetrarch_store_bytes", "Bytes of all documents at the head.")),
      metrics(m) {}

Committer::Committer(Parts parts, const Options& options, Revision reserved)
    : parts_(parts),
      options_(options),
      clock_(options.clock == nullptr ? system_clock() : *options.clock),
      head_(parts.published.get()),
      reserved_(reserved) {
  if (options.metrics == nullptr) {
    return;
  }
  series_.emplace(*options.metrics);
  std::int64_t bytes = 0;
  for (const Table& table : head_->tables) {
    Gauge& objects = options.metrics->gauge("tetrarch_store_objects",
                                            "Objects at the head.",
                                            fmt::format("resource=\"{}\"", *table.resource));
    objects.set(static_cast<std::int64_t>(table.tree.size()));
    series_->objects[*table.resource] = &objects;
    table.tree.scan({}, [&](const Entry& entry) {
      bytes += static_cast<std::int64_t>(entry.document()->bytes().size());
      return true;
    });
  }
  series_->bytes.set(bytes);
}

void Committer::run() {
  while (true) {
    std::vector<Request> requests = parts_.queue.take(options_.batch_max);
    if (requests.empty()) {
      break;
    }
    commit(std::move(requests));
  }
  give_back_reservation();
}

void Committer::turn() {
  std::vector<Request> requests = parts_.queue.take_waiting(options_.batch_max);
  if (!requests.empty()) {
    commit(std::move(requests));
  }
}

void Committer::commit(std::vector<Request> requests) {
  std::vector<Committing> answers;
  answers.reserve(requests.size());
  if (!failure_) {
    Batch batch(*head_, options_.sealing, next_batch_id_++);
    for (const Request& request : requests) {
      answers.push_back(batch.apply(request.transaction));
    }
    if (!batch.is_empty()) {
      if (const Status written = write(batch); written.ok()) {
        publish(batch);
      } else {
        log::error("store",
                   "the journal in {} has failed; no write is taken any more: {}",
                   parts_.journal.place(),
                   written.error().message);
        failure_ = Error{Code::unavailable,
                         fmt::format("the store cannot write: {}", written.error().message)};
      }
    }
  }
  if (failure_) {
    answers.assign(requests.size(), Committing{*failure_});
  }
  count(answers);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].done(std::move(answers[i]));
  }
}

/// One append: the objects, the sums, the last revision, and where the reserved ones do not
/// suffice, the next block. Revisions of that block are not seen by anybody before the append is
/// durable.
Status Committer::write(Batch& batch) {
  bool is_durable = !batch.is_volatile();
  for (Journal::Write& sum : batch.sums()) {
    batch.writes().push_back(std::move(sum));
  }
  batch.writes().push_back(encode_number(kLastKey, batch.last().number));
  Revision reserved = reserved_;
  if (batch.last() > reserved_) {
    reserved = Revision{batch.last().number + options_.revision_block};
    batch.writes().push_back(encode_number(kReservedKey, reserved.number));
    is_durable = true;
  }
  const SteadyPoint begin = clock_.steady();
  TRY_STATUS(parts_.journal.append(batch.writes(), is_durable));
  reserved_ = reserved;
  if (series_) {
    series_->append_s.observe(std::chrono::duration<double>(clock_.steady() - begin).count());
  }
  return ok();
}

/// First the root, then the changes: whoever has seen an event finds it in the next snapshot.
void Committer::publish(const Batch& batch) {
  head_ = batch.root();
  parts_.published.set(head_);
  parts_.hub.publish(batch.publications(), head_->revision);
  count(batch);
}

void Committer::count(const Batch& batch) {
  if (!series_) {
    return;
  }
  series_->batches.add();
  series_->mutations.add(batch.publications().size());
  for (const Publication& publication : batch.publications()) {
    const Change& change = publication.change;
    series_->bytes.add(size_of(change.now) - size_of(change.before));
    series_->written_bytes.add(static_cast<std::uint64_t>(size_of(change.now)));
    if ((change.now == nullptr) == (change.before == nullptr)) {
      continue;
    }
    Gauge*& objects = series_->objects[std::string(publication.resource)];
    if (objects == nullptr) {
      objects = &series_->metrics.gauge("tetrarch_store_objects",
                                        "Objects at the head.",
                                        fmt::format("resource=\"{}\"", publication.resource));
    }
    objects->add(change.now == nullptr ? -1 : 1);
  }
}

void Committer::count(const std::vector<Committing>& answers) {
  if (!series_) {
    return;
  }
  for (const Committing& answer : answers) {
    (answer.ok() ? series_->committed : series_->refused).add();
  }
}

/// After an orderly end the next start goes on with the very next revision, and watchers can
/// resume.
void Committer::give_back_reservation() {
  if (failure_ || reserved_ == head_->revision) {
    return;
  }
  const std::uint64_t last = head_->revision.number;
  const Status written = parts_.journal.append(
      {encode_number(kLastKey, last), encode_number(kReservedKey, last)}, true);
  if (!written.ok()) {
    log::warning("store", "closing {}: {}", parts_.journal.place(), written.error().message);
  }
}

}  // namespace tetrarch::store
