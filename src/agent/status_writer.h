// SPDX-License-Identifier: Apache-2.0
// Writes pods' statuses to the server: per pod only the newest counts, and many go out together.
// Keeps trying while the server is away. Used on the agent's strand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/objects.h"
#include "async/task.h"
#include "async/timer.h"
#include "client/client.h"

namespace tetrarch::agent {

/// A write of a pod's status over what was read: not over a newer one, nor another of that name.
client::WriteOptions status_write(const std::string& uid, Revision expected);

class StatusWriter {
 public:
  /// Tells again, too, of an end that the server has not heard of. Sets `objects`' on_untold_end.
  StatusWriter(client::Client& client, Objects& objects);
  StatusWriter(const StatusWriter&) = delete;
  StatusWriter& operator=(const StatusWriter&) = delete;

  /// `status` is canonical JSON; replaces what waits for that pod.
  void submit(Key pod, std::string uid, std::string status);

  /// Nothing waits any more for the pod.
  void forget(const std::string& uid) { waiting_.erase(uid); }

  bool is_waiting(const std::string& uid) const { return waiting_.contains(uid); }

  /// Owned by a TaskGroup.
  Task<void> run();

 private:
  struct Entry {
    Key pod;
    std::string status;
    std::uint64_t number;  ///< which submission: a newer one may come while this is under way
  };

  Task<bool> write_batch();
  Task<void> save_ends(const std::vector<client::Change>& changes);
  Task<void> settle(std::string uid, Entry entry, Result<Stored> written);
  Task<Result<Stored>> write_on_fresh(std::string uid, Entry entry);
  void drop(const std::string& uid, std::uint64_t number);

  client::Client& client_;
  Objects& objects_;
  std::map<std::string, Entry> waiting_;  ///< by uid
  std::uint64_t count_ = 0;
  bool is_server_away_ = false;
  async::Event changed_;
};

}  // namespace tetrarch::agent
