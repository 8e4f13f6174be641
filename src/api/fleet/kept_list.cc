// SPDX-License-Identifier: Apache-2.0
#include "api/fleet/kept_list.h"

#include <utility>

namespace tetrarch::api::fleet {

KeptList::Items KeptList::find(const PageToken& token, std::string_view question) const {
  const std::lock_guard lock(mutex_);
  const bool is_told = token.page > 1 && items_ != nullptr && question_ == question && !is_old();
  return is_told ? items_ : nullptr;
}

KeptList::Items KeptList::keep(std::string question, std::vector<Stored> items) {
  auto kept = std::make_shared<const std::vector<Stored>>(std::move(items));
  const std::lock_guard lock(mutex_);
  items_ = kept;
  question_ = std::move(question);
  since_ = clock_.steady();
  return kept;
}

void KeptList::drop(const Items& items) {
  const std::lock_guard lock(mutex_);
  if (items_ == items) {
    items_.reset();
  }
}

void KeptList::drop_old() {
  const std::lock_guard lock(mutex_);
  if (is_old()) {
    items_.reset();
  }
}

}  // namespace tetrarch::api::fleet
