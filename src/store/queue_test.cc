// SPDX-License-Identifier: Apache-2.0
#include "store/queue.h"

#include <future>

#include <gtest/gtest.h>

namespace tetrarch::store {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::vector<Request> requests(bool is_volatile, std::size_t count = 1) {
  std::vector<Request> out(count);
  for (auto& request : out) {
    request.transaction.is_volatile = is_volatile;
  }
  return out;
}

void push(Queue& queue, std::vector<Request> some) {
  ASSERT_EQ(queue.push(some), Queue::Push::taken);
}

std::future<std::size_t> taking(Queue& queue, std::size_t max) {
  return std::async(std::launch::async, [&queue, max] { return queue.take(max).size(); });
}

TEST(Queue, WhatMustBeDurableWaitsForNobody) {
  Queue queue(100, hours(1));

  push(queue, requests(false));

  EXPECT_EQ(queue.take(10).size(), 1U);
}

TEST(Queue, WhatIsVolatileWaitsForCompany) {
  Queue queue(100, hours(1));
  push(queue, requests(true));
  auto taken = taking(queue, 10);

  push(queue, requests(true, 2));
  push(queue, requests(false));

  EXPECT_EQ(taken.get(), 4U);
}

TEST(Queue, AsMuchAsIsTakenAtOnceIsCompanyEnough) {
  Queue queue(100, hours(1));
  auto taken = taking(queue, 3);

  push(queue, requests(true));
  push(queue, requests(true, 3));

  EXPECT_EQ(taken.get(), 3U);
  EXPECT_EQ(queue.take_waiting(3).size(), 1U);
}

TEST(Queue, WaitsNoLongerThanItsPatienceAndNotAtTheEnd) {
  Queue hasty(100, milliseconds(1));
  push(hasty, requests(true));
  EXPECT_EQ(hasty.take(10).size(), 1U);

  Queue patient(100, hours(1));
  push(patient, requests(true));
  auto taken = taking(patient, 10);
  patient.close();
  EXPECT_EQ(taken.get(), 1U);
  EXPECT_EQ(patient.take(10).size(), 0U);
}

}  // namespace
}  // namespace tetrarch::store
