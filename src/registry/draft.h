// SPDX-License-Identifier: Apache-2.0
// Draft: an object on its way to the store. The metadata that the registry owns is in the open; the
// rest is the decoded document plus an overlay. Used by one request, on its strand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "object/document.h"
#include "object/writer.h"
#include "registry/overlay.h"
#include "schema/catalog.h"

namespace tetrarch::registry {

/// metadata, field by field. Empty texts are not printed.
struct Meta {
  std::string name;
  std::string generate_name;
  std::string ns;
  std::string uid;
  std::int64_t generation = 0;
  std::string created;
  std::string deleted;                  ///< deletionTimestamp
  std::optional<std::int64_t> grace_s;  ///< deletionGracePeriodSeconds
  std::string labels;                   ///< canonical JSON
  std::string annotations;              ///< canonical JSON
  std::string owners;                   ///< canonical JSON of ownerReferences
  std::vector<std::string> finalizers;
  std::string managed;  ///< canonical JSON of managedFields

  static Meta read(object::View metadata);
  void write(object::Writer& out) const;
};

/// A map in canonical JSON ("": there is none) with one member more, or with another value of it.
std::string with_member(const std::string& map, std::string_view key, std::string json);

class Draft {
 public:
  /// `base` has at least metadata.
  Draft(const schema::Kind& kind, DocumentPtr base);

  const schema::Kind& kind() const { return *kind_; }

  object::View base() const { return base_->root(); }

  object::View find(std::string_view path) const { return base().find(path); }

  void set(std::string_view path, std::string json) { changes.at(path).replace(std::move(json)); }

  void set_text(std::string_view path, std::string_view text) { set(path, quoted(text)); }

  void drop(std::string_view path) { changes.at(path).drop(); }

  /// Takes a top-level member from another object, or its absence.
  void take(std::string_view member, object::View from);

  /// kind, apiVersion, metadata, then the rest.
  DocumentPtr finish() const;

  Meta meta;
  Overlay changes;

 private:
  const schema::Kind* kind_;
  DocumentPtr base_;
};

}  // namespace tetrarch::registry
