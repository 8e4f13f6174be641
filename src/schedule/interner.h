// SPDX-License-Identifier: Apache-2.0
// Interner: a small number for each distinct text, so that columns compare numbers. Never forgets.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tetrarch::schedule {

class Interner {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  std::uint32_t intern(std::string_view text) {
    if (const auto found = ids_.find(text); found != ids_.end()) {
      return found->second;
    }
    texts_.emplace_back(text);
    const auto id = static_cast<std::uint32_t>(texts_.size() - 1);
    ids_.emplace(texts_.back(), id);
    return id;
  }

  /// kNone where the text was never interned.
  std::uint32_t find(std::string_view text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? kNone : found->second;
  }

  std::string_view text(std::uint32_t id) const { return texts_[id]; }

  std::size_t size() const { return texts_.size(); }

 private:
  std::deque<std::string> texts_;  // stable addresses: the keys of ids_ point here
  std::unordered_map<std::string_view, std::uint32_t> ids_;
};

}  // namespace tetrarch::schedule
