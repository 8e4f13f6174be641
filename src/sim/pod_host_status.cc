// SPDX-License-Identifier: Apache-2.0
// PodHost: statuses on their way to the server, the newest of each pod, until it takes them.
#include "agent/status.h"
#include "agent/status_writer.h"
#include "sim/pod_host.h"

namespace tetrarch::sim {
namespace {

constexpr std::size_t kBatchMax = 64;
constexpr seconds kPause{1};

bool is_away(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::timeout ||
         error.code == Code::exhausted;
}

}  // namespace

Task<void> PodHost::write_statuses(std::uint64_t life) {
  while (life == life_) {
    if (telling_.empty()) {
      co_await has_telling_.wait();
      continue;
    }
    const bool is_taken = co_await write_batch();
    if (!is_taken) {
      co_await async::sleep_for(kPause);
    }
  }
}

/// False where the server is away.
Task<bool> PodHost::write_batch() {
  std::vector<client::Change> changes;
  std::vector<std::pair<std::string, Telling>> sent;
  for (auto at = telling_.begin(); at != telling_.end() && sent.size() < kBatchMax;) {
    const auto worker = workers_.find(at->first);
    if (worker == workers_.end()) {
      at = telling_.erase(at);
      continue;
    }
    const auto& pod = worker->second.pod;
    client::Change change;
    change.key = pod.key;
    change.document = agent::with_status(pod.root(), at->second.status);
    change.write = agent::status_write(at->first, pod.revision);
    changes.push_back(std::move(change));
    sent.emplace_back(*at);
    ++at;
  }
  if (changes.empty()) {
    co_return true;
  }
  const auto life = life_;
  auto answers = co_await parts_.client.apply(std::move(changes));
  for (std::size_t i = 0; i < sent.size() && life == life_; ++i) {
    auto& [uid, telling] = sent[i];
    if (!answers[i].ok() && answers[i].error().code == Code::conflict) {
      auto again = co_await write_on_fresh(telling.pod, uid, telling.status);
      answers[i] = std::move(again);
    }
    if (!answers[i].ok() &&
        (is_away(answers[i].error()) || answers[i].error().code == Code::conflict)) {
      co_return false;
    }
    const auto at = telling_.find(uid);
    if (at != telling_.end() && at->second.status == telling.status) {
      telling_.erase(at);
    }
    if (answers[i].ok() && workers_.contains(uid)) {
      take_pod(*answers[i]);  // newer than what the feed has brought so far
    }
  }
  co_return true;
}

Task<Result<Stored>> PodHost::write_on_fresh(Key pod, std::string uid, std::string status) {
  CO_TRY(const Stored fresh, co_await parts_.client.get(pod));
  if (fresh.uid() != uid) {
    co_return Error{Code::not_found, "another pod of that name"};
  }
  auto options = agent::status_write(uid, fresh.revision);
  auto document = agent::with_status(fresh.root(), status);
  auto written = co_await parts_.client.update(pod, std::move(document), std::move(options));
  co_return written;
}

}  // namespace tetrarch::sim
