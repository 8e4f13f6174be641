// SPDX-License-Identifier: Apache-2.0
#include "reach/mux.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "net/ending_stream.h"
#include "net/pipe.h"
#include "net/server.h"
#include "reach/answer.h"
#include "reach/dialer.h"
#include "reach/hub.h"

namespace tetrarch::reach {
namespace {

template <class T>
Task<void> into(Task<T> task, std::promise<T>& out) {
  out.set_value(co_await std::move(task));
}

Task<void> serve(std::shared_ptr<Mux> mux, std::promise<Status>* ended) {
  auto outcome = co_await mux->run();
  if (ended != nullptr) {
    ended->set_value(std::move(outcome));
  }
}

/// Two ends of one connection, each on a strand of its own; what is opened at the near end comes
/// out at the far end.
class MuxTest : public ::testing::Test {
 protected:
  MuxTest() { connect({}); }

  ~MuxTest() override {
    near_->close();
    far_->close();
    group_.stop_and_wait();
  }

  void connect(MuxOptions options) {
    auto [a, b] = net::make_pipe();
    near_ = std::make_shared<Mux>(std::move(a), options, nullptr, system_clock());
    options.is_dialer = true;
    far_ = std::make_shared<Mux>(
        std::move(b),
        options,
        [this](std::string request, std::unique_ptr<OpenedStream> stream) {
          group_.spawn_on(pool_.strand(), tell(stream->until_dropped()));
          group_.spawn_on(pool_.strand(), answer(std::move(request), std::move(stream)));
        },
        system_clock());
    group_.spawn_on(pool_.strand(), serve(near_, &near_ended_));
    group_.spawn_on(pool_.strand(), serve(far_, nullptr));
  }

  /// echo: sends back what comes; flood: sends without end; mute: reads nothing, until released;
  /// refuse: closes.
  Task<void> answer(std::string request, std::unique_ptr<net::Stream> stream) {
    std::vector<char> buffer(10'000);
    if (request == "refuse") {
      co_return;
    }
    if (request == "mute") {
      co_await release_.wait();
    }
    if (request == "flood") {
      Status sent = ok();
      while (sent.ok()) {
        sent = co_await stream->write(flood_);
      }
      co_return;
    }
    while (true) {
      const auto got = co_await stream->read(buffer.data(), buffer.size());
      if (!got.ok() || *got == 0) {
        (void)co_await stream->shut_write();
        co_return;
      }
      (void)co_await stream->write(std::string_view(buffer.data(), *got));
    }
  }

  Task<void> tell(Task<void> until_dropped) {
    co_await std::move(until_dropped);
    dropped_.raise();
  }

  Task<bool> is_dropped_within(std::chrono::milliseconds limit) {
    co_return co_await dropped_.wait_for(limit);
  }

  template <class T>
  std::future<T> begin(Task<T> task) {
    promises_.push_back(std::make_shared<std::promise<T>>());
    auto& promise = *std::static_pointer_cast<std::promise<T>>(promises_.back());
    group_.spawn_on(pool_.strand(), into(std::move(task), promise));
    return promise.get_future();
  }

  async::IoPool pool_{2};
  async::TaskGroup group_{pool_.strand(), "test"};
  std::vector<std::shared_ptr<void>> promises_;
  std::shared_ptr<Mux> near_;
  std::shared_ptr<Mux> far_;
  std::promise<Status> near_ended_;
  async::Event release_;
  async::Event dropped_;
  const std::string flood_ = std::string(10'000, 'f');
};

Task<Status> write_text(net::Stream& stream, std::string text) {
  CO_TRY_STATUS(co_await stream.write(text));
  co_return co_await stream.shut_write();
}

Task<std::string> read_text(net::Stream& stream) {
  std::string out;
  std::vector<char> buffer(7'000);
  while (true) {
    const auto got = co_await stream.read(buffer.data(), buffer.size());
    if (!got.ok()) {
      co_return out + "<" + got.error().message + ">";
    }
    if (*got == 0) {
      co_return out;
    }
    out.append(buffer.data(), *got);
  }
}

TEST_F(MuxTest, CarriesManyStreamsAtOnce) {
  std::vector<std::unique_ptr<net::Stream>> streams;
  std::vector<std::future<std::string>> answers;
  for (int i = 0; i < 50; ++i) {
    streams.push_back(std::move(near_->open("echo")).value());
    answers.push_back(begin(read_text(*streams.back())));
    (void)begin(write_text(*streams.back(), std::to_string(i) + std::string(20'000, 'x')));
  }

  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].get(),
              std::to_string(i) + std::string(20'000, 'x'));
  }
}

TEST_F(MuxTest, CarriesFarMoreThanAWindow) {
  const auto stream = std::move(near_->open("echo")).value();
  auto answer = begin(read_text(*stream));
  const std::string text(10'000'000, 'y');

  (void)begin(write_text(*stream, text));

  EXPECT_TRUE(answer.get() == text);
}

TEST_F(MuxTest, IsNotHeldUpByAStreamThatNobodyReads) {
  const auto stuck = std::move(near_->open("mute")).value();
  auto stuck_writer = begin(write_text(*stuck, std::string(2'000'000, 'm')));
  const auto flooded = std::move(near_->open("flood")).value();  // and never read here
  const auto lively = std::move(near_->open("echo")).value();

  auto answer = begin(read_text(*lively));
  (void)begin(write_text(*lively, std::string(1'000'000, 'l')));

  EXPECT_EQ(answer.get().size(), 1'000'000U);
  EXPECT_EQ(stuck_writer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  auto drained = begin(read_text(*stuck));
  release_.raise();
  EXPECT_TRUE(stuck_writer.get().ok());
  EXPECT_EQ(drained.get().size(), 2'000'000U);
}

TEST_F(MuxTest, TellsTheOtherSideOfAClosedStream) {
  const auto stream = std::move(near_->open("refuse")).value();

  EXPECT_EQ(begin(read_text(*stream)).get(), "<the stream is closed>");
}

Task<Status> write_only(net::Stream& stream, std::string text) {
  co_return co_await stream.write(text);
}

constexpr std::chrono::seconds kPatience{20};
constexpr std::chrono::milliseconds kMoment{50};

TEST_F(MuxTest, TellsOfADroppedStreamThoughNobodyReadsIt) {
  auto stream = std::move(near_->open("mute")).value();
  ASSERT_TRUE(begin(write_only(*stream, std::string(100'000, 'x'))).get().ok());

  stream->close();

  EXPECT_TRUE(begin(is_dropped_within(kPatience)).get());
}

TEST_F(MuxTest, AStreamThatWasEndedIsNotDropped) {
  auto stream = std::move(near_->open("mute")).value();
  ASSERT_TRUE(begin(write_text(*stream, "what is still to be read")).get().ok());

  stream->close();

  EXPECT_FALSE(begin(is_dropped_within(kMoment)).get());
}

TEST_F(MuxTest, DropsItsStreamsWithTheConnection) {
  const auto stream = std::move(near_->open("mute")).value();
  ASSERT_TRUE(begin(write_only(*stream, "x")).get().ok());
  near_->close();

  EXPECT_TRUE(begin(is_dropped_within(kPatience)).get());
}

TEST_F(MuxTest, ForgetsStreamsThatHaveEnded) {
  auto stream = std::move(near_->open("echo")).value();
  (void)begin(write_text(*stream, "x"));
  EXPECT_EQ(begin(read_text(*stream)).get(), "x");

  stream.reset();

  EXPECT_EQ(near_->streams(), 0U);
}

TEST_F(MuxTest, FailsItsStreamsWhenTheConnectionEnds) {
  const auto stream = std::move(near_->open("mute")).value();
  auto answer = begin(read_text(*stream));

  far_->close();

  EXPECT_EQ(answer.get(), "<the connection to the node has ended>");
  EXPECT_FALSE(near_ended_.get_future().get().ok());
  EXPECT_EQ(near_->open("echo").error().code, Code::unavailable);
}

TEST_F(MuxTest, SaysByItselfWhenTheOtherSideHasGone) {
  const auto refused = near_->open("refuse").value();
  const auto kept = near_->open("mute").value();
  auto& first = dynamic_cast<net::EndingStream&>(*refused);
  auto& second = dynamic_cast<net::EndingStream&>(*kept);
  std::promise<void> is_closed;
  std::promise<void> is_cut;

  first.on_end([&is_closed] { is_closed.set_value(); });
  second.on_end([&is_cut] { is_cut.set_value(); });

  is_closed.get_future().wait();
  far_->close();
  is_cut.get_future().wait();
  bool is_told_at_once = false;
  first.on_end([&is_told_at_once] { is_told_at_once = true; });
  EXPECT_TRUE(is_told_at_once);
}

TEST_F(MuxTest, RefusesRequestsThatAreTooLong) {
  EXPECT_EQ(near_->open(std::string(100'000, 'r')).error().code, Code::too_large);
}

TEST(MuxLimits, OpensNoMoreStreamsThanItMay) {
  auto [near_end, far_end] = net::make_pipe();
  MuxOptions few;
  few.streams_max = 3;
  const auto mux = std::make_shared<Mux>(std::move(near_end), few, nullptr, system_clock());
  std::vector<std::unique_ptr<net::Stream>> streams;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(std::move(mux->open("echo")).value());
  }
  const auto one_more = mux->open("echo");
  ASSERT_FALSE(one_more.ok());
  EXPECT_EQ(one_more.error().code, Code::exhausted);

  streams.pop_back();
  EXPECT_TRUE(mux->open("echo").ok());
}

struct BadRow {
  std::string name;
  std::string bytes;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.name;
}

class BadFrameTest : public ::testing::TestWithParam<BadRow> {};

Task<Status> run_mux(std::shared_ptr<Mux> mux) {
  co_return co_await mux->run();
}

TEST_P(BadFrameTest, EndsTheConnection) {
  async::IoPool pool(1);
  async::TaskGroup group(pool.strand(), "test");
  auto [a, b] = net::make_pipe();
  std::vector<std::unique_ptr<net::Stream>> opened;
  const auto mux = std::make_shared<Mux>(
      std::move(a),
      MuxOptions{},
      [&](std::string, std::unique_ptr<net::Stream> stream) {
        opened.push_back(std::move(stream));
      },
      system_clock());
  std::promise<Status> ended;
  std::promise<Status> sent;

  group.spawn(into(run_mux(mux), ended));
  group.spawn(into(b->write(GetParam().bytes), sent));

  EXPECT_EQ(ended.get_future().get().error().code, Code::malformed);
  group.stop_and_wait();
}

std::string frame(int kind, int id, const std::string& payload) {
  return std::string{static_cast<char>(kind),
                     0,
                     0,
                     0,
                     static_cast<char>(id),
                     0,
                     static_cast<char>(payload.size() >> 16U),
                     static_cast<char>(payload.size() >> 8U & 0xFFU),
                     static_cast<char>(payload.size() & 0xFFU)} +
         payload;
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    BadFrameTest,
    ::testing::Values(BadRow{"too_long", frame(2, 1, "").replace(5, 4, "\x7f\xff\xff\xff")},
                      BadRow{"own_id", frame(1, 2, "")},
                      BadRow{"id_twice", frame(1, 3, "") + frame(1, 3, "")},
                      BadRow{"unknown_kind", frame(1, 3, "") + frame(9, 3, "")},
                      BadRow{"short_credit", frame(1, 3, "") + frame(5, 3, "x")},
                      BadRow{"over_the_window",
                             frame(1, 3, "") + frame(2, 3, std::string(65'536, 'x')) +
                                 frame(2, 3, std::string(65'536, 'x')) +
                                 frame(2, 3, std::string(65'536, 'x')) +
                                 frame(2, 3, std::string(65'536, 'x')) + frame(2, 3, "x")}),
    [](const auto& row) { return row.param.name; });

TEST(MuxKeepAlive, GivesUpOnASilentPeer) {
  async::IoPool pool(1);
  async::TaskGroup group(pool.strand(), "test");
  auto [a, b] = net::make_pipe();
  MuxOptions options;
  options.ping_interval = std::chrono::milliseconds(5);
  options.silence_limit = std::chrono::milliseconds(20);
  const auto mux = std::make_shared<Mux>(std::move(a), options, nullptr, system_clock());
  std::promise<Status> ended;

  group.spawn(into(run_mux(mux), ended));

  EXPECT_EQ(ended.get_future().get().error().code, Code::timeout);
  group.stop_and_wait();
}

class StandingClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint(); }

  SteadyPoint steady() const override { return now_.load(); }

  void pass(std::chrono::nanoseconds time) { now_ = now_.load() + time; }

 private:
  std::atomic<SteadyPoint> now_ = SteadyPoint(std::chrono::hours(1));
};

Task<std::string> read_frame(net::Stream& stream) {
  std::string out(9, ' ');
  std::size_t have = 0;
  while (have < out.size()) {
    const auto got = co_await stream.read(out.data() + have, out.size() - have);
    if (!got.ok() || *got == 0) {
      co_return "the end";
    }
    have += *got;
  }
  co_return out;
}

Task<std::string> read_until(net::Stream& stream, std::string wanted) {
  std::string got;
  while (got != wanted && got != "the end") {
    got = co_await read_frame(stream);
  }
  co_return got;
}

/// One end of a connection as a Mux, the other in the hands of the test.
class SignTest : public ::testing::Test {
 protected:
  void run(std::chrono::nanoseconds ping_interval) {
    auto [a, b] = net::make_pipe();
    far_ = std::move(b);
    MuxOptions options;
    options.ping_interval = ping_interval;
    options.silence_limit = std::chrono::hours(1);
    mux_ = std::make_shared<Mux>(std::move(a), options, nullptr, clock_);
    group_.spawn(into(run_mux(mux_), ended_));
  }

  ~SignTest() override { group_.stop_and_wait(); }

  template <class T>
  T wait(Task<T> task) {
    std::promise<T> out;
    group_.spawn(into(std::move(task), out));
    return out.get_future().get();
  }

  StandingClock clock_;
  async::IoPool pool_{1};
  async::TaskGroup group_{pool_.strand(), "test"};
  std::unique_ptr<net::Stream> far_;
  std::shared_ptr<Mux> mux_;
  std::promise<Status> ended_;
};

TEST_F(SignTest, APingIsAnsweredOnlyIfItAsks) {
  run(std::chrono::hours(1));

  EXPECT_TRUE(wait(far_->write(frame(6, 1, "") + frame(6, 0, "") + frame(1, 1, ""))).ok());

  EXPECT_EQ(wait(read_frame(*far_)), frame(7, 0, ""));
  EXPECT_EQ(wait(read_frame(*far_)), frame(4, 1, "")) << "the refusal of the stream";
}

TEST_F(SignTest, APingAsksOnlyWhenNothingHasComeForAWhile) {
  run(std::chrono::milliseconds(5));

  EXPECT_EQ(wait(read_frame(*far_)), frame(6, 1, ""));
  EXPECT_EQ(wait(read_frame(*far_)), frame(6, 1, ""));
  clock_.pass(std::chrono::milliseconds(8));
  EXPECT_EQ(wait(read_until(*far_, frame(6, 0, ""))), frame(6, 0, ""));
  EXPECT_EQ(wait(read_frame(*far_)), frame(6, 0, "")) << "again, until there is an answer";
  EXPECT_TRUE(wait(far_->write(frame(7, 0, ""))).ok());
  EXPECT_EQ(wait(read_until(*far_, frame(6, 1, ""))), frame(6, 1, ""));
}

/// The server's route, as api/kubernetes has it.
class ReachHandler final : public net::Handler {
 public:
  explicit ReachHandler(Hub& hub) : hub_(hub) {}

  Task<void> handle(net::Request request, net::Exchange& exchange) override {
    net::Headers headers;
    headers.add("Connection", "Upgrade");
    headers.add("Upgrade", "tetrarch-reach");
    auto stream = co_await exchange.upgrade_raw(std::move(headers));
    paths.push_back(request.path);
    if (stream.ok()) {
      co_await hub_.attach(NodeName("n1"), std::move(*stream));
    }
  }

  std::vector<std::string> paths;

 private:
  Hub& hub_;
};

/// Raised when the frame of a handler ends.
struct Ending {
  async::Event& ended;

  ~Ending() { ended.raise(); }
};

Task<void> answer_request(std::string request,
                          std::unique_ptr<OpenedStream> stream,
                          async::Event& ended) {
  if (request.find("\"forever\"") != std::string::npos) {
    const Ending ending{ended};
    const auto begun = format_answer(ok());
    (void)co_await stream->write(begun);
    co_await stream->until_dropped();
    co_return;
  }
  const bool is_known = request.find("\"logs\"") != std::string::npos;
  const Status outcome = is_known ? ok() : Status{Error{Code::not_found, "no such kind"}};
  const auto line = format_answer(outcome) + (is_known ? "line 1\nline 2\n" : "");
  (void)co_await stream->write(line);
  (void)co_await stream->shut_write();
}

Task<std::string> fetch(Hub& hub, std::string request) {
  auto stream = co_await hub.open_checked(NodeName("n1"), std::move(request));
  if (!stream.ok()) {
    co_return std::string(to_string(stream.error().code)) + ": " + stream.error().message;
  }
  co_return co_await read_text(**stream);
}

/// Asks for what has no end, and goes.
Task<std::string> leave(Hub& hub, async::Event& ended) {
  auto stream = co_await hub.open_checked(NodeName("n1"), R"({"kind":"forever"})");
  if (!stream.ok()) {
    co_return stream.error().message;
  }
  (*stream)->close();
  const bool has_ended = co_await ended.wait_for(kPatience);
  co_return std::string(has_ended ? "it has ended" : "it goes on");
}

TEST(Reach, OpensStreamsOverTheConnectionThatTheAgentDialled) {
  async::IoPool pool(2);
  async::TaskGroup group(pool.strand(), "test");
  Hub hub;
  ReachHandler handler(hub);
  net::ServerOptions server_options;
  server_options.drain_limit = std::chrono::milliseconds(20);
  net::Server server(pool, handler, std::move(server_options));
  const auto port = server.listen("127.0.0.1", 0, nullptr);
  ASSERT_TRUE(port.ok());
  server.run();
  auto client = net::Client::make({.url = "http://127.0.0.1:" + std::to_string(*port)}, nullptr);
  ASSERT_TRUE(client.ok());
  Dialer::Options options;
  options.backoff_min = std::chrono::milliseconds(1);
  async::Event ended;
  auto answer = [&ended](std::string request, std::unique_ptr<OpenedStream> stream) {
    return answer_request(std::move(request), std::move(stream), ended);
  };
  Dialer dialer(pool, **client, NodeName("n1"), std::move(answer), options);
  const auto ask = [&](std::string request) {
    std::promise<std::string> out;
    group.spawn(into(fetch(hub, std::move(request)), out));
    return out.get_future().get();
  };

  EXPECT_EQ(ask("{}"), "unavailable: node n1 is not connected");
  dialer.run();
  const auto until_connected = [&] {
    std::string got = "unavailable";
    while (got.starts_with("unavailable")) {
      got = ask(R"({"kind":"logs"})");
    }
    return got;
  };
  EXPECT_EQ(until_connected(), "line 1\nline 2\n");
  EXPECT_EQ(ask(R"({"kind":"dance"})"), "not found: no such kind");
  std::promise<std::string> left;
  group.spawn(into(leave(hub, ended), left));
  EXPECT_EQ(left.get_future().get(), "it has ended");
  EXPECT_TRUE(hub.is_connected(NodeName("n1")));
  ASSERT_EQ(hub.signs().size(), 1U);
  EXPECT_EQ(hub.signs().front().node, "n1");
  EXPECT_LT(hub.signs().front().silence, std::chrono::seconds(10));

  hub.close_all();
  EXPECT_EQ(until_connected(), "line 1\nline 2\n");  // dialled again

  dialer.stop_and_wait();
  server.stop_and_wait();
  group.stop_and_wait();
  EXPECT_FALSE(hub.is_connected(NodeName("n1")));
  EXPECT_TRUE(hub.signs().empty());
  EXPECT_EQ(handler.paths.front(), "/tetrarch/v1/nodes/n1/reach");
}

}  // namespace
}  // namespace tetrarch::reach
