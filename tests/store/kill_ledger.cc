// SPDX-License-Identifier: Apache-2.0
#include "kill_ledger.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>

namespace tetrarch::store_kill {
namespace {

std::string text_of(const ObjectKey& key) {
  return fmt::format("{} {}/{}", std::get<0>(key), std::get<1>(key), std::get<2>(key));
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace

void Ledger::fault(std::string text) {
  faults_.push_back(std::move(text));
}

void Ledger::line(const std::string& text) {
  const std::vector<std::string> word = words_of(text);
  switch (text.front()) {
    case 'H':
      head_ = std::stoull(word.at(1));
      found_.clear();
      if (head_ < newest_) {
        fault(fmt::format("started at revision {}, but {} was given out before", head_, newest_));
      }
      break;
    case 'L':
      found_[{word.at(1), word.at(2), word.at(3)}] = {
          std::stoull(word.at(5)), word.at(4), word.at(6)};
      break;
    case 'R':
      judge_found();
      break;
    case 'I': {
      Write write{{word.at(2), word.at(3), word.at(4)}, word.at(5), word.at(6)};
      intended_.insert(write);
      all_intents_[word.at(1)] = write;
      intents_[word.at(1)] = std::move(write);
      break;
    }
    case 'A':
      ++acknowledged_;
      know(std::stoull(word.at(2)), all_intents_.at(word.at(1)));
      intents_.erase(word.at(1));
      break;
    case 'N':
      intents_.erase(word.at(1));
      break;
    case 'W':
      watches_[word.at(1)] = {word.at(2), word.at(3), word.at(4), std::stoull(word.at(5)), 0, {}};
      break;
    case 'E':
      take_event(word.at(1),
                 {std::stoull(word.at(2)), word.at(3), word.at(4), word.at(5), word.at(6)});
      break;
    case 'B':
      watches_.at(word.at(1)).position = std::stoull(word.at(2));
      break;
    default:
      fault("not a report: " + text);
  }
}

/// A write is known to have happened at a revision: it was acknowledged, or seen by a watcher of
/// the whole resource.
void Ledger::know(Revision revision, const Write& write) {
  if (revision <= head_) {
    fault(fmt::format("{} got revision {}, which is not above the start's {}",
                      text_of(write.key),
                      revision,
                      head_));
  }
  const auto [at, is_new] = writes_.emplace(revision, write);
  if (!is_new && (at->second.key != write.key || at->second.digest != write.digest)) {
    fault(fmt::format("revision {} was given to {} and to {}",
                      revision,
                      text_of(at->second.key),
                      text_of(write.key)));
  }
  newest_ = std::max(newest_, revision);
  State& state = known_[write.key];
  if (revision >= state.revision) {
    state = {revision, write.tag, write.digest};
  }
}

void Ledger::take_event(const std::string& watcher, Seen seen) {
  ++events_;
  Watch& watch = watches_.at(watcher);
  if (seen.revision <= std::max(watch.from, watch.seen.empty() ? 0 : watch.seen.back().revision)) {
    fault(fmt::format("{} got revision {} out of order", watcher, seen.revision));
  }
  if (watch.ns == "-" && watch.tag == "-") {
    const ObjectKey key{watch.resource, seen.ns, seen.name};
    const bool is_delete = seen.type == "deleted";
    const auto intent = std::ranges::find_if(
        intended_.lower_bound(Write{key, "", ""}), intended_.end(), [&](const Write& write) {
          return write.key != key || write.digest == (is_delete ? "-" : seen.digest);
        });
    if (intent == intended_.end() || intent->key != key) {
      fault(fmt::format("{} saw {} {} at {}, which nobody wrote",
                        watcher,
                        text_of(key),
                        seen.type,
                        seen.revision));
    } else {
      know(seen.revision, *intent);
    }
  }
  watch.seen.push_back(std::move(seen));
}

/// Whether `found` (null: no object) can be what became of `known` and the writes under way at the
/// kill.
bool Ledger::could_be(const ObjectKey& key, const State& known, const State* found) const {
  const bool is_gone = known.digest == "-" || known.revision == 0;
  if (found == nullptr ? is_gone : (!is_gone && found->revision == known.revision)) {
    return found == nullptr || (found->digest == known.digest && found->tag == known.tag);
  }
  if (found != nullptr && found->revision <= known.revision) {
    return false;
  }
  return std::ranges::any_of(in_flight_, [&](const Write& write) {
    return write.key == key &&
           (found == nullptr ? write.digest == "-"
                             : write.digest == found->digest && write.tag == found->tag);
  });
}

/// Compares what a child found at its start with all that is known of the ones before it.
void Ledger::judge_found() {
  std::set<ObjectKey> keys;
  for (const auto& [key, state] : known_) {
    keys.insert(key);
  }
  for (const auto& [key, state] : found_) {
    keys.insert(key);
  }
  for (const ObjectKey& key : keys) {
    const auto found = found_.find(key);
    const State* state = found == found_.end() ? nullptr : &found->second;
    const State known = known_[key];
    if (!could_be(key, known, state)) {
      fault(fmt::format("{}: known {} at {}, found {} at {}",
                        text_of(key),
                        known.digest,
                        known.revision,
                        state == nullptr ? "nothing" : state->digest,
                        state == nullptr ? 0 : state->revision));
    }
    in_flight_kept_ += (state == nullptr ? 0 : state->revision) > known.revision ? 1 : 0;
    if (state != nullptr && state->revision > head_) {
      fault(fmt::format("{} is at {}, above the start's {}", text_of(key), state->revision, head_));
    }
    // The pairs are always written together, both with the same text.
    const auto& [resource, ns, name] = key;
    if (resource == "pairs" && name.ends_with("-left")) {
      const auto other = found_.find({resource, ns, name.substr(0, name.size() - 4) + "right"});
      if ((state == nullptr ? "" : state->digest) !=
          (other == found_.end() ? "" : other->second.digest)) {
        fault(text_of(key) + ": half a transaction was found");
      }
    }
  }
  known_ = found_;
  at_start_ = found_;
  intents_.clear();
  all_intents_.clear();
  intended_.clear();
  writes_.clear();
  watches_.clear();
  in_flight_.clear();
  is_writing_ = true;
}

/// Every revision up to here is known: refused transactions use up none.
Revision Ledger::complete() const {
  Revision last = head_;
  for (const auto& [revision, write] : writes_) {
    if (revision != last + 1) {
      break;
    }
    last = revision;
  }
  return last;
}

bool Ledger::end_of_child() {
  if (!std::exchange(is_writing_, false)) {
    return false;  // killed before it wrote: what is known of the one before still stands
  }
  const Revision upto = complete();
  const Revision newest = writes_.empty() ? head_ : writes_.rbegin()->first;
  const std::size_t missing = newest - head_ - writes_.size();
  if (missing > intents_.size()) {
    fault(fmt::format("{} revisions up to {} were given to nobody, with {} writes under way",
                      missing,
                      newest,
                      intents_.size()));
  }
  for (const auto& [name, watch] : watches_) {
    judge_watch(name, watch, upto);
  }
  for (const auto& [id, write] : intents_) {
    in_flight_.push_back(write);
  }
  return !all_intents_.empty();
}

/// Plays the known writes again, under the watch's filter, and compares.
void Ledger::judge_watch(const std::string& name, const Watch& watch, Revision complete) {
  const Revision reached =
      std::max(watch.position, watch.seen.empty() ? 0 : watch.seen.back().revision);
  const Revision upto = std::min(reached, complete);
  std::map<ObjectKey, State> now = at_start_;
  std::vector<Seen> expected;
  for (const auto& [revision, write] : writes_) {
    const auto& [resource, ns, object] = write.key;
    const State before = now[write.key];
    const bool was = before.revision > 0 && before.digest != "-" &&
                     (watch.tag == "-" || before.tag == watch.tag);
    const bool is = write.digest != "-" && (watch.tag == "-" || write.tag == watch.tag);
    now[write.key] = {revision, write.tag, write.digest};
    if (revision > upto || revision <= watch.from || resource != watch.resource ||
        (watch.ns != "-" && watch.ns != ns) || (!was && !is)) {
      continue;
    }
    expected.push_back({revision,
                        !is   ? "deleted"
                        : was ? "modified"
                              : "added",
                        ns,
                        object,
                        is ? write.digest : before.digest});
  }
  std::vector<Seen> seen = watch.seen;
  std::erase_if(seen, [&](const Seen& event) { return event.revision > upto; });
  if (seen != expected) {
    const auto [e, s] = std::ranges::mismatch(expected, seen);
    fault(fmt::format(
        "watch {} of {}: {} events, expected {}; the first that differs: expected {}, seen {}",
        name,
        watch.resource,
        seen.size(),
        expected.size(),
        e == expected.end() ? 0 : e->revision,
        s == seen.end() ? 0 : s->revision));
  }
}

}  // namespace tetrarch::store_kill
