// SPDX-License-Identifier: Apache-2.0
// World: a cluster in memory for the tests of controllers: it keeps objects by the API's rules,
// runs controllers over a mirror (which may lag, as watches do), and lets pods start, get ready and
// end. Only tests include it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "object/tree.h"
#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// So that a failed expectation names the change.
inline void PrintTo(const Change& change, std::ostream* out) {
  *out << (change.verb == Change::Verb::create   ? "create "
           : change.verb == Change::Verb::update ? "update "
                                                 : "remove ")
       << change.key.resource << " " << change.key.ns << "/" << change.key.name << " "
       << change.subresource;
}

class World {
 public:
  explicit World(unsigned seed = 1) : random_(seed) {}

  void add(std::unique_ptr<Controller> controller);
  /// The controllers of Deployments and ReplicaSets, and what cleans up behind them.
  void add_deployments();

  // What users, agents and the scheduler do.
  const Stored& create(std::string resource, std::string json);
  using Change = std::function<void(object::TreeObject& root)>;
  void change(const Key& key, const Change& edit);
  /// The pods of a Deployment or ReplicaSet get another template, which says nothing else.
  void set_image(const Key& owner, int image);
  void remove(const Key& key, Propagation propagation = Propagation::background);
  void vanish(const Key& key);  ///< gone at once, whatever holds it

  void refuse_creates(std::string resource, std::string why) {
    refused_[std::move(resource)] = std::move(why);
  }

  void allow_creates() { refused_.clear(); }

  void make_ready(const Key& pod, bool is_ready = true, std::string node = "n1");
  void make_all_ready();
  void end_terminating();
  /// One pod, chosen by chance, takes one step of its life.
  void progress_a_pod();

  // Running the controllers.
  /// Plans and applies one key, if any is queued; events may still be on their way to the mirror.
  bool step();
  /// Delivers and reconciles until nothing is left; false: that never came.
  bool settle(int rounds_most = 2000);
  /// Time passes; what asked to be looked at again is.
  void advance(std::chrono::seconds by);

  /// Its agent's connection gives a sign.
  void hear(std::string_view node) { mirror_.hear(node, now()); }

  /// The control plane was away.
  void forget_silence() { mirror_.forget_silence(now()); }

  /// Events wait for deliver() instead of reaching the mirror at once.
  void lag(bool is_lagging) { is_lagging_ = is_lagging; }

  /// Delivers up to that many events, of resources chosen by chance, in order within each.
  void deliver(int count);

  /// Delivers the next event of that resource.
  void deliver_of(const std::string& resource) { deliver_one(resource); }

  Plan plan(const Controller& controller, const Key& key, std::string_view last_failure = "") const;
  /// As the driver would commit it; errors are answered, one per change ("" where it went well).
  std::vector<std::string> apply(const Plan& plan);

  // Looking.
  const Stored* get(const Key& key) const;
  std::vector<const Stored*> list(std::string_view resource, std::string_view ns = "") const;
  std::vector<std::string> names(std::string_view resource, std::string_view ns = "") const;
  std::string text(const Key& key, std::string_view dotted_path) const;
  std::int64_t integer(const Key& key, std::string_view dotted_path) const;

  const Mirror& mirror() const { return mirror_; }

  TimePoint now() const { return now_; }

  unsigned chance(unsigned below) { return static_cast<unsigned>(random_() % below); }

  std::vector<Note> notes;             ///< everything recorded
  int writes = 0;                      ///< changes that were carried out
  std::function<void()> after_change;  ///< called after each change of the store

 private:
  struct Work {
    std::size_t controller;
    Key key;
    auto operator<=>(const Work&) const = default;
  };

  std::string apply_one(const reconcile::Change& change);
  std::string apply_update(const reconcile::Change& change, Stored& stored);
  std::string apply_removal(const reconcile::Change& change, const Stored& stored);
  bool is_absent(const Absence& absence) const;
  bool is_alive(const Presence& presence) const;
  void store(Key key, const object::Tree& tree);
  void erase(const Key& key);
  void begin_deletion(const Stored& stored, Propagation propagation);
  void publish(const Stored& stored, bool is_gone);
  void deliver_one(const std::string& resource);
  void deliver_until(const Work& work);

  std::vector<std::unique_ptr<Controller>> controllers_;
  std::map<Key, Stored> objects_;
  std::map<std::string, std::deque<std::pair<Stored, bool>>> pending_;
  std::map<std::string, std::string> refused_;
  Mirror mirror_;
  std::set<Work> queue_;
  std::map<Work, TimePoint> look_again_;
  std::map<Work, std::map<std::string, Revision>> awaited_;
  std::map<Work, std::string> failures_;
  std::mt19937 random_;
  std::uint64_t revision_ = 0;
  TimePoint now_{std::chrono::seconds(1'700'000'000)};
  bool is_lagging_ = false;
};

}  // namespace tetrarch::reconcile
