// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/seats.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace tetrarch::api::kubernetes {

std::size_t Seats::Level::idle() const {
  return used_ < limits_.own ? std::min(limits_.lendable, limits_.own - used_) : 0;
}

std::vector<std::shared_ptr<Seats::Level>> Seats::arrange(std::span<const NamedLimits> levels) {
  std::vector<std::shared_ptr<Level>> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& level : levels_) {
      // Whoever is still in a level that is no more needs seats of others.
      level->is_open_ = false;
      level->limits_ = {.borrowable = SIZE_MAX};
    }
    for (const auto& [name, limits] : levels) {
      const auto at =
          std::find_if(levels_.begin(), levels_.end(), [&name = name](const auto& each) {
            return each->name_ == name;
          });
      out.push_back(at != levels_.end() ? *at : std::make_shared<Level>(name));
      if (at == levels_.end()) {
        levels_.push_back(out.back());
      }
      out.back()->is_open_ = true;
      out.back()->limits_ = limits;
    }
    std::erase_if(levels_, [](const auto& each) {
      return !each->is_open_ && each->used_ == 0 && each->queue_.size() == 0;
    });
    recount();
  }
  seat_all();
  return out;
}

void Seats::recount() {
  borrowed_ = 0;
  idle_ = 0;
  for (const auto& level : levels_) {
    borrowed_ += level->borrowed();
    idle_ += level->idle();
  }
}

void Seats::set_used(Level& level, std::size_t count) {
  borrowed_ -= level.borrowed();
  idle_ -= level.idle();
  level.used_ = count;
  borrowed_ += level.borrowed();
  idle_ += level.idle();
}

bool Seats::may_enter(const Level& level) const {
  if (level.used_ >= level.limits_.own) {
    return level.borrowed() < level.limits_.borrowable && borrowed_ < idle_;
  }
  // Its own seat; one of those that it lends may be in use.
  const auto free = level.limits_.own - level.used_;
  return free > level.limits_.lendable || borrowed_ < idle_;
}

bool Seats::try_enter(Level& level) {
  const std::lock_guard lock(mutex_);
  if (level.queue_.size() > 0 || !may_enter(level)) {
    return false;
  }
  set_used(level, level.used_ + 1);
  return true;
}

Seats::Entry Seats::enter(Level& level,
                          std::string_view flow,
                          const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (level.queue_.size() == 0 && may_enter(level)) {
    set_used(level, level.used_ + 1);
    waiter->has_seat = true;
    return Entry::seated;
  }
  if (!level.queue_.push(flow, waiter, level.limits_.waiting)) {
    return Entry::refused;
  }
  ++waiting_;
  return Entry::waits;
}

void Seats::leave(Level& level) {
  std::shared_ptr<Waiter> next;
  {
    const std::lock_guard lock(mutex_);
    CHECK(level.used_ > 0);
    set_used(level, level.used_ - 1);
    next = seat_one();
  }
  if (next) {
    next->called();
  }
}

Seats::Level* Seats::next_level(bool is_borrowing) {
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const auto place = (turn_ + i) % levels_.size();
    auto& level = *levels_[place];
    const bool borrows = level.used_ >= level.limits_.own;
    if (level.queue_.size() > 0 && borrows == is_borrowing && may_enter(level)) {
      turn_ = place + 1;
      return &level;
    }
  }
  return nullptr;
}

std::shared_ptr<Waiter> Seats::seat_one() {
  if (waiting_ == 0) {
    return nullptr;
  }
  auto* level = next_level(false);
  level = level != nullptr ? level : next_level(true);
  if (level == nullptr) {
    return nullptr;
  }
  auto waiter = level->queue_.pop();
  --waiting_;
  set_used(*level, level->used_ + 1);
  waiter->has_seat = true;
  return waiter;
}

void Seats::seat_all() {
  while (true) {
    std::shared_ptr<Waiter> next;
    {
      const std::lock_guard lock(mutex_);
      next = seat_one();
    }
    if (!next) {
      return;
    }
    next->called();
  }
}

bool Seats::withdraw(Level& level, const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (waiter->has_seat) {
    return true;
  }
  const auto before = level.queue_.size();
  level.queue_.remove(waiter);
  waiting_ -= before - level.queue_.size();
  return false;
}

std::size_t Seats::used(const Level& level) const {
  const std::lock_guard lock(mutex_);
  return level.used_;
}

std::size_t Seats::waiting(const Level& level) const {
  const std::lock_guard lock(mutex_);
  return level.queue_.size();
}

}  // namespace tetrarch::api::kubernetes
