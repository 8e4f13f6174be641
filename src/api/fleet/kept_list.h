// SPDX-License-Identifier: Apache-2.0
// The items of a list as they were when its first page was asked for: its further pages cost their
// own size, and show the same moment. Clients of fleet read all pages, one after the other.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/fleet/page_token.h"
#include "base/clock.h"
#include "object/stored.h"

namespace tetrarch::api::fleet {

/// Thread-safe. One listing is kept, the newest: whoever asks for the page after one that he has
/// read is shown nothing older than that one.
class KeptList {
 public:
  using Items = std::shared_ptr<const std::vector<Stored>>;

  /// A client that is slower than this is shown the list anew.
  static constexpr std::chrono::seconds kLongest{10};

  /// `clock` outlives it.
  explicit KeptList(const Clock& clock) : clock_(clock) {}

  /// `question`: what the list was filtered by. Null: they are to be listed, as for a first page.
  Items find(const PageToken& token, std::string_view question) const;
  Items keep(std::string question, std::vector<Stored> items);
  /// Their last page was shown.
  void drop(const Items& items);
  /// Whoever read them has left off. To be called now and then: find alone frees nothing.
  void drop_old();

 private:
  bool is_old() const { return clock_.steady() - since_ > kLongest; }

  const Clock& clock_;
  mutable std::mutex mutex_;
  Items items_;
  std::string question_;
  SteadyPoint since_;
};

}  // namespace tetrarch::api::fleet
