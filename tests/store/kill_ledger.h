// SPDX-License-Identifier: Apache-2.0
// Ledger: what the driver has been told by the children over a pipe, and whether it can all be
// true. One line each:
//   H head                          the revision a child started with
//   L resource ns name tag rev digest   an object it found
//   R                               it has reported all that it found, and writes from now on
//   I id resource ns name tag digest    it is about to put (digest) or delete (digest "-")
//   A id rev / N id                 the write was acknowledged / refused
//   W watcher resource ns tag from  a watch begins ("-": all)
//   E watcher rev type ns name digest   an event of it ("added", "modified", "deleted")
//   B watcher position              it has everything up to here
// Every line is one write(2) of less than PIPE_BUF, so a kill cuts none in two.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace tetrarch::store_kill {

using ObjectKey = std::tuple<std::string, std::string, std::string>;  // resource, ns, name
using Revision = std::uint64_t;

struct Write {
  ObjectKey key;
  std::string tag;
  std::string digest;  ///< "-": a delete
  auto operator<=>(const Write&) const = default;
};

struct Seen {
  Revision revision;
  std::string type;
  std::string ns;
  std::string name;
  std::string digest;
  auto operator<=>(const Seen&) const = default;
};

class Ledger {
 public:
  void line(const std::string& text);
  /// The child is dead: judges its watches (what it wrote is judged by what the next one finds).
  /// Whether it had written anything.
  bool end_of_child();

  bool is_child_writing() const { return is_writing_; }

  const std::vector<std::string>& faults() const { return faults_; }

  std::size_t acknowledged() const { return acknowledged_; }

  std::size_t events() const { return events_; }

  std::size_t in_flight_kept() const { return in_flight_kept_; }

 private:
  struct State {
    Revision revision = 0;
    std::string tag;
    std::string digest;  // "-": deleted
  };

  struct Watch {
    std::string resource;
    std::string ns;
    std::string tag;
    Revision from = 0;
    Revision position = 0;
    std::vector<Seen> seen;
  };

  void fault(std::string text);
  void know(Revision revision, const Write& write);
  void take_event(const std::string& watcher, Seen seen);
  void judge_found();
  void judge_watch(const std::string& name, const Watch& watch, Revision complete);
  Revision complete() const;
  bool could_be(const ObjectKey& key, const State& known, const State* found) const;

  std::vector<std::string> faults_;
  std::map<ObjectKey, State> known_;  // the last known write of each key, over all children
  Revision newest_ = 0;               // ever given out
  std::size_t acknowledged_ = 0;
  std::size_t events_ = 0;
  std::size_t in_flight_kept_ = 0;

  // Of the child that runs, or the last one:
  bool is_writing_ = false;  // has reported all that it found
  Revision head_ = 0;
  std::map<ObjectKey, State> found_;
  std::map<ObjectKey, State> at_start_;
  std::map<std::string, Write> intents_;      // neither acknowledged nor refused, by id
  std::map<std::string, Write> all_intents_;  // by id
  std::set<Write> intended_;                  // ever by this child
  std::map<Revision, Write> writes_;          // known to have happened
  std::map<std::string, Watch> watches_;
  std::vector<Write> in_flight_;  // of the child before
};

}  // namespace tetrarch::store_kill
