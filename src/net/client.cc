// SPDX-License-Identifier: Apache-2.0
#include "net/client.h"

#include <algorithm>
#include <iterator>

#include <boost/asio/this_coro.hpp>

#include "net/dial.h"
#include "net/response_reader.h"
#include "net/transport_stream.h"

namespace tetrarch::net {
namespace {

/// Of an answer that is quoted in an error.
constexpr std::size_t kQuotedMax = 64 * 1024;

/// Source: RFC 9110 section 9.2.2: sending these twice does no harm.
bool is_repeatable(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

}  // namespace

/// One connection and the response that is read from it at present.
class Client::Session {
 public:
  explicit Session(std::unique_ptr<Transport> its_transport)
      : transport(std::move(its_transport)),
        reader([this](char* into, std::size_t size) { return transport->read(into, size); }) {}

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Task<Status> send(std::string head, std::string_view body) {
    CO_TRY_STATUS(transport->append(head));
    CO_TRY_STATUS(transport->append(body));
    co_return co_await transport->flush();
  }

  ResponseParser& parser() { return reader.parser(); }

  Response& response() { return reader.parser().response(); }

  bool may_be_kept() {
    return parser().is_done() && parser().keep_alive() && reader.is_exhausted();
  }

  std::unique_ptr<Transport> transport;
  ResponseReader reader;
  bool was_kept = false;
};

struct Client::Kept {
  std::unique_ptr<Session> session;
  SteadyPoint since;
};

class Client::SessionStream final : public ResponseStream {
 public:
  SessionStream(std::unique_ptr<Session> session, std::chrono::nanoseconds silence_limit)
      : session_(std::move(session)), silence_limit_(silence_limit) {}

  int status() const override { return session_->response().status; }

  const Headers& headers() const override { return session_->response().headers; }

  Task<Result<std::string>> read() override {
    auto& body = session_->response().body;
    session_->transport->arm(silence_limit_);
    while (body.empty() && !session_->parser().is_done()) {
      CO_TRY_STATUS(co_await session_->reader.read_more());
    }
    session_->transport->disarm();
    co_return std::exchange(body, {});
  }

  Task<Result<std::string>> read_all(std::size_t bytes_max) override {
    std::string out;
    while (true) {
      CO_TRY(const auto piece, co_await read());
      if (piece.empty()) {
        co_return out;
      }
      if (out.size() + piece.size() > bytes_max) {
        co_return Error{Code::too_large, "the server's answer is too large"};
      }
      out += piece;
    }
  }

 private:
  std::unique_ptr<Session> session_;
  const std::chrono::nanoseconds silence_limit_;
};

Result<std::unique_ptr<Client>> Client::make(ClientOptions options,
                                             std::shared_ptr<TlsContext> tls,
                                             const Clock& clock) {
  TRY(auto url, parse_url(options.url));
  if (url.scheme == Url::Scheme::https && !tls) {
    return Error{Code::invalid, "https needs TLS settings"};
  }
  return std::make_unique<Client>(
      Private{}, std::move(options), std::move(url), std::move(tls), clock);
}

Client::Client(Private /*key*/,
               ClientOptions options,
               Url url,
               std::shared_ptr<TlsContext> tls,
               const Clock& clock)
    : options_(std::move(options)), url_(std::move(url)), tls_(std::move(tls)), clock_(clock) {}

Client::~Client() = default;

std::string Client::compose_head(const ClientRequest& request) const {
  std::string head;
  head.reserve(512);
  head += request.method;
  head += ' ';
  head += url_.base_path;
  head += request.target;
  head += " HTTP/1.1\r\nHost: ";
  head += url_.authority();
  head += "\r\n";
  if (!options_.bearer_token.empty()) {
    head += "Authorization: Bearer " + options_.bearer_token + "\r\n";
  }
  for (const auto& header : request.headers.list()) {
    head += header.name + ": " + header.value + "\r\n";
  }
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
      request.method == "PATCH") {
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  head += "\r\n";
  return head;
}

Task<Result<std::unique_ptr<Client::Session>>> Client::connect() {
  CO_TRY(auto transport, co_await dial(url_, options_.connect_limit, clock_));
  if (url_.scheme == Url::Scheme::https) {
    transport->use_tls(std::make_unique<TlsEngine>(
        *tls_, options_.tls_name.empty() ? url_.host : options_.tls_name));
    transport->arm(options_.connect_limit);
    CO_TRY_STATUS(co_await transport->handshake());
  }
  co_return std::make_unique<Session>(std::move(transport));
}

std::unique_ptr<Client::Session> Client::take_kept(asio::any_io_executor strand) {
  const auto oldest = clock_.steady() - options_.idle_limit;
  std::vector<Kept> dropped;  // closed without the lock
  const std::lock_guard lock(mutex_);
  while (!kept_.empty()) {
    Kept last = std::move(kept_.back());
    kept_.pop_back();
    if (last.since >= oldest && last.session->transport->is_idle_and_open()) {
      last.session->transport->unpark(std::move(strand));
      last.session->was_kept = true;
      return std::move(last.session);
    }
    dropped.push_back(std::move(last));
  }
  return nullptr;
}

void Client::keep(std::unique_ptr<Session> session) {
  if (!session->may_be_kept()) {
    return;
  }
  session->transport->park();
  session->reader.forget();
  const auto now = clock_.steady();
  Kept kept{std::move(session), now};
  std::vector<Kept> dropped;  // closed without the lock
  const std::lock_guard lock(mutex_);
  // What a busy moment took to many is not needed since: the last used is used again.
  const auto oldest = std::ranges::partition_point(
      kept_, [&](const Kept& each) { return each.since < now - options_.idle_limit; });
  std::move(kept_.begin(), oldest, std::back_inserter(dropped));
  kept_.erase(kept_.begin(), oldest);
  if (kept_.size() < options_.idle_connections_max) {
    kept_.push_back(std::move(kept));
  }
}

void Client::close_kept() {
  std::vector<Kept> dropped;  // closed without the lock
  const std::lock_guard lock(mutex_);
  dropped.swap(kept_);
}

Task<Result<std::unique_ptr<Client::Session>>> Client::open(const ClientRequest& request) {
  const bool is_head = request.method == "HEAD";
  auto session = take_kept(co_await asio::this_coro::executor);
  while (true) {
    if (!session) {
      CO_TRY(session, co_await connect());
    }
    session->transport->arm(options_.request_limit);
    auto answered = co_await session->send(compose_head(request), request.body);
    if (answered.ok() || !session->was_kept) {
      // A server that refuses a large body answers and closes before it has read all of it: look
      // for the answer.
      auto read = co_await session->reader.read_head(is_head, options_.response_bytes_max);
      if (read.ok() || answered.ok()) {
        answered = std::move(read);
      }
    }
    if (answered.ok()) {
      co_return session;
    }
    // The server may have closed a kept connection just when we used it.
    const bool tries_again = session->was_kept && !session->reader.has_begun() &&
                             is_repeatable(request.method) &&
                             answered.error().code == Code::unavailable;
    if (!tries_again) {
      co_return std::move(answered).error();
    }
    session = nullptr;
  }
}

Task<Result<Response>> Client::request(ClientRequest request) {
  CO_TRY(auto session, co_await open(request));
  while (!session->parser().is_done()) {
    CO_TRY_STATUS(co_await session->reader.read_more());
  }
  Response response = std::move(session->response());
  keep(std::move(session));
  co_return response;
}

Task<Result<std::unique_ptr<ResponseStream>>> Client::stream(ClientRequest request) {
  CO_TRY(auto session, co_await open(request));
  session->parser().body_limit(boost::none);  // only what is not taken yet is held
  session->transport->disarm();
  co_return std::make_unique<SessionStream>(std::move(session), options_.silence_limit);
}

Task<Result<std::unique_ptr<Stream>>> Client::upgrade(ClientRequest request, std::string protocol) {
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Upgrade", std::move(protocol));
  CO_TRY(auto session, co_await open(request));
  auto& response = session->response();
  if (response.status != 101) {
    while (!session->parser().is_done() && response.body.size() < kQuotedMax) {
      CO_TRY_STATUS(co_await session->reader.read_more());
    }
    const auto code = response.status == 401   ? Code::unauthenticated
                      : response.status == 403 ? Code::forbidden
                      : response.status == 404 ? Code::not_found
                                               : Code::unavailable;
    co_return Error{
        code,
        "the server refused to upgrade: " + std::to_string(response.status) + " " + response.body};
  }
  session->transport->disarm();
  auto early = session->reader.take_rest();
  co_return make_transport_stream(std::move(session->transport), std::move(early));
}

}  // namespace tetrarch::net
