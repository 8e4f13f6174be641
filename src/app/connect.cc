// SPDX-License-Identifier: Apache-2.0
#include "app/connect.h"

#include <cstdlib>
#include <filesystem>
#include <future>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "app/machine.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/encoding.h"
#include "object/document.h"

namespace tetrarch::app {
namespace {

struct Access {
  std::string url;
  net::TlsMaterial tls;
};

/// Source: Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files"; ours has
/// one of each.
Result<Access> read_kubeconfig(const std::string& path) {
  TRY(const auto text, read_file(path));
  Access access;
  std::string ca;
  std::string certificate;
  std::string key;
  try {
    const auto root = YAML::Load(text);
    const auto cluster = root["clusters"][0]["cluster"];
    const auto user = root["users"][0]["user"];
    access.url = cluster["server"].as<std::string>();
    ca = cluster["certificate-authority-data"].as<std::string>();
    certificate = user["client-certificate-data"].as<std::string>();
    key = user["client-key-data"].as<std::string>();
  } catch (const YAML::Exception& e) {
    return Error{Code::invalid, fmt::format("{}: {}", path, e.what())};
  }
  TRY(access.tls.ca_pem, base64_decode(ca));
  TRY(access.tls.certificate_pem, base64_decode(certificate));
  TRY(access.tls.key_pem, base64_decode(key));
  return access;
}

std::string admin_file(const std::string& data_dir) {
  auto here = data_dir + "/admin.kubeconfig";
  const char* named = std::getenv("KUBECONFIG");
  return named != nullptr && *named != '\0' && !std::filesystem::exists(here) ? named : here;
}

Task<void> ask_into(net::Client& client,
                    net::ClientRequest request,
                    std::promise<Result<net::Response>>& out) {
  out.set_value(co_await client.request(std::move(request)));
}

Code code_of(int status) {
  switch (status) {
    case 404:
      return Code::not_found;
    case 409:
      return Code::conflict;
    case 429:
      return Code::exhausted;
    default:
      return Code::unavailable;
  }
}

/// The words of a Status object, or the text itself.
Error refusal_of(int status, const std::string& body) {
  const auto document = Document::parse(body);
  const std::string message(document.ok() ? (*document)->root()["message"].string(body) : body);
  return {Code::unavailable, fmt::format("the server answers {}: {}", status, message)};
}

Task<Status> pass_on(net::Client& client,
                     net::ClientRequest request,
                     const Connection::Sink& sink) {
  constexpr std::size_t kRefusalMax = 64 * 1024;
  CO_TRY(const auto stream, co_await client.stream(std::move(request)));
  if (stream->status() != 200) {
    CO_TRY(const auto body, co_await stream->read_all(kRefusalMax));
    co_return refusal_of(stream->status(), body);
  }
  while (true) {
    CO_TRY(const auto bytes, co_await stream->read());
    if (bytes.empty()) {
      co_return ok();
    }
    CO_TRY_STATUS(sink(bytes));
  }
}

Task<void> pass_on_into(net::Client& client,
                        net::ClientRequest request,
                        const Connection::Sink& sink,
                        std::promise<Status>& out) {
  out.set_value(co_await pass_on(client, std::move(request), sink));
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(net::ClientOptions options,
                                                     std::shared_ptr<net::TlsContext> tls) {
  auto connection = std::make_unique<Connection>();
  TRY(connection->client_, net::Client::make(std::move(options), std::move(tls)));
  return connection;
}

Result<std::unique_ptr<Connection>> Connection::as_admin(const std::string& data_dir,
                                                         std::chrono::nanoseconds request_limit) {
  TRY(auto access, read_kubeconfig(admin_file(data_dir)));
  TRY(auto tls, net::TlsContext::for_client(access.tls));
  return open({.url = access.url, .request_limit = request_limit}, std::move(tls));
}

Result<net::Response> Connection::ask(net::ClientRequest request) {
  async::TaskGroup group(pool_.strand(), "command");
  std::promise<Result<net::Response>> answer;
  group.spawn(ask_into(*client_, std::move(request), answer));
  auto response = answer.get_future().get();
  group.stop_and_wait();
  return response;
}

Result<DocumentPtr> Connection::ask_api(std::string method,
                                        std::string path,
                                        std::string body,
                                        std::string type) {
  net::ClientRequest request{.method = std::move(method), .target = std::move(path)};
  request.headers.add("Content-Type", std::move(type));
  request.body = std::move(body);
  TRY(const auto answer, ask(std::move(request)));
  TRY(auto document, Document::parse(answer.body));
  if (answer.status >= 300) {
    return Error{code_of(answer.status),
                 std::string(document->root()["message"].string("the server refused"))};
  }
  return document;
}

Status Connection::receive(net::ClientRequest request, const Sink& sink) {
  async::TaskGroup group(pool_.strand(), "command");
  std::promise<Status> outcome;
  group.spawn(pass_on_into(*client_, std::move(request), sink, outcome));
  auto done = outcome.get_future().get();
  group.stop_and_wait();
  return done;
}

}  // namespace tetrarch::app
