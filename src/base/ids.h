// SPDX-License-Identifier: Apache-2.0
// Ids that cannot be mistaken for each other.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace tetrarch {

/// A distinct string type per Tag.
template <class Tag>
struct NamedString {
  std::string text;

  NamedString() = default;

  explicit NamedString(std::string value) : text(std::move(value)) {}

  auto operator<=>(const NamedString&) const = default;
  bool operator==(const NamedString&) const = default;
};

using NodeName = NamedString<struct NodeNameTag>;
using PodUid = NamedString<struct PodUidTag>;

/// The store's revision of a change: a plain increasing number, printed in decimal as
/// resourceVersion. 0 means none (an object not stored yet; in a read, "any").
struct Revision {
  std::uint64_t number = 0;
  auto operator<=>(const Revision&) const = default;
};

}  // namespace tetrarch

template <class Tag>
struct std::hash<tetrarch::NamedString<Tag>> {
  std::size_t operator()(const tetrarch::NamedString<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.text);
  }
};
