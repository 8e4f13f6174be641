// SPDX-License-Identifier: Apache-2.0
// Scripts in, the full exchange out. A line "> …" is a command; what follows is what the store
// answered. To write a new one, write the commands, run it, and read whether the answers are right.
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store_fixture.h"

namespace tetrarch::store {
namespace {

class Transcript : public StoreTest {
 protected:
  void run(std::string_view script) {
    start(options_);
    std::string exchange = "\n";
    std::istringstream lines{std::string(script)};
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("> ")) {
        exchange += line + "\n" + answer(line.substr(2));
      } else if (line.starts_with("#") || (line.empty() && exchange != "\n")) {
        exchange += line + "\n";
      }
    }
    EXPECT_EQ(exchange, script);
  }

  Options options_;

 private:
  using Words = std::map<std::string, std::string>;

  /// "put pods/x/a one tag=n1" gives {0: put, 1: pods/x/a, 2: one, tag: n1}.
  static Words words_of(const std::string& line) {
    Words words;
    std::istringstream in(line);
    int place = 0;
    for (std::string word; in >> word;) {
      const std::size_t at = word.find('=');
      if (at == std::string::npos) {
        words[std::to_string(place++)] = word;
      } else {
        words[word.substr(0, at)] = word.substr(at + 1);
      }
    }
    return words;
  }

  static Key key_of(const std::string& path) {
    const std::size_t first = path.find('/');
    const std::size_t second = path.find('/', first + 1);
    return {
        path.substr(0, first), path.substr(first + 1, second - first - 1), path.substr(second + 1)};
  }

  std::string answer(const std::string& line) {
    Words words = words_of(line);
    const std::string verb = words["0"];
    if (verb == "put" || verb == "delete") {
      return write(words);
    }
    if (verb == "watch") {
      auto watching = store_->watch({words["2"], words["ns"], words["tag"], words["name"]},
                                    Revision{std::stoull(words["from"])});
      if (!watching.ok()) {
        return std::string(to_string(watching.error().code)) + ": " + watching.error().message +
               "\n";
      }
      watching_[words["1"]] = std::move(watching).value();
      return "";
    }
    if (verb == "poll") {
      return read(*watching_[words["1"]], words["2"].empty() ? 1000 : std::stoull(words["2"]));
    }
    if (verb == "list") {
      return list(words["1"], words["2"]);
    }
    return restart(verb);
  }

  std::string write(Words& words) {
    const Key key = key_of(words["1"]);
    Transaction transaction =
        change(words["0"] == "put" ? put(key, words["2"], words["tag"]) : remove(key));
    if (words.contains("at")) {
      transaction.compares.push_back({key, Revision{std::stoull(words["at"])}});
    }
    transaction.is_volatile = words.contains("volatile");
    const Committing committing = commit(*store_, std::move(transaction));
    return committing.ok() ? std::to_string(committing->objects[0].revision.number) + "\n"
                           : std::string(to_string(committing.error().code)) + ": " +
                                 committing.error().message + "\n";
  }

  static std::string read(Subscription& subscription, std::size_t max) {
    std::string out;
    const auto events = subscription.poll(max);
    if (!events.ok()) {
      return std::string(to_string(events.error().code)) + ": " + events.error().message + "\n";
    }
    for (const Event& event : *events) {
      out += std::to_string(event.object.revision.number) + " " + to_text(event) + "\n";
    }
    return out + "at " + std::to_string(subscription.position().number) + "\n";
  }

  std::string list(const std::string& resource, const std::string& ns) {
    const Snapshot snapshot = store_->snapshot();
    std::string out;
    snapshot.scan(resource, ns, {}, [&](const Stored& stored) {
      out += std::to_string(stored.revision.number) + " " + stored.key.ns + "/" + stored.key.name +
             " " + text_of(stored.document) + "\n";
      return true;
    });
    return out + "at " + std::to_string(snapshot.revision().number) + "\n";
  }

  std::string restart(const std::string& verb) {
    watching_.clear();
    Store& store = verb == "kill"         ? kill_and_start(options_)
                   : verb == "power-loss" ? lose_power_and_start(options_)
                                          : start(options_);
    return "at " + std::to_string(store.snapshot().revision().number) + "\n";
  }

  std::map<std::string, std::unique_ptr<Subscription>> watching_;
};

TEST_F(Transcript, OptimisticConcurrency) {
  run(R"(
> put pods/x/a one at=0
2
> put pods/x/a again at=0
conflict: pods x/a exists already
> put pods/x/a two at=2
3
> put pods/x/a late at=2
conflict: pods x/a has been modified: it is at revision 3, not 2
> delete pods/x/a at=2
conflict: pods x/a has been modified: it is at revision 3, not 2
> delete pods/x/a at=3
4
> put pods/x/a three at=3
conflict: pods x/a does not exist any more
> delete pods/x/a
not found: pods x/a does not exist
> list pods
at 4
)");
}

TEST_F(Transcript, AWatchIsCutOffAndResumes) {
  run(R"(
> watch w pods from=1
> put pods/x/a one
2
> put services/x/s one
3
> put pods/x/b one
4
> poll w 1
2 ADDED x/a one
at 2
> watch again pods from=2
> delete pods/x/a
5
> poll again
4 ADDED x/b one
5 DELETED x/a one
at 5
> poll w
4 ADDED x/b one
5 DELETED x/a one
at 5
> watch tomorrow pods from=6
invalid: revision 6 is in the future: the newest is 5
)");
}

TEST_F(Transcript, APodIsBoundAndMovesBetweenNodes) {
  run(R"(
> watch n1 pods tag=n1 from=1
> watch n2 pods tag=n2 from=1
> put pods/x/a pending
2
> put pods/x/a bound tag=n1
3
> put pods/x/a running tag=n1
4
> put pods/x/a moved tag=n2
5
> delete pods/x/a
6
> poll n1
3 ADDED x/a bound
4 MODIFIED x/a running
5 DELETED x/a running
at 6
> poll n2
5 ADDED x/a moved
6 DELETED x/a moved
at 6
)");
}

TEST_F(Transcript, EndsOfEveryKind) {
  options_.revision_block = 100;
  run(R"(
> put pods/x/a one
2
> put leases/x/l beat volatile=yes
3
# An orderly end: nothing is lost, and the revisions go on.
> stop-and-start
at 3
> watch w pods from=2
expired: too old resource version: 2 (3)
> watch w pods from=3
> put leases/x/l beat-2 volatile=yes
4
> poll w
at 4
# Killed: volatile writes are there; the rest of the reserved block is not used.
> kill
at 104
> list leases
4 x/l beat-2
at 104
> watch w leases from=4
> watch v leases from=50
expired: too old resource version: 50 (4)
> put leases/x/l beat-3
105
> poll w
105 MODIFIED x/l beat-3
at 105
> put leases/x/l beat-4 volatile=yes
106
# Without power, volatile writes since the last durable one are lost; no revision is given twice.
> power-loss
at 205
> list leases
105 x/l beat-3
at 205
> watch w leases from=106
expired: too old resource version: 106 (105)
> put pods/x/b two
206
)");
}

}  // namespace
}  // namespace tetrarch::store
