// SPDX-License-Identifier: Apache-2.0
// The bodies of the fixture; a _test file so that the library does not contain it.
#include "api/kubernetes/api_fixture.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "async/timer.h"

namespace tetrarch::api::kubernetes {

Task<Status> FakeExchange::respond(int code, net::Headers with, std::string text) {
  status = code;
  headers = std::move(with);
  body = std::move(text);
  co_return ok();
}

Task<Status> FakeExchange::respond(int code, net::Headers with, net::Body pieces) {
  status = code;
  headers = std::move(with);
  for (const auto piece : pieces.pieces) {
    body += piece;
  }
  co_return ok();
}

Task<Status> FakeExchange::start(int code, net::Headers with) {
  status = code;
  headers = std::move(with);
  is_started = true;
  co_return ok();
}

Task<Status> FakeExchange::write(net::Body pieces) {
  ++writes;
  for (const auto piece : pieces.pieces) {
    body += piece;
  }
  co_return ok();
}

Task<Status> FakeExchange::finish() {
  is_finished = true;
  co_return ok();
}

Task<Result<std::unique_ptr<net::Stream>>> FakeExchange::upgrade_raw(net::Headers with) {
  status = 101;
  headers = std::move(with);
  co_return std::move(raw);
}

Task<Result<std::unique_ptr<net::WebSocket>>> FakeExchange::upgrade_websocket(std::string chosen) {
  status = 101;
  subprotocol = std::move(chosen);
  co_return std::move(web_socket);
}

DocumentPtr FakeExchange::json() const {
  auto parsed = object::Document::parse(body);
  EXPECT_TRUE(parsed.ok()) << body;
  return parsed.ok() ? *parsed : object::Document::from_canonical("null");
}

Task<Result<std::size_t>> FakeStream::read(char* into, std::size_t size) {
  const auto count = std::min(size, input_.size());
  input_.copy(into, count);
  input_.erase(0, count);
  co_return count;
}

Task<Status> FakeStream::write(std::string_view bytes) {
  *written_ += bytes;
  co_return ok();
}

Task<Status> FakeStream::shut_write() {
  co_return ok();
}

Task<Result<std::vector<client::WatchEvent>>> FakeWatch::next() {
  if (!batches.empty()) {
    auto out = std::move(batches.front());
    batches.pop_front();
    co_return out;
  }
  if (error) {
    co_return *error;
  }
  if (on_drained) {
    on_drained();
  }
  async::Event never;
  co_await never.wait();
  co_return Error{Code::unavailable, "the test waited for ever"};
}

void FakeRegistry::note(std::string verb, registry::Call call) {
  asked_verb = std::move(verb);
  if (call.warnings != nullptr) {
    call.warnings->insert(call.warnings->end(), warnings.begin(), warnings.end());
  }
  if (call.was_created != nullptr) {
    *call.was_created = creates;
  }
  asked = std::move(call);
}

Task<Status> FakeRegistry::bootstrap() {
  co_return ok();
}

Task<Result<Stored>> FakeRegistry::get(registry::Call call, registry::ReadAt /*at*/) {
  note("get", std::move(call));
  co_return object;
}

Task<Result<client::ListPage>> FakeRegistry::list(registry::Call call,
                                                  registry::ListOptions options) {
  note("list", std::move(call));
  asked_list = std::move(options);
  co_return page;
}

Task<Result<std::unique_ptr<client::Watch>>> FakeRegistry::watch(registry::Call call,
                                                                 registry::WatchOptions options) {
  note("watch", std::move(call));
  asked_watch = std::move(options);
  if (watch_error) {
    co_return *watch_error;
  }
  co_return std::unique_ptr<client::Watch>(std::move(next_watch));
}

Task<Result<Stored>> FakeRegistry::create(registry::Call call,
                                          std::string json,
                                          client::WriteOptions options) {
  note("create", std::move(call));
  asked_body = std::move(json);
  asked_write = std::move(options);
  co_return object;
}

Task<Result<Stored>> FakeRegistry::update(registry::Call call,
                                          std::string json,
                                          client::WriteOptions options) {
  note("update", std::move(call));
  asked_body = std::move(json);
  asked_write = std::move(options);
  co_return object;
}

Task<Result<Stored>> FakeRegistry::patch(registry::Call call,
                                         client::PatchType type,
                                         std::string body,
                                         client::WriteOptions options) {
  note("patch", std::move(call));
  asked_patch = type;
  asked_body = std::move(body);
  asked_write = std::move(options);
  co_return object;
}

Task<Result<Stored>> FakeRegistry::remove(registry::Call call, client::DeleteOptions options) {
  note("remove", std::move(call));
  asked_delete = std::move(options);
  co_return object;
}

Task<Result<client::ListPage>> FakeRegistry::remove_collection(registry::Call call,
                                                               registry::ListOptions which,
                                                               client::DeleteOptions options) {
  note("remove_collection", std::move(call));
  asked_list = std::move(which);
  asked_delete = std::move(options);
  co_return page;
}

Result<trust::Identity> FakeRegistry::authenticate(const registry::Credentials& shown) const {
  trust::Identity out;
  out.user = shown.certificate_user;
  return out;
}

Status FakeRegistry::authorize(const trust::Identity& /*identity*/,
                               const registry::Attributes& what) const {
  authorized = what;
  return refusal ? Status(*refusal) : ok();
}

namespace {

/// Reads through the registry; what an agent's feed gives is the registry's next watch.
class FakeClient final : public client::Client {
 public:
  explicit FakeClient(FakeRegistry& registry) : registry_(registry) {}

  Task<Result<Stored>> get(Key key) override {
    const auto at = registry_.objects.find(key);
    co_return at == registry_.objects.end() ? registry_.object : Result<Stored>(at->second);
  }

  Task<Result<client::ListPage>> list(client::ListQuery /*query*/) override {
    co_return registry_.page;
  }

  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery /*query*/) override {
    co_return Error{Code::unimplemented, "no watch"};
  }

  Task<Result<Stored>> create(std::string /*resource*/,
                              std::string /*ns*/,
                              DocumentPtr /*document*/,
                              client::WriteOptions /*options*/) override {
    co_return registry_.object;
  }

  Task<Result<Stored>> update(Key /*key*/,
                              DocumentPtr /*document*/,
                              client::WriteOptions /*options*/) override {
    co_return registry_.object;
  }

  Task<Result<Stored>> patch(Key /*key*/,
                             client::PatchType /*type*/,
                             std::string /*body*/,
                             client::WriteOptions /*options*/) override {
    co_return registry_.object;
  }

  Task<Result<Stored>> remove(Key /*key*/, client::DeleteOptions /*options*/) override {
    co_return registry_.object;
  }

  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> /*changes*/) override {
    co_return std::vector<Result<Stored>>{};
  }

  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName /*node*/) override {
    co_return std::unique_ptr<client::Watch>(std::move(registry_.next_watch));
  }

 private:
  FakeRegistry& registry_;
};

}  // namespace

std::unique_ptr<client::Client> FakeRegistry::client(trust::Identity identity) {
  client_identity = std::move(identity);
  return std::make_unique<FakeClient>(*this);
}

Stored stored(std::string_view resource, std::string_view json, std::uint64_t revision) {
  auto parsed = object::Document::parse(json);
  EXPECT_TRUE(parsed.ok()) << json;
  const auto metadata = (*parsed)->root()["metadata"];
  return {{std::string(resource),
           std::string(metadata["namespace"].string()),
           std::string(metadata["name"].string())},
          Revision{revision},
          *parsed};
}

const schema::Catalog& ApiTest::catalog() {
  static const auto kCatalog = schema::Catalog::load_builtin();
  EXPECT_TRUE(kCatalog.ok()) << kCatalog.error().message;
  return **kCatalog;
}

namespace {

Task<Result<trust::Identity>> fake_authenticate(net::Peer peer, std::string token) {
  trust::Identity out;
  if (!peer.certificate_common_name.empty()) {
    out.user = peer.certificate_common_name;
    out.groups = peer.certificate_organizations;
    co_return out;
  }
  if (token == "good") {
    out.user = "jane";
    co_return out;
  }
  co_return Error{Code::unauthenticated, "unknown token"};
}

Task<Status> fake_check(std::string token, std::string /*address*/) {
  if (token == "abcdef.0123456789abcdef") {
    co_return ok();
  }
  co_return Error{Code::unauthenticated, "the join token is not known"};
}

Task<Result<std::unique_ptr<net::Stream>>> hand_over(Result<std::unique_ptr<net::Stream>> stream) {
  co_return std::move(stream);
}

Task<void> nothing() {
  co_return;
}

}  // namespace

ApiTest::ApiTest() : reach_stream_(Error{Code::unavailable, "node \"n1\" is not connected"}) {
  api_ = make_kubernetes_api(make_parts());
}

Parts ApiTest::make_parts() {
  NodeAccess nodes;
  nodes.check_join_token = fake_check;
  nodes.sign = [](std::string_view csr, const NodeName& node) -> Result<std::string> {
    return "signed " + std::string(csr) + " for " + node.text;
  };
  nodes.ca_pem = "the CA";
  nodes.open = [this](NodeName node, std::string json) {
    reach_node_ = node.text;
    reach_request_ = std::move(json);
    return hand_over(std::move(reach_stream_));
  };
  nodes.attach = [this](
                     NodeName node, net::Peer peer, std::unique_ptr<net::Stream> /*connection*/) {
    attached_node_ = node.text;
    attached_peer_ = peer.certificate_common_name;
    return nothing();
  };
  HealthCheck check{"store", true, [this] { return is_ready_; }};
  return {registry_,
          catalog(),
          metrics_,
          fairness_,
          clock_,
          random_,
          fake_authenticate,
          std::move(nodes),
          {check},
          {},
          {"https://issuer", [] { return std::string(R"({"keys":[]})"); }}};
}

ApiTest::~ApiTest() = default;

net::Request ApiTest::request(std::string method, std::string path_and_query) {
  net::Request out;
  out.method = std::move(method);
  const auto question = path_and_query.find('?');
  out.path = path_and_query.substr(0, question);
  out.query = question == std::string::npos ? "" : path_and_query.substr(question + 1);
  out.headers.add("Authorization", "Bearer good");
  return out;
}

FakeExchange& ApiTest::call(net::Request request) {
  if (!exchange_) {
    exchange_ = std::make_unique<FakeExchange>();
  }
  auto& exchange = *exchange_;
  asio::io_context context;
  asio::co_spawn(
      context, api_->handle(std::move(request), exchange), [](const std::exception_ptr& error) {
        EXPECT_EQ(error, nullptr) << "the handler threw";
      });
  context.run();
  return exchange;
}

FakeExchange& ApiTest::get(std::string path_and_query, std::string accept) {
  exchange_ = std::make_unique<FakeExchange>();
  auto question = request("GET", std::move(path_and_query));
  if (!accept.empty()) {
    question.headers.add("Accept", std::move(accept));
  }
  return call(std::move(question));
}

FakeExchange& ApiTest::send(std::string method,
                            std::string path_and_query,
                            std::string body,
                            std::string content_type) {
  exchange_ = std::make_unique<FakeExchange>();
  auto question = request(std::move(method), std::move(path_and_query));
  question.body = std::move(body);
  if (!content_type.empty()) {
    question.headers.add("Content-Type", std::move(content_type));
  }
  return call(std::move(question));
}

}  // namespace tetrarch::api::kubernetes
