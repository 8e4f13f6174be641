// SPDX-License-Identifier: Apache-2.0
// Backup: a store at one revision as one stream of bytes, with the files that it needs to be of
// use. Frames behind each other, each with a digest that goes on from the one before, and a last
// one that counts them: a flipped bit, a cut, a frame that is missing or moved are all noticed. See
// docs/adr/0034-backups.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "store/journal.h"
#include "store/store.h"

namespace tetrarch::store {

/// What the first frame tells.
struct BackupHead {
  Revision revision;  ///< everything up to here is in it, nothing later
  TimePoint taken_at;
};

struct BackupFrame {
  enum class Type : std::uint8_t { head, pair, file, end };
  Type type = Type::end;
  std::string_view key;    ///< of a pair, as in the journal; name of a file
  std::string_view value;  ///< borrowed for the call
};

/// Frames to bytes. Head first, end last.
class BackupEncoder {
 public:
  std::string head(const BackupHead& head);
  void pair(std::string& out, std::string_view key, std::string_view value);
  std::string file(std::string_view name, std::string_view bytes);
  std::string end();

 private:
  void frame(std::string& out,
             BackupFrame::Type type,
             std::string_view key,
             std::string_view value);

  std::uint64_t digest_ = 0;
  std::uint64_t frames_ = 0;
};

/// Bytes to frames, in pieces of any size.
class BackupDecoder {
 public:
  using Visit = std::function<Status(const BackupFrame&)>;

  /// Code::internal: it is damaged, and from where on; Code::invalid: it is no backup.
  Status push(std::string_view bytes, const Visit& visit);
  /// Behind the last byte. Code::internal: it was cut.
  Status finish() const;

  /// Of what the head frame says; once it has been seen.
  const std::optional<BackupHead>& head() const { return head_; }

 private:
  Status take_magic();
  Result<bool> take_frame(const Visit& visit);
  Status take_head(const BackupFrame& frame);
  Status check_end(const BackupFrame& frame) const;
  Error damaged(std::string_view what) const;

  std::string waiting_;       // bytes that are no whole frame yet
  std::size_t at_ = 0;        // in waiting_
  std::uint64_t offset_ = 0;  // of waiting_ in the stream
  bool is_begun_ = false;
  bool is_ended_ = false;
  std::uint64_t digest_ = 0;
  std::uint64_t frames_ = 0;
  std::optional<BackupHead> head_;
};

/// A snapshot as the bytes of a backup without files, made as they are asked for. The writers go on
/// meanwhile: what they replace is held until this is gone.
class BackupSource {
 public:
  BackupSource(Snapshot snapshot, Sealing sealing, TimePoint now);

  /// The next bytes, some hundred KB; empty: the end.
  Result<std::string> next();

 private:
  enum class Step : std::uint8_t { numbers, objects, ended };

  void put_numbers(std::string& out);
  Status put_objects(std::string& out);

  const Snapshot snapshot_;
  const Sealing sealing_;
  const TimePoint now_;
  BackupEncoder encoder_;
  Step step_ = Step::numbers;
  std::size_t table_ = 0;
  std::string after_ns_;
  std::string after_name_;
};

/// What a restored store begins above: no client can have seen a later revision of the cluster that
/// the backup was taken of. Bounded by what can be written in the time since, and by no less than
/// kRevisionGap.
std::uint64_t revision_after_restore(const BackupHead& head, TimePoint now);
inline constexpr std::uint64_t kRevisionGap = 1'000'000'000;

/// Writes the pairs of a backup into an empty journal, as those of a store that has given out every
/// revision up to a bound.
class RestoreWriter {
 public:
  /// The journal outlives it. After journal.begin().
  RestoreWriter(Journal& journal, std::uint64_t revision)
      : journal_(journal), revision_(revision) {}

  Status put(std::string_view key, std::string_view value);
  /// What was put is durable then.
  Status finish();

 private:
  Status write(bool is_durable);

  Journal& journal_;
  const std::uint64_t revision_;
  std::vector<Journal::Write> writes_;
  std::size_t bytes_ = 0;
};

}  // namespace tetrarch::store
