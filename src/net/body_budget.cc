// SPDX-License-Identifier: Apache-2.0
#include "net/body_budget.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace tetrarch::net {
namespace {

/// Of this machine, whose programs are not shut out by each other: what stands in front of the
/// server here has the requests of many. No address: a unix socket.
bool is_local(std::string_view address) {
  constexpr std::string_view kLoopback6("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);  // IPv4 within IPv6
  if (address.size() == kLoopback6.size() && address.starts_with(kMapped)) {
    address.remove_prefix(kMapped.size());
  }
  return address.empty() || address == kLoopback6 || (address.size() == 4 && address[0] == 127);
}

}  // namespace

BodyBudget::Held::Held(BodyBudget& budget, std::string address)
    : budget_(budget), address_(std::move(address)) {}

BodyBudget::Held::~Held() {
  (void)set(0);
}

bool BodyBudget::Held::set(std::uint64_t bytes) {
  if (bytes > bytes_ && !budget_.take(address_, bytes - bytes_)) {
    return false;
  }
  if (bytes < bytes_) {
    budget_.give_back(address_, bytes_ - bytes);
  }
  bytes_ = bytes;
  return true;
}

bool BodyBudget::take(const std::string& address, std::uint64_t bytes) {
  const auto share = is_local(address) ? bytes_max_ : std::min(bytes_per_address_max_, bytes_max_);
  const std::lock_guard lock(mutex_);
  const auto at = by_address_.find(address);
  const auto mine = at == by_address_.end() ? 0 : at->second;
  if (mine + bytes > share || bytes_ + bytes > bytes_max_) {
    return false;
  }
  bytes_ += bytes;
  by_address_[address] = mine + bytes;
  return true;
}

void BodyBudget::give_back(const std::string& address, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto at = by_address_.find(address);
  CHECK(at != by_address_.end() && at->second >= bytes);
  bytes_ -= bytes;
  at->second -= bytes;
  if (at->second == 0) {
    by_address_.erase(at);
  }
}

}  // namespace tetrarch::net
