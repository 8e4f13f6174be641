// SPDX-License-Identifier: Apache-2.0
#include "net/outbox.h"

#include <gtest/gtest.h>

#include "async/together.h"
#include "net/harness_test.h"
#include "net/pipe.h"
#include "net/prompt_stream.h"
#include "net/spare.h"

namespace tetrarch::net::testing {
namespace {

constexpr std::size_t kCapacity = 100;

Task<void> push_into(Outbox& outbox, std::string payload, std::string& order) {
  const auto pushed = co_await outbox.push("", payload);
  order += pushed.ok() ? payload.substr(0, 1) : std::string(to_string(pushed.error().code));
}

Task<void> drain_into(Outbox& outbox, Stream& to, std::string& order) {
  order += "|";
  (void)co_await outbox.drain(to);
}

Task<void> push_last(Outbox& outbox, std::string payload, std::string& order) {
  co_await push_into(outbox, std::move(payload), order);
  outbox.finish();
}

Task<void> close(Outbox& outbox) {
  outbox.close();
  co_return;
}

Task<Unit> push_before_draining(std::string& order) {
  Outbox outbox(kCapacity);
  auto [left, right] = make_pipe();
  co_await push_into(outbox, std::string(kCapacity, 'a'), order);
  co_await async::both(push_last(outbox, "b", order), drain_into(outbox, *left, order));
  co_return Unit{};
}

Task<std::string> push_a_sign_and_data() {
  std::string spare(1000, 's');
  give_spare(spare);  // of some connection before
  Outbox outbox(kCapacity);
  auto [left, right] = make_pipe();
  (void)outbox.push_now("sign ");
  std::string order;
  co_await push_last(outbox, "data", order);
  (void)co_await outbox.drain(*left);
  std::string got(20, ' ');
  const auto count = co_await right->read(got.data(), got.size());
  co_return got.substr(0, count.value_or(0));
}

TEST(Outbox, SendsDataBehindAShortFrame) {
  async::IoPool pool(1);

  EXPECT_EQ(wait_for(pool, push_a_sign_and_data()), "sign data");
}

TEST(Outbox, LetsDataWaitForRoom) {
  async::IoPool pool(1);
  std::string order;

  wait_for(pool, push_before_draining(order));

  EXPECT_EQ(order, "a|b");
}

Task<Unit> close_while_waiting(std::string& order) {
  Outbox outbox(kCapacity);
  co_await push_into(outbox, std::string(kCapacity, 'a'), order);
  co_await async::both(push_into(outbox, "b", order), close(outbox));
  co_await push_into(outbox, "c", order);
  co_return Unit{};
}

TEST(Outbox, FailsWhoWaitsWhenItCloses) {
  async::IoPool pool(1);
  std::string order;

  wait_for(pool, close_while_waiting(order));

  EXPECT_EQ(order, "acancelledcancelled");
}

/// Takes what it is given at once, as long as it may.
class QuickStream final : public PromptStream {
 public:
  bool write_now(std::string_view bytes) override {
    at_once += is_jammed ? "" : bytes;
    return !is_jammed;
  }

  Task<Result<std::size_t>> read(char* /*into*/, std::size_t /*size*/) override { co_return 0; }

  Task<Status> write(std::string_view bytes) override {
    later += bytes;
    co_return ok();
  }

  Task<Status> shut_write() override { co_return ok(); }

  void close() override {}

  bool is_jammed = false;
  std::string at_once;
  std::string later;
};

TEST(Outbox, SendsAFrameAtOnceOnlyWhereNothingIsBeforeIt) {
  async::IoPool pool(1);
  Outbox outbox(kCapacity);
  QuickStream stream;

  EXPECT_TRUE(outbox.push_or_send(stream, "1"));
  stream.is_jammed = true;
  EXPECT_TRUE(outbox.push_or_send(stream, "2"));
  stream.is_jammed = false;
  EXPECT_TRUE(outbox.push_or_send(stream, "3"));  // behind the second
  outbox.finish();
  EXPECT_TRUE(wait_for(pool, outbox.drain(stream)).ok());

  EXPECT_EQ(stream.at_once, "1");
  EXPECT_EQ(stream.later, "23");
  EXPECT_FALSE(outbox.push_or_send(stream, "4"));
}

TEST(Outbox, TakesControlFramesUntilTheOtherSideIsHopeless) {
  Outbox outbox(kCapacity);

  std::size_t taken = 0;
  while (outbox.push_now("0123456789")) {
    ++taken;
    ASSERT_LE(taken, 100U);
  }

  EXPECT_EQ(taken, 4 * kCapacity / 10 + 1);
}

TEST(Outbox, TakesNothingOnceItIsFinishedOrClosed) {
  Outbox finished;
  finished.finish();
  Outbox closed;
  closed.close();

  EXPECT_FALSE(finished.push_now("x"));
  EXPECT_FALSE(closed.push_now("x"));
}

Task<Unit> drain_all(Outbox& outbox, Stream& to, Status& outcome) {
  outcome = co_await outbox.drain(to);
  co_return Unit{};
}

TEST(Outbox, SendsWhatIsQueuedBeforeItEnds) {
  async::IoPool pool(1);
  auto [left, right] = make_pipe();
  Outbox outbox;
  EXPECT_TRUE(outbox.push_now("one "));
  EXPECT_TRUE(outbox.push_now("two"));
  outbox.finish();
  Status outcome = ok();

  wait_for(pool, drain_all(outbox, *left, outcome));

  EXPECT_TRUE(outcome.ok());
  char buffer[32];
  const auto got = wait_for(pool, right->read(buffer, sizeof(buffer)));
  EXPECT_EQ(std::string(buffer, *got), "one two");
}

TEST(Outbox, ClosesWhenNobodyReadsAnyMore) {
  async::IoPool pool(1);
  auto [left, right] = make_pipe();
  right.reset();
  Outbox outbox;
  EXPECT_TRUE(outbox.push_now("x"));
  Status outcome = ok();

  wait_for(pool, drain_all(outbox, *left, outcome));

  EXPECT_FALSE(outcome.ok());
  EXPECT_FALSE(outbox.push_now("y"));
}

}  // namespace
}  // namespace tetrarch::net::testing
