// SPDX-License-Identifier: Apache-2.0
// What the store keeps and every reader gets: a key, a revision and a shared document. The document
// never contains metadata.resourceVersion; it is spliced in from the revision when the object
// leaves the process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "object/document.h"

namespace tetrarch {

/// `resource` is the plural, with the group where there is one: "pods", "deployments.apps".
/// `ns` is empty for cluster-scoped objects.
struct Key {
  std::string resource;
  std::string ns;
  std::string name;
  auto operator<=>(const Key&) const = default;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept;
};

struct Stored {
  Key key;
  Revision revision;     ///< of the last change; for a deleted object, of its deletion
  DocumentPtr document;  ///< never null in a Stored that was returned

  object::View root() const { return document->root(); }

  object::View metadata() const { return document->root()["metadata"]; }

  std::string_view uid() const { return metadata()["uid"].string(); }
};

/// An object around its revision, for scatter-gather: both parts point into the document.
struct Spliced {
  std::string_view head;
  std::string_view tail;  ///< empty where there is no metadata to hold the revision
};

/// Appends to `middle` what belongs between head and tail: `"resourceVersion":"123",`.
Spliced splice_revision(const Document& document, Revision revision, std::string& middle);
void append_spliced(std::string& out, const Document& document, Revision revision);

}  // namespace tetrarch
