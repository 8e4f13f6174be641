// SPDX-License-Identifier: Apache-2.0
#include "net/spare.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace tetrarch::net {
namespace {

// What a string holds within itself is no storage.
const std::size_t kOwn = std::string().capacity();

// A function of its own: never part of a coroutine's frame, which may go on in another thread.
std::vector<std::string>& spares() {
  thread_local std::vector<std::string> of_this_thread;
  return of_this_thread;
}

}  // namespace

void take_spare(std::string& buffer, std::size_t bytes_max) {
  if (buffer.capacity() > kOwn) {
    return;
  }
  auto& all = spares();
  const auto fits = [&](const std::string& spare) { return spare.capacity() <= bytes_max; };
  const auto found = std::find_if(all.rbegin(), all.rend(), fits);
  if (found != all.rend()) {
    buffer = std::move(*found);
    all.erase(std::next(found).base());
  }
}

void give_spare(std::string& buffer) {
  std::string spare = std::exchange(buffer, {});
  spare.clear();
  auto& all = spares();
  if (spare.capacity() > kOwn && spare.capacity() <= kSpareBytesMax && all.size() < kSparesMax) {
    all.push_back(std::move(spare));
  }
}

}  // namespace tetrarch::net
