// SPDX-License-Identifier: Apache-2.0
#include "reach/requests.h"

#include <utility>

#include "async/timer.h"
#include "async/together.h"
#include "net/stream_request.h"

namespace tetrarch::reach {

namespace {

constexpr std::chrono::milliseconds kPause{20};

/// Source: RFC 9110 section 9.2.2: sending these twice does no harm.
bool is_repeatable(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE";
}

/// For callers a stream that was refused is a server that is not there.
Error away(Error why) {
  if (why.code == Code::cancelled) {
    why.code = Code::unavailable;
  }
  return why;
}

Task<void> into(Task<Status> work, Status& outcome) {
  outcome = co_await std::move(work);
}

Task<Status> in_time(Task<Status> work, std::chrono::nanoseconds limit) {
  Status outcome = Error{Code::timeout, "the server did not answer in time"};
  co_await async::first_of(into(std::move(work), outcome), async::sleep_for(limit));
  co_return outcome;
}

Task<Status> append(net::StreamRequest& asked, std::string& body, std::uint64_t bytes_max) {
  while (true) {
    CO_TRY(const auto piece, co_await asked.read());
    if (piece.empty()) {
      co_return ok();
    }
    if (body.size() + piece.size() > bytes_max) {
      co_return Error{Code::too_large, "the server's answer is too large"};
    }
    body += piece;
  }
}

Task<Status> read_piece(net::StreamRequest& asked, std::string& piece) {
  CO_TRY(piece, co_await asked.read());
  co_return ok();
}

/// Sends all of it and reads the head of the answer. `stream` is what `asked` was made of.
Task<Status> send(net::StreamRequest& asked, net::ClientRequest request) {
  const bool is_head = request.method == "HEAD";
  CO_TRY_STATUS(co_await asked.send(std::move(request)));
  co_return co_await asked.read_head(is_head);
}

/// The whole of a request that is answered whole: that nothing follows is said with it.
Task<Status> converse(net::StreamRequest& asked,
                      net::Stream& stream,
                      net::ClientRequest request,
                      std::pair<std::string&, std::uint64_t> body) {
  const bool is_head = request.method == "HEAD";
  CO_TRY_STATUS(co_await asked.send(std::move(request)));
  CO_TRY_STATUS(co_await stream.shut_write());
  CO_TRY_STATUS(co_await asked.read_head(is_head));
  co_return co_await append(asked, body.first, body.second);
}

class ReachResponse final : public net::ResponseStream {
 public:
  ReachResponse(std::unique_ptr<net::StreamRequest> asked, std::chrono::nanoseconds silence_limit)
      : asked_(std::move(asked)), silence_limit_(silence_limit) {}

  int status() const override { return asked_->status(); }

  const net::Headers& headers() const override { return asked_->headers(); }

  Task<Result<std::string>> read() override {
    std::string piece;
    CO_TRY_STATUS(co_await in_time(read_piece(*asked_, piece), silence_limit_));
    co_return piece;
  }

  Task<Result<std::string>> read_all(std::size_t bytes_max) override {
    std::string out;
    CO_TRY_STATUS(co_await in_time(append(*asked_, out, bytes_max), silence_limit_));
    co_return out;
  }

 private:
  const std::unique_ptr<net::StreamRequest> asked_;
  const std::chrono::nanoseconds silence_limit_;
};

}  // namespace

net::ClientRequest Requests::with_host(net::ClientRequest request) const {
  request.headers.add("Host", direct_.url().authority());
  return request;
}

Result<std::unique_ptr<net::Stream>> Requests::open() {
  if (under_way_ > options_.under_way_max) {
    return Error{Code::exhausted, "enough is under way"};
  }
  return dialer_.open(std::string(kApiStream));
}

bool Requests::note_failure(const Error& why, std::string_view method) {
  if (why.code == Code::cancelled) {
    dialer_.note_refusal();
  }
  return is_repeatable(method) && (why.code == Code::cancelled || why.code == Code::unavailable);
}

void Requests::note_success() {
  if (has_gone_direct_.exchange(false)) {
    direct_.close_kept();
  }
}

Task<Result<net::Response>> Requests::request(net::ClientRequest request) {
  struct Counted {
    explicit Counted(std::atomic<std::size_t>& its_count) : count(its_count) { ++count; }

    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

    ~Counted() { --count; }

    std::atomic<std::size_t>& count;
  };

  const Counted counted(under_way_);
  if (auto stream = open(); stream.ok()) {
    auto answered = co_await ask(std::move(*stream), request);
    if (answered.ok()) {
      note_success();
      co_return answered;
    }
    if (!note_failure(answered.error(), request.method)) {
      co_return away(std::move(answered).error());
    }
  }
  has_gone_direct_ = true;
  auto answered = co_await direct_.request(std::move(request));
  if (answered.ok()) {
    dialer_.note_answer();
  }
  co_return answered;
}

Task<Result<net::Response>> Requests::ask(std::unique_ptr<net::Stream> stream,
                                          net::ClientRequest request) {
  auto& shared = *stream;
  net::StreamRequest asked(std::move(stream));
  net::Response response;
  const std::pair<std::string&, std::uint64_t> body(response.body, options_.response_bytes_max);
  auto work = converse(asked, shared, with_host(std::move(request)), body);
  auto outcome = co_await in_time(std::move(work), options_.request_limit);
  if (!outcome.ok()) {
    co_return std::move(outcome).error();
  }
  response.status = asked.status();
  response.headers = asked.headers();
  co_return response;
}

Task<void> Requests::wait_for_connection() {
  if (dialer_.is_connected()) {
    co_return;
  }
  dialer_.hurry();
  for (std::chrono::nanoseconds left = options_.connect_limit;
       left.count() > 0 && !dialer_.is_connected();
       left -= kPause) {
    co_await async::sleep_for(kPause);
  }
}

/// One that lasts is worth a wait: it keeps the connection that it began on.
Task<Result<std::unique_ptr<net::ResponseStream>>> Requests::stream(net::ClientRequest request) {
  co_await wait_for_connection();
  if (auto stream = open(); stream.ok()) {
    auto begun = co_await begin(std::move(*stream), request);
    if (begun.ok()) {
      co_return begun;
    }
    if (!note_failure(begun.error(), request.method)) {
      co_return away(std::move(begun).error());
    }
  }
  auto begun = co_await direct_.stream(std::move(request));
  if (begun.ok()) {
    dialer_.note_answer();
  }
  co_return begun;
}

Task<Result<std::unique_ptr<net::ResponseStream>>> Requests::begin(
    std::unique_ptr<net::Stream> stream, net::ClientRequest request) {
  auto asked = std::make_unique<net::StreamRequest>(std::move(stream));
  auto work = send(*asked, with_host(std::move(request)));
  auto outcome = co_await in_time(std::move(work), options_.request_limit);
  if (!outcome.ok()) {
    co_return std::move(outcome).error();
  }
  co_return std::make_unique<ReachResponse>(std::move(asked), options_.silence_limit);
}

}  // namespace tetrarch::reach
