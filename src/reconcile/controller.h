// SPDX-License-Identifier: Apache-2.0
// The shapes of control logic. A Controller is a pure function from (a mirror at least as new as
// our own last commit, key, now) to a Plan; control's driver watches, calls, commits and backs off.
// No I/O, no clock, no chance in here.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "object/stored.h"
#include "reconcile/mirror.h"

namespace tetrarch::reconcile {

/// What becomes an Event object: something worth telling the user about an object.
struct Note {
  enum class Type : std::uint8_t { normal, warning };
  Type type = Type::normal;
  std::string reason;  ///< SuccessfulCreate
  std::string message;
  Key about;
  std::string kind = {};         ///< Pod
  std::string api_version = {};  ///< v1
  std::string uid = {};
  bool operator==(const Note&) const = default;
};

/// A Note about a stored object; kind and version are read from it.
Note note_about(const Stored& object,
                Note::Type type,
                std::string_view reason,
                std::string message);

enum class Propagation : std::uint8_t { unset, background, foreground, orphan };

/// "Not there" that a mirror alone cannot know, because each resource is watched for itself: the
/// driver asks the server before it commits.
struct Absence {
  Key key;               ///< name empty: nothing of this resource in this namespace
  std::string uid = {};  ///< empty: of any uid
  bool operator==(const Absence&) const = default;
};

/// "There, and not being deleted" that a mirror alone cannot know either: an owner that was deleted
/// with orphan lets its dependents go, and must not take them back just because its own end has not
/// been seen yet.
struct Presence {
  Key key;  ///< name empty: nothing is asked
  std::string uid = {};
  bool operator==(const Presence&) const = default;
};

/// One change, with preconditions on what was read.
struct Change {
  enum class Verb : std::uint8_t { create, update, remove };
  Verb verb = Verb::update;
  Key key;
  DocumentPtr document = nullptr;  ///< the whole new object; null for remove
  std::string subresource = {};    ///< status, finalize …
  Revision expected = {};          ///< 0: whatever is there
  std::string expected_uid = {};
  Propagation propagation = Propagation::unset;    ///< for remove
  std::optional<std::int64_t> grace_seconds = {};  ///< for remove; unset: the object's own
  std::vector<Absence> confirm_absent =
      {};                       ///< all must hold, else the change is dropped and planned again
  Presence confirm_alive = {};  ///< the same
  std::optional<Note> when_done = {};  ///< recorded if the change succeeded
  std::optional<Note> when_failed =
      {};  ///< recorded if it was refused; ": " and the error are appended
};

/// The object as read, with a new document.
Change update_of(const Stored& read, DocumentPtr document, std::string_view subresource = "");
/// The object, which nobody controls, with `owner` as its controller: only while that is alive.
Change adoption_of(const Stored& object, const Stored& owner);
/// Deletes exactly what was read (by uid).
Change removal_of(const Stored& read);

struct Plan {
  std::vector<Change> changes;   ///< independent of each other; tried in this order
  std::vector<Note> notes = {};  ///< recorded in any case
  std::optional<TimePoint> look_again = {};

  void look_again_at(TimePoint time);  ///< the earliest wins
};

/// What a controller is asked.
struct Question {
  const Mirror& seen;
  const Key& key;
  TimePoint now;
  std::string_view last_failure =
      {};  ///< why the previous plan for this key could not be carried out; empty: it could
};

/// Which keys a change of `resource` concerns.
struct Watching {
  using Keys =
      std::function<void(const Mirror& seen, const Observed& change, std::vector<Key>& keys)>;
  std::string resource;  ///< "*": every mirrored resource
  Keys keys;
};

/// A seam: one implementation per kind of control logic. Immutable; reconcile() may be called at
/// any time.
class Controller {
 public:
  virtual ~Controller() = default;
  virtual std::string_view name() const = 0;
  virtual std::vector<Watching> watches() const = 0;

  /// To be looked at from the start, whatever there is: for sweeps.
  virtual std::vector<Key> first_keys() const { return {}; }

  virtual Plan reconcile(const Question& asked) const = 0;
};

/// The object itself.
Watching::Keys own_key();
/// The object's controlling owner, if it is a `kind` (Deployment), as a key of `resource`
/// (deployments.apps).
Watching::Keys key_of_controller(std::string resource, std::string kind);

}  // namespace tetrarch::reconcile
