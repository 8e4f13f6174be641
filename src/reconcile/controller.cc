// SPDX-License-Identifier: Apache-2.0
#include "reconcile/controller.h"

#include "reconcile/edit.h"

namespace tetrarch::reconcile {

Note note_about(const Stored& object,
                Note::Type type,
                std::string_view reason,
                std::string message) {
  const auto root = object.root();
  return Note{.type = type,
              .reason = std::string(reason),
              .message = std::move(message),
              .about = object.key,
              .kind = std::string(root["kind"].string()),
              .api_version = std::string(root["apiVersion"].string()),
              .uid = std::string(object.uid())};
}

Change update_of(const Stored& read, DocumentPtr document, std::string_view subresource) {
  return Change{.verb = Change::Verb::update,
                .key = read.key,
                .document = std::move(document),
                .subresource = std::string(subresource),
                .expected = read.revision,
                .expected_uid = std::string(read.uid())};
}

Change adoption_of(const Stored& object, const Stored& owner) {
  auto change = update_of(object, adopted(object, owner));
  change.confirm_alive = Presence{.key = owner.key, .uid = std::string(owner.uid())};
  return change;
}

Change removal_of(const Stored& read) {
  return Change{
      .verb = Change::Verb::remove, .key = read.key, .expected_uid = std::string(read.uid())};
}

void Plan::look_again_at(TimePoint time) {
  if (!look_again || time < *look_again) {
    look_again = time;
  }
}

Watching::Keys own_key() {
  return [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
    keys.push_back(change.any().key);
  };
}

Watching::Keys key_of_controller(std::string resource, std::string kind) {
  return [resource = std::move(resource), kind = std::move(kind)](
             const Mirror&, const Observed& change, std::vector<Key>& keys) {
    for (const auto* object : {change.before, change.after}) {
      if (object == nullptr) {
        continue;
      }
      for (const auto reference : object->metadata()["ownerReferences"].elements()) {
        if (reference["controller"].boolean() && reference["kind"].string() == kind) {
          keys.push_back(Key{resource, object->key.ns, std::string(reference["name"].string())});
        }
      }
    }
  };
}

}  // namespace tetrarch::reconcile
