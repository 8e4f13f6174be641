// SPDX-License-Identifier: Apache-2.0
// HTTP/2 of anybody: the session takes any frames in pieces of any size, keeps its limits, and
// every answer that it is given is either taken or dropped with its stream.
#include <string>

#include "base/check.h"
#include "input.h"
#include "net/http2_session.h"

using namespace tetrarch;

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view kBody = "0123456789abcdef0123456789abcdef";

/// Takes the bodies of paths that begin with /t in pieces. Nobody calls it: the session does not.
class Taker final : public net::UploadHandler {
 public:
  bool takes(const net::Request& head) const override { return head.path.starts_with("/t"); }

  Task<void> handle(net::Request /*request*/,
                    net::Exchange& /*exchange*/,
                    net::BodyReader& /*body*/) override {
    co_return;
  }
};

class Owner final : public net::Http2Owner {
 public:
  net::UploadHandler* taker_of(const net::Request& head) override {
    return taker.takes(head) ? &taker : nullptr;
  }

  void take_request(const std::shared_ptr<net::Http2Stream>& stream) override {
    CHECK(stream->refusal != 0 || !stream->request.path.empty());
    waiting.push_back(stream);
  }

  bool hold(std::uint64_t /*bytes*/) override { return true; }

  bool has_room() const override { return room > 0; }

  Status put(std::string_view bytes) override {
    room -= std::min(room, bytes.size());
    return ok();
  }

  std::vector<std::shared_ptr<net::Http2Stream>> waiting;
  std::size_t room = 0;
  Taker taker;
};

/// Even streams are answered at once, odd turns leave them open or give up in the middle.
void answer(net::Http2Session& session, net::Http2Stream& stream, int turn) {
  net::Headers headers;
  headers.add("Content-Type", "text/plain");
  const bool has_body = turn % 3 != 0;
  if (session.begin_answer(stream, 200, headers, has_body).ok() && has_body) {
    session.push(stream, {kBody, kBody}, turn % 2 == 0, SteadyPoint{});
  }
  if (turn % 5 == 4) {
    session.reset(stream, net::Http2Session::Reason::failed);
  }
  session.release(stream);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece = input.byte() + 1;
  net::Http2Limits limits;
  limits.header_bytes = 2048;
  limits.headers = 20;
  limits.body_bytes = 1000;
  limits.upload_bytes = 1500;
  limits.streams = 5;
  limits.nuisances = 50;
  Owner owner;
  net::Http2Session session(limits, owner);
  SteadyPoint now(std::chrono::seconds(1));
  bool goes_on = session.feed(kPreface, now).ok();
  int turn = 0;
  while (goes_on && !input.is_empty()) {
    const auto part = input.take(piece);
    now += std::chrono::milliseconds(1);
    goes_on = session.feed(part, now).ok();
    owner.room = piece;
    goes_on = session.send().ok() && goes_on && !session.is_over();
    CHECK(session.streams().size() <= limits.streams);
    if (owner.waiting.size() > 2 || !goes_on) {
      for (const auto& stream : owner.waiting) {
        CHECK(stream->request.body.size() <= limits.body_bytes);
        CHECK(stream->arrived.size() <= limits.upload_bytes);
        if (turn % 2 == 0) {
          (void)session.take_arrived(*stream);
        }
        answer(session, *stream, ++turn);
      }
      owner.waiting.clear();
    }
  }
  session.lose_all();
  return 0;
}
