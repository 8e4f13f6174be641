// SPDX-License-Identifier: Apache-2.0
// History: the last changes of every resource, in chunks that never move, so that a watcher which
// begins in the past takes a few pointers and reads without a lock. Belongs to the Hub, whose mutex
// guards it.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/entry.h"
#include "store/store.h"

namespace tetrarch::store {

/// One change of one object. `now` is null for a delete, `before` for a create.
struct Change {
  Revision revision;
  EntryPtr now;
  EntryPtr before;
};

/// Part of a chunk, kept alive: changes[begin..end).
struct Slice {
  std::shared_ptr<const Change[]> changes;
  std::size_t begin = 0;
  std::size_t end = 0;
};

class History {
 public:
  struct Limits {
    std::size_t events_max;
    std::size_t bytes_max;
  };

  /// `last` is the revision of the last commit before the start, `first` the one that the start
  /// begins with: those between were never given out, or are lost.
  History(Limits limits, Revision last, Revision first)
      : limits_(limits), last_(last), first_(first) {}

  /// How many objects of `resource` there are at the start.
  void begin(std::string_view resource, std::size_t objects);
  /// Drops what is more than is worth keeping of this resource.
  void append(std::string_view resource, const Change& change);
  /// Drops what is over the limits.
  void trim();
  /// Whether every change of `resource` after `from` is still here.
  bool reaches(std::string_view resource, Revision from) const;
  /// Every change of `resource` after `from`, in order.
  std::vector<Slice> since(std::string_view resource, Revision from) const;
  /// The oldest revision that every resource reaches back to.
  Revision floor() const;

  std::size_t events() const { return events_; }

  std::size_t bytes() const { return bytes_; }

 private:
  struct Chunk {
    std::shared_ptr<Change[]> changes;  // kChunk of them; shared with slices
    std::size_t size = 0;
    std::size_t bytes = 0;
  };

  struct Ring {
    std::deque<Chunk> chunks;
    std::size_t events = 0;
    std::size_t bytes = 0;
    std::size_t objects = 0;
    Revision floor;  // of the last change that was dropped
  };

  static constexpr std::size_t kChunk = 64;
  // Who is so many changes behind lists again at less cost: what changes all the time (leases)
  // takes no more memory than this, and leaves the rest to others.
  static constexpr std::size_t kEventsPerObject = 4;
  static constexpr std::size_t kEventsMin = 4096;

  Ring& ring(std::string_view resource);
  void drop_oldest(Ring& ring);
  Ring& largest(std::size_t Ring::*by);

  const Limits limits_;
  const Revision last_;
  const Revision first_;
  std::map<std::string, Ring, std::less<>> rings_;
  std::size_t events_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace tetrarch::store
