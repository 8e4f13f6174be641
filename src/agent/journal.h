// SPDX-License-Identifier: Apache-2.0
// What `kubectl logs` of a unit's Pod shows: the unit's lines of this machine's journal, read by
// journalctl, with what systemd itself says of the unit among them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/log_reader.h"
#include "async/io_pool.h"
#include "async/task.h"
#include "net/http.h"

namespace tetrarch::agent {

/// The words of the command that reads it.
std::vector<std::string> journal_command(const std::string& unit, const LogWishes& wishes);

/// journalctl's JSON lines in pieces of any size in, plain text out. What is no JSON is a word of
/// journalctl's own, and is passed on. Pure.
class JournalFormatter {
 public:
  explicit JournalFormatter(LogWishes wishes) : wishes_(wishes) {}

  std::string feed(std::string_view bytes);

  /// limitBytes is used up.
  bool is_full() const { return wishes_.limit_bytes && *wishes_.limit_bytes <= 0; }

 private:
  std::string line(std::string_view json) const;

  LogWishes wishes_;
  std::string rest_;  ///< a line that has not ended
};

/// Writes the answer line and the log; returns when it has ended or the reader has gone.
Task<void> serve_journal(std::string unit,
                         LogWishes wishes,
                         async::BlockingPool& blocking,
                         net::Stream& stream);

}  // namespace tetrarch::agent
