// SPDX-License-Identifier: Apache-2.0
// The protocol without sockets: a client's session and ours, fed with each other's bytes.
#include "net/http2_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "net/http2_peer_test.h"

namespace tetrarch::net::testing {
namespace {

using ::testing::EndsWith;
using ::testing::SizeIs;

/// Keeps the requests, and what is to be sent up to a bound.
class TestOwner final : public Http2Owner {
 public:
  /// Never called: who owns a session calls it.
  class Taker final : public UploadHandler {
   public:
    bool takes(const Request& head) const override { return head.path == "/pieces"; }

    Task<void> handle(Request /*request*/, Exchange& /*exchange*/, BodyReader& /*body*/) override {
      co_return;
    }
  };

  UploadHandler* taker_of(const Request& head) override {
    return taker.takes(head) ? &taker : nullptr;
  }

  void take_request(const std::shared_ptr<Http2Stream>& stream) override {
    requests.push_back(stream);
  }

  bool hold(std::uint64_t bytes) override {
    const bool may = bytes <= budget || bytes < held;
    held = may ? bytes : held;
    return may;
  }

  bool has_room() const override { return output.size() < room; }

  Status put(std::string_view bytes) override {
    output += bytes;
    return ok();
  }

  std::vector<std::shared_ptr<Http2Stream>> requests;
  std::string output;
  std::size_t room = 1024 * 1024;
  std::uint64_t budget = UINT64_MAX;
  std::uint64_t held = 0;
  Taker taker;
};

class Http2SessionTest : public ::testing::Test {
 protected:
  void make(Http2Limits limits = {}, PeerOptions options = {}) {
    session_ = std::make_unique<Http2Session>(limits, owner_);
    peer_ = std::make_unique<Http2Peer>(options);
  }

  /// Both sides until neither has anything to say. The last outcome of our feed().
  Status exchange() {
    Status outcome = ok();
    while (true) {
      EXPECT_TRUE(session_->send().ok());
      const auto from_us = std::exchange(owner_.output, {});
      if (!from_us.empty()) {
        EXPECT_TRUE(peer_->feed(from_us));
      }
      const auto from_peer = peer_->take();
      if (from_us.empty() && from_peer.empty()) {
        return outcome;
      }
      if (!from_peer.empty()) {
        outcome = session_->feed(from_peer, now_);
      }
    }
  }

  Status feed(std::string_view bytes) { return session_->feed(bytes, now_); }

  void answer(Http2Stream& stream, std::string_view body) {
    EXPECT_TRUE(session_->begin_answer(stream, 200, {}, !body.empty()).ok());
    if (!body.empty()) {
      session_->push(stream, {body}, true, now_);
    }
    session_->release(stream);
  }

  TestOwner owner_;
  std::unique_ptr<Http2Session> session_;
  std::unique_ptr<Http2Peer> peer_;
  SteadyPoint now_ = SteadyPoint(std::chrono::seconds(1000));
};

TEST_F(Http2SessionTest, ReadsARequestAndSendsItsAnswer) {
  make();
  const auto id = peer_->request("POST", "/a/b?x=1", "hello", {{"x-one", "1"}});

  ASSERT_TRUE(exchange().ok());
  ASSERT_THAT(owner_.requests, SizeIs(1));
  auto& stream = *owner_.requests.front();
  EXPECT_EQ(stream.request.method, "POST");
  EXPECT_EQ(stream.request.path, "/a/b");
  EXPECT_EQ(stream.request.query, "x=1");
  EXPECT_EQ(stream.request.body, "hello");
  EXPECT_EQ(stream.request.headers.get("Host"), "localhost");
  EXPECT_EQ(stream.request.headers.get("X-One"), "1");

  Headers headers;
  headers.add("Content-Type", "text/plain");
  headers.add("Connection", "close");
  headers.add("X-Two", "a\r\nb");
  ASSERT_TRUE(session_->begin_answer(stream, 201, headers, true).ok());
  session_->push(stream, {"wor", "", "ld"}, true, now_);
  session_->release(stream);
  ASSERT_TRUE(exchange().ok());

  const auto& answer = peer_->answer(id);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.headers.get("content-type"), "text/plain");
  EXPECT_FALSE(answer.headers.contains("connection"));
  EXPECT_EQ(answer.headers.get("x-two"), "a  b");
  EXPECT_EQ(answer.body, "world");
  EXPECT_TRUE(answer.has_ended);
  EXPECT_THAT(session_->streams(), SizeIs(0));
}

TEST_F(Http2SessionTest, TellsItsLimits) {
  make();
  ASSERT_TRUE(exchange().ok());

  EXPECT_EQ(peer_->remote_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), 250U);
  EXPECT_EQ(peer_->remote_setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE), 65536U);
  EXPECT_EQ(peer_->remote_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE), 262144U);
}

TEST_F(Http2SessionTest, TakesABodyOnlyAsFastAsThePeerReads) {
  make({}, {.window = 1000, .opens_windows = false});
  const auto id = peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  const std::string body(2500, 'x');
  auto& stream = *owner_.requests.front();

  answer(stream, body);
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(stream.left, 1500U);

  peer_->update_window(id, 1000);
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(stream.left, 500U);

  peer_->update_window(id, 1000);
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(stream.left, 0U);
  EXPECT_EQ(peer_->answer(id).body.size(), 2500U);
}

TEST_F(Http2SessionTest, TakesABodyOnlyAsFastAsTheOwnerHasRoom) {
  make();
  const auto id = peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  const std::string body(300'000, 'x');
  auto& stream = *owner_.requests.front();

  answer(stream, body);
  owner_.room = 20'000;
  ASSERT_TRUE(session_->send().ok());
  EXPECT_LT(owner_.output.size(), 40'000U);
  EXPECT_GT(stream.left, 260'000U);

  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(id).body, body);
}

TEST_F(Http2SessionTest, LetsAnswersTakeTurns) {
  make();
  const auto large = peer_->request("GET", "/large");
  const auto small = peer_->request("GET", "/small");
  ASSERT_TRUE(exchange().ok());
  const std::string body(500'000, 'x');
  answer(*owner_.requests[0], body);
  answer(*owner_.requests[1], std::string_view(body).substr(0, 20'000));

  owner_.room = 100'000;
  ASSERT_TRUE(session_->send().ok());
  ASSERT_TRUE(peer_->feed(std::exchange(owner_.output, {})));

  EXPECT_TRUE(peer_->answer(small).has_ended);
  EXPECT_FALSE(peer_->answer(large).has_ended);
}

TEST_F(Http2SessionTest, StreamsAnAnswerOfOpenLength) {
  make();
  const auto id = peer_->request("GET", "/watch");
  ASSERT_TRUE(exchange().ok());
  auto& stream = *owner_.requests.front();
  ASSERT_TRUE(session_->begin_answer(stream, 200, {}, true).ok());
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(id).status, 200);

  for (const auto* part : {"one", "two"}) {
    session_->push(stream, {part}, false, now_);
    ASSERT_TRUE(exchange().ok());
  }
  EXPECT_EQ(peer_->answer(id).body, "onetwo");
  EXPECT_FALSE(peer_->answer(id).has_ended);

  session_->push(stream, {}, true, now_);
  ASSERT_TRUE(exchange().ok());
  EXPECT_TRUE(peer_->answer(id).has_ended);
}

TEST_F(Http2SessionTest, TellsTheHandlerOfAReset) {
  make();
  const auto id = peer_->request("GET", "/watch");
  ASSERT_TRUE(exchange().ok());
  auto& stream = *owner_.requests.front();
  ASSERT_TRUE(session_->begin_answer(stream, 200, {}, true).ok());
  bool is_told = false;
  stream.notice = [&is_told] { is_told = true; };

  peer_->reset(id);
  ASSERT_TRUE(exchange().ok());

  EXPECT_TRUE(is_told);
  EXPECT_TRUE(stream.is_gone);
  EXPECT_THAT(session_->streams(), SizeIs(1)) << "the handler has not ended";
  session_->release(stream);
  EXPECT_THAT(session_->streams(), SizeIs(0));
}

TEST_F(Http2SessionTest, CountsResetRequestsUntilTheirHandlersHaveEnded) {
  make({.streams = 3});
  for (int i = 0; i < 3; ++i) {
    const auto id = peer_->request("GET", "/");
    ASSERT_TRUE(exchange().ok());
    peer_->reset(id);
    ASSERT_TRUE(exchange().ok());
  }

  const auto refused = peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(refused).error, NGHTTP2_REFUSED_STREAM);
  EXPECT_THAT(owner_.requests, SizeIs(3));

  session_->release(*owner_.requests.front());
  (void)peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  EXPECT_THAT(owner_.requests, SizeIs(4));
}

TEST_F(Http2SessionTest, RefusesAHeaderThatIsTooLarge) {
  make({.header_bytes = 1000});
  const auto id = peer_->request("GET", "/", "", {{"x-long", std::string(1000, 'a')}});
  ASSERT_TRUE(exchange().ok());

  ASSERT_THAT(owner_.requests, SizeIs(1));
  EXPECT_EQ(owner_.requests.front()->refusal, 431);
  answer(*owner_.requests.front(), "no");
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(id).body, "no");
}

TEST_F(Http2SessionTest, RefusesTooManyHeaders) {
  make({.headers = 20});
  (void)peer_->request("GET", "/", "", std::vector<Header>(20, {"x-a", "b"}));
  ASSERT_TRUE(exchange().ok());

  ASSERT_THAT(owner_.requests, SizeIs(1));
  EXPECT_EQ(owner_.requests.front()->refusal, 431);
}

TEST_F(Http2SessionTest, EndsAConnectionThatSendsAHeaderBomb) {
  make({.header_bytes = 1000});
  // Compressed, each repetition is one byte.
  (void)peer_->request("GET", "/", "", std::vector<Header>(20, {"x-bomb", std::string(400, 'a')}));

  const auto outcome = exchange();

  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::exhausted);
  EXPECT_EQ(peer_->goaway(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_THAT(owner_.requests, SizeIs(0));
}

TEST_F(Http2SessionTest, RefusesABodyThatIsTooLargeBeforeItIsThere) {
  make({.body_bytes = 1000, .dropped_bytes = 5000});
  const auto declared =
      peer_->request("PUT", "/", std::string(2000, 'x'), {{"content-length", "2000"}});
  const auto open = peer_->request("PUT", "/", std::string(2000, 'x'), {}, false);
  ASSERT_TRUE(exchange().ok());

  ASSERT_THAT(owner_.requests, SizeIs(2));
  for (const auto& stream : owner_.requests) {
    EXPECT_EQ(stream->refusal, 413);
    EXPECT_EQ(stream->refusal_message, "Request entity too large: limit is 1000");
    EXPECT_LE(stream->request.body.size(), 1000U);
    answer(*stream, "no");
  }
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(declared).body, "no");
  EXPECT_EQ(peer_->answer(open).body, "no");
  EXPECT_FALSE(peer_->answer(open).is_closed) << "what comes on is dropped";

  peer_->send_more(open, std::string(6000, 'x'), false);
  ASSERT_TRUE(exchange().ok());
  EXPECT_TRUE(peer_->answer(open).is_closed) << "but not for ever";
  EXPECT_EQ(peer_->answer(open).error, NGHTTP2_NO_ERROR);
}

TEST_F(Http2SessionTest, BoundsWhatAllUploadsHoldTogether) {
  make({.upload_bytes = 2500});
  for (int i = 0; i < 3; ++i) {
    (void)peer_->request("PUT", "/", std::string(1000, 'x'));
  }
  ASSERT_TRUE(exchange().ok());
  ASSERT_THAT(owner_.requests, SizeIs(3));
  EXPECT_EQ(owner_.requests[0]->refusal, 0);
  EXPECT_EQ(owner_.requests[1]->refusal, 0);
  EXPECT_EQ(owner_.requests[2]->refusal, 503);

  for (const auto& stream : owner_.requests) {
    answer(*stream, "");
  }
  ASSERT_TRUE(exchange().ok());
  (void)peer_->request("PUT", "/", std::string(1000, 'x'));
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(owner_.requests[3]->refusal, 0) << "answered ones count no more";
}

TEST_F(Http2SessionTest, HoldsNoMoreThanItsOwnerAllows) {
  make();
  owner_.budget = 2500;
  (void)peer_->request("PUT", "/", std::string(2000, 'x'));
  (void)peer_->request("PUT", "/", std::string(1000, 'x'));
  ASSERT_TRUE(exchange().ok());
  const auto pieces = peer_->request("PUT", "/pieces", std::string(1000, 'x'));
  ASSERT_TRUE(exchange().ok());
  ASSERT_THAT(owner_.requests, SizeIs(3));
  EXPECT_EQ(owner_.requests[0]->refusal, 0);
  EXPECT_EQ(owner_.requests[1]->refusal, 503);
  EXPECT_EQ(owner_.requests[1]->refusal_message,
            "too many bodies are on their way at once; try again later");
  EXPECT_EQ(peer_->answer(pieces).error, NGHTTP2_CANCEL) << "a taken body cannot be refused";
  EXPECT_EQ(owner_.held, 2000U);

  answer(*owner_.requests[0], "");
  answer(*owner_.requests[1], "");
  session_->release(*owner_.requests[2]);
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(owner_.held, 0U) << "answered ones are given back";
}

TEST_F(Http2SessionTest, TakesABodyInPiecesOnlyAsFastAsItsHandler) {
  make({.body_bytes = 1000});
  constexpr std::size_t kWindow = 256 * 1024;
  const std::string body(600'000, 'x');
  (void)peer_->request("PUT", "/pieces", body, {{"content-length", "600000"}});
  ASSERT_TRUE(exchange().ok());
  ASSERT_THAT(owner_.requests, SizeIs(1)) << "it is handed over before it is whole";
  auto& stream = *owner_.requests.front();
  EXPECT_EQ(stream.refusal, 0) << "no limit of size";
  EXPECT_EQ(stream.arrived.size(), kWindow);

  std::string taken = session_->take_arrived(stream);
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(stream.arrived.size(), kWindow);
  EXPECT_FALSE(stream.is_whole);
  while (!stream.is_whole) {
    taken += session_->take_arrived(stream);
    ASSERT_TRUE(exchange().ok());
  }
  EXPECT_EQ(taken + session_->take_arrived(stream), body);
}

TEST_F(Http2SessionTest, OneWhoseHandlerTakesNothingHoldsUpNoOther) {
  make();
  for (int i = 0; i < 6; ++i) {
    (void)peer_->request("PUT", "/pieces", std::string(400'000, 'x'));
  }
  ASSERT_TRUE(exchange().ok());
  ASSERT_THAT(owner_.requests, SizeIs(6));

  (void)peer_->request("PUT", "/whole", std::string(2'000'000, 'y'));
  ASSERT_TRUE(exchange().ok());

  ASSERT_THAT(owner_.requests, SizeIs(7));
  EXPECT_EQ(owner_.requests.back()->request.body.size(), 2'000'000U);
}

TEST_F(Http2SessionTest, BoundsWhatHandlersLeaveUntaken) {
  make({.upload_bytes = 500'000});
  const auto first = peer_->request("PUT", "/pieces", std::string(300'000, 'x'));
  const auto second = peer_->request("PUT", "/pieces", std::string(300'000, 'x'));

  ASSERT_TRUE(exchange().ok());

  EXPECT_NE(peer_->answer(first).is_closed, peer_->answer(second).is_closed);
  EXPECT_EQ(peer_->answer(first).error + peer_->answer(second).error, NGHTTP2_CANCEL);
  for (const auto& stream : owner_.requests) {
    EXPECT_EQ(stream->is_cut, stream->is_gone);
    EXPECT_EQ(stream->arrived.size(), stream->is_cut ? 0U : 256U * 1024);
  }
}

TEST_F(Http2SessionTest, DropsWhatComesOfABodyBehindItsAnswer) {
  make();
  const auto id = peer_->request("PUT", "/pieces", "first", {}, false);
  ASSERT_TRUE(exchange().ok());
  auto& stream = *owner_.requests.front();
  EXPECT_EQ(stream.arrived, "first");

  answer(stream, "no");
  peer_->send_more(id, std::string(1'000'000, 'x'), false);
  ASSERT_TRUE(exchange().ok());

  EXPECT_EQ(stream.arrived, "");
  EXPECT_EQ(stream.dropped_bytes, 1'000'000U) << "its window opens all the same";
}

TEST_F(Http2SessionTest, SendsContinueWhenAsked) {
  make();
  const auto id = peer_->request("PUT", "/", "", {{"expect", "100-continue"}}, false);
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(id).continues, 1);

  peer_->send_more(id, "body", true);
  ASSERT_TRUE(exchange().ok());
  ASSERT_THAT(owner_.requests, SizeIs(1));
  EXPECT_EQ(owner_.requests.front()->request.body, "body");
}

TEST_F(Http2SessionTest, RefusesAnotherExpectationAndCONNECT) {
  make();
  (void)peer_->request("PUT", "/", "", {{"expect", "a miracle"}});
  ASSERT_TRUE(exchange().ok());

  ASSERT_THAT(owner_.requests, SizeIs(1));
  EXPECT_EQ(owner_.requests.front()->refusal, 417);
}

TEST_F(Http2SessionTest, AnswersPings) {
  make();
  peer_->ping();
  ASSERT_TRUE(exchange().ok());

  EXPECT_EQ(peer_->pongs(), 1);
}

struct Flood {
  std::string_view name;
  std::uint8_t type;
  std::string_view payload;
};

void PrintTo(const Flood& flood, std::ostream* out) {
  *out << flood.name;
}

class Http2FloodTest : public Http2SessionTest, public ::testing::WithParamInterface<Flood> {};

TEST_P(Http2FloodTest, EndsTheConnection) {
  make({.nuisances = 100, .nuisances_per_second = 10});
  (void)peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  const auto one =
      frame(GetParam().type, 0, GetParam().type == NGHTTP2_PING ? 0 : 1, GetParam().payload);
  const auto bytes = GetParam().type == NGHTTP2_SETTINGS ? frame(GetParam().type, 0, 0, "") : one;

  Status outcome = ok();
  int sent = 0;
  while (outcome.ok() && sent < 200) {
    outcome = feed(bytes);
    ++sent;
    ASSERT_TRUE(session_->send().ok());
  }

  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::exhausted);
  EXPECT_GT(sent, 80);
  EXPECT_LT(sent, 110);
  // The last frame is GOAWAY, whose last field is its code.
  EXPECT_THAT(owner_.output, EndsWith(std::string_view("\0\0\0\x0b", 4)));
}

constexpr std::string_view kEight("\0\0\0\0\0\0\0\0", 8);

INSTANTIATE_TEST_SUITE_P(
    Table,
    Http2FloodTest,
    ::testing::Values(Flood{"ping", NGHTTP2_PING, kEight},
                      Flood{"settings", NGHTTP2_SETTINGS, ""},
                      Flood{
                          "window_update", NGHTTP2_WINDOW_UPDATE, std::string_view("\0\0\0\1", 4)},
                      Flood{"priority", NGHTTP2_PRIORITY, std::string_view("\0\0\0\0\1", 5)}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(Http2SessionTest, EndsAConnectionOfRapidResets) {
  make({.nuisances = 100, .nuisances_per_second = 10});
  Status outcome = ok();
  int sent = 0;
  while (outcome.ok() && sent < 300) {
    const auto id = peer_->request("GET", "/");
    outcome = exchange();
    peer_->reset(id);
    if (outcome.ok()) {
      outcome = exchange();
    }
    for (const auto& stream : owner_.requests) {
      session_->release(*stream);
    }
    owner_.requests.clear();
    ++sent;
  }

  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::exhausted);
  EXPECT_LT(sent, 110);
  EXPECT_EQ(peer_->goaway(), NGHTTP2_ENHANCE_YOUR_CALM);
}

/// A GET of "/" in a frame of its own, by indices of RFC 7541 appendix A.
std::string get_frame(std::uint32_t stream) {
  return frame(NGHTTP2_HEADERS,
               NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
               stream,
               std::string_view("\x82\x87\x84\x01\x01x", 6));
}

TEST_F(Http2SessionTest, EndsAConnectionThatOpensMoreStreamsThanItWasTold) {
  make({.streams = 3});
  ASSERT_TRUE(exchange().ok()) << "it has acknowledged the limit";
  for (std::uint32_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(feed(get_frame(1 + 2 * i)).ok());
  }
  ASSERT_TRUE(session_->send().ok());

  EXPECT_THAT(owner_.requests, SizeIs(3));
  EXPECT_TRUE(session_->is_over());
  ASSERT_TRUE(peer_->feed(owner_.output));
  EXPECT_EQ(peer_->goaway(), NGHTTP2_PROTOCOL_ERROR);
}

TEST_F(Http2SessionTest, EndsAConnectionThatGoesOnOpeningStreamsAndAcknowledgesNothing) {
  make({.streams = 3, .nuisances = 50, .nuisances_per_second = 10});
  Status outcome = feed(client_preface());
  ASSERT_TRUE(feed(frame(NGHTTP2_SETTINGS, 0, 0, "")).ok());
  std::uint32_t sent = 0;
  while (outcome.ok() && sent < 200) {
    outcome = feed(get_frame(1 + 2 * sent++));
    ASSERT_TRUE(session_->send().ok());
    EXPECT_LE(session_->streams().size(), 3U);
  }

  EXPECT_THAT(owner_.requests, SizeIs(3));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::exhausted);
}

TEST_F(Http2SessionTest, AllowsResetsAtAModestRate) {
  make({.nuisances = 20, .nuisances_per_second = 10});
  for (int i = 0; i < 200; ++i) {
    now_ += std::chrono::milliseconds(150);
    const auto id = peer_->request("GET", "/");
    ASSERT_TRUE(exchange().ok());
    peer_->reset(id);
    ASSERT_TRUE(exchange().ok());
    session_->release(*owner_.requests.back());
  }
}

TEST_F(Http2SessionTest, AllowsTheWindowUpdatesOfALargeAnswer) {
  make({.nuisances = 20, .nuisances_per_second = 0}, {.window = 4096, .opens_windows = false});
  const auto id = peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  const std::string body(400'000, 'x');
  answer(*owner_.requests.front(), body);

  // Seen: Go's client opens the window by 4 KB at a time, of the stream and of the connection.
  while (!peer_->answer(id).has_ended) {
    peer_->update_window(id, 4096);
    peer_->update_window(0, 4096);
    ASSERT_TRUE(exchange().ok());
  }
}

TEST_F(Http2SessionTest, EndsAConnectionOfManyContinuations) {
  make();
  ASSERT_TRUE(exchange().ok());
  Status outcome = feed(frame(NGHTTP2_HEADERS, 0, 1, ""));
  for (int i = 0; i < 100 && outcome.ok() && !session_->is_over(); ++i) {
    outcome = feed(frame(NGHTTP2_CONTINUATION, 0, 1, ""));
    ASSERT_TRUE(session_->send().ok());
  }

  EXPECT_FALSE(outcome.ok() && !session_->is_over());
  EXPECT_THAT(owner_.requests, SizeIs(0));
}

TEST_F(Http2SessionTest, RefusesWhatIsNoHttp2) {
  make();
  EXPECT_FALSE(feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n").ok());
}

TEST_F(Http2SessionTest, AnswersWhatItTookBeforeItShuts) {
  make();
  const auto id = peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  session_->shut();
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->goaway(), NGHTTP2_NO_ERROR);
  EXPECT_FALSE(session_->is_over());

  answer(*owner_.requests.front(), "done");
  ASSERT_TRUE(exchange().ok());
  EXPECT_EQ(peer_->answer(id).body, "done");
  EXPECT_TRUE(session_->is_over());
}

TEST_F(Http2SessionTest, ResetsAnAnswerWhoseWriterGaveUp) {
  make();
  const auto id = peer_->request("GET", "/");
  ASSERT_TRUE(exchange().ok());
  auto& stream = *owner_.requests.front();
  auto body = std::make_unique<std::string>(300'000, 'x');
  ASSERT_TRUE(session_->begin_answer(stream, 200, {}, true).ok());
  session_->push(stream, {*body}, true, now_);
  owner_.room = 20'000;
  ASSERT_TRUE(session_->send().ok());

  session_->reset(stream, Http2Session::Reason::failed);
  body.reset();
  session_->release(stream);
  owner_.room = 1'000'000;
  ASSERT_TRUE(exchange().ok());

  EXPECT_EQ(peer_->answer(id).error, NGHTTP2_INTERNAL_ERROR);
  EXPECT_THAT(session_->streams(), SizeIs(0));
}

TEST_F(Http2SessionTest, IgnoresTrailers) {
  make();
  ASSERT_TRUE(exchange().ok());
  // Literal fields without indexing, names by index where there is one: RFC 7541 section 6.2.2.
  const std::string head("\x83\x87\x84\x01\x01x", 6);  // POST https / :authority x
  const std::string trailer("\x00\x03x-t\x01y", 7);
  ASSERT_TRUE(feed(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head)).ok());
  ASSERT_TRUE(feed(frame(NGHTTP2_DATA, 0, 1, "body")).ok());
  ASSERT_TRUE(
      feed(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, trailer))
          .ok());

  ASSERT_THAT(owner_.requests, SizeIs(1));
  const auto& request = owner_.requests.front()->request;
  EXPECT_EQ(request.body, "body");
  EXPECT_FALSE(request.headers.contains("x-t"));
}

}  // namespace
}  // namespace tetrarch::net::testing
