// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_client.h"

#include <utility>

#include "base/encoding.h"
#include "client/http/http_watch.h"
#include "client/http/incoming.h"
#include "client/http/outgoing.h"
#include "client/http/paths.h"
#include "object/writer.h"

namespace tetrarch::client {
namespace {

constexpr std::size_t kFailureBytesMax = 1024 * 1024;

class HttpClient final : public Client {
 public:
  HttpClient(net::Requests& transport, const schema::Catalog& catalog)
      : transport_(transport), catalog_(catalog) {}

  Task<Result<Stored>> get(Key key) override;
  Task<Result<ListPage>> list(ListQuery query) override;
  Task<Result<std::unique_ptr<Watch>>> watch(WatchQuery query) override;
  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              WriteOptions options) override;
  Task<Result<Stored>> update(Key key, DocumentPtr document, WriteOptions options) override;
  Task<Result<Stored>> patch(Key key,
                             PatchType type,
                             std::string body,
                             WriteOptions options) override;
  Task<Result<Stored>> remove(Key key, DeleteOptions options) override;
  Task<std::vector<Result<Stored>>> apply(std::vector<Change> changes) override;
  Task<Result<std::unique_ptr<Watch>>> feed(NodeName node) override;

 private:
  static net::ClientRequest request_of(std::string method, std::string target);
  /// The body of a success.
  Task<Result<std::string>> ask(net::ClientRequest request);
  Task<Result<Stored>> ask_for_object(Key key, net::ClientRequest request);
  Task<Result<std::unique_ptr<net::ResponseStream>>> open_stream(std::string target);
  Task<Result<Stored>> apply_one(Change change);

  net::Requests& transport_;
  const schema::Catalog& catalog_;
};

std::string write_query(const WriteOptions& options) {
  Query query;
  query.add("dryRun", options.is_dry_run ? "All" : "").add("fieldManager", options.field_manager);
  query.add("force", options.is_forced ? "true" : "");
  return query.text();
}

/// A removed object whose last state the server did not send: what is known of it.
Stored removed(const Key& key, object::View status) {
  std::string out;
  object::Writer writer(out);
  writer.begin_object().key("metadata").begin_object().field("name", key.name);
  if (!key.ns.empty()) {
    writer.field("namespace", key.ns);
  }
  if (const auto uid = status["details"]["uid"].string(); !uid.empty()) {
    writer.field("uid", uid);
  }
  writer.end_object().end_object();
  return {key, {}, object::Document::from_canonical(std::move(out))};
}

net::ClientRequest HttpClient::request_of(std::string method, std::string target) {
  net::ClientRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers.add("Accept", "application/json");
  request.headers.add("User-Agent", "tetrarch");
  return request;
}

Task<Result<std::string>> HttpClient::ask(net::ClientRequest request) {
  CO_TRY(auto response, co_await transport_.request(std::move(request)));
  if (response.status < 200 || response.status > 299) {
    co_return parse_failure(response.status, response.body);
  }
  co_return std::move(response.body);
}

Task<Result<Stored>> HttpClient::ask_for_object(Key key, net::ClientRequest request) {
  CO_TRY(const auto body, co_await ask(std::move(request)));
  CO_TRY(const auto document, object::Document::parse(body));
  const auto root = document->root();
  // A binding and a deletion at once are answered with a Status.
  if (root["kind"].string() == "Status" && root["apiVersion"].string() == "v1") {
    co_return removed(key, root);
  }
  co_return parse_object(key.resource, root);
}

Task<Result<std::unique_ptr<net::ResponseStream>>> HttpClient::open_stream(std::string target) {
  auto request = request_of("GET", std::move(target));
  CO_TRY(auto stream, co_await transport_.stream(std::move(request)));
  if (stream->status() == 200) {
    co_return stream;
  }
  CO_TRY(const auto body, co_await stream->read_all(kFailureBytesMax));
  co_return parse_failure(stream->status(), body);
}

Task<Result<Stored>> HttpClient::get(Key key) {
  CO_TRY(auto path, path_of(catalog_, Place{key.resource, key.ns, key.name}));
  auto request = request_of("GET", std::move(path));
  co_return co_await ask_for_object(std::move(key), std::move(request));
}

Task<Result<ListPage>> HttpClient::list(ListQuery query) {
  CO_TRY(auto path, path_of(catalog_, Place{query.resource, query.ns}));
  Query parameters;
  parameters.add("labelSelector", query.select.labels)
      .add("fieldSelector", query.select.fields)
      .add("limit", query.limit == 0 ? "" : std::to_string(query.limit))
      .add("continue", query.continue_token);
  auto request = request_of("GET", path + parameters.text());
  CO_TRY(const auto body, co_await ask(std::move(request)));
  co_return parse_list(query.resource, body);
}

Task<Result<std::unique_ptr<Watch>>> HttpClient::watch(WatchQuery query) {
  CO_TRY(auto path, path_of(catalog_, Place{query.resource, query.ns}));
  std::vector<WatchEvent> first;
  if (query.from.number == 0) {
    ListQuery everything{query.resource, query.ns, query.select};
    CO_TRY(auto page, co_await list(std::move(everything)));
    for (auto& item : page.items) {
      first.push_back({EventType::added, std::move(item)});
    }
    query.from = page.revision;
    Stored mark;
    mark.key.resource = query.resource;
    mark.revision = page.revision;
    first.push_back({EventType::bookmark, std::move(mark)});
  }
  Query parameters;
  parameters.add("watch", "true")
      .add("resourceVersion", std::to_string(query.from.number))
      .add("allowWatchBookmarks", "true")
      .add("labelSelector", query.select.labels)
      .add("fieldSelector", query.select.fields);
  CO_TRY(auto stream, co_await open_stream(path + parameters.text()));
  co_return std::make_unique<HttpWatch>(
      std::move(stream), std::move(query.resource), nullptr, std::move(first));
}

Task<Result<Stored>> HttpClient::create(std::string resource,
                                        std::string ns,
                                        DocumentPtr document,
                                        WriteOptions options) {
  const std::string name(document->root()["metadata"]["name"].string());
  const bool is_sub = !options.subresource.empty();
  CO_TRY(auto path,
         path_of(catalog_, Place{resource, ns, is_sub ? name : "", options.subresource}));
  auto request = request_of("POST", path + write_query(options));
  request.headers.add("Content-Type", "application/json");
  request.body = object_body(*document, options);
  Key key{std::move(resource), std::move(ns), name};
  co_return co_await ask_for_object(std::move(key), std::move(request));
}

Task<Result<Stored>> HttpClient::update(Key key, DocumentPtr document, WriteOptions options) {
  CO_TRY(auto path, path_of(catalog_, Place{key.resource, key.ns, key.name, options.subresource}));
  const auto uid = document->root()["metadata"]["uid"].string();
  if (!options.expected_uid.empty() && !uid.empty() && uid != options.expected_uid) {
    co_return Error{Code::precondition,
                    "the object to write has another uid than the one expected"};
  }
  auto request = request_of("PUT", path + write_query(options));
  request.headers.add("Content-Type", "application/json");
  request.body = object_body(*document, options);
  co_return co_await ask_for_object(std::move(key), std::move(request));
}

Task<Result<Stored>> HttpClient::patch(Key key,
                                       PatchType type,
                                       std::string body,
                                       WriteOptions options) {
  CO_TRY(auto path, path_of(catalog_, Place{key.resource, key.ns, key.name, options.subresource}));
  auto request = request_of("PATCH", path + write_query(options));
  request.headers.add("Content-Type", std::string(patch_media_type(type)));
  CO_TRY(request.body, patch_body(type, body, options));
  co_return co_await ask_for_object(std::move(key), std::move(request));
}

Task<Result<Stored>> HttpClient::remove(Key key, DeleteOptions options) {
  CO_TRY(auto path, path_of(catalog_, Place{key.resource, key.ns, key.name}));
  auto request = request_of("DELETE", std::move(path));
  request.headers.add("Content-Type", "application/json");
  request.body = delete_body(options);
  co_return co_await ask_for_object(std::move(key), std::move(request));
}

Task<Result<Stored>> HttpClient::apply_one(Change change) {
  switch (change.verb) {
    case Change::Verb::create:
      co_return co_await create(std::move(change.key.resource),
                                std::move(change.key.ns),
                                std::move(change.document),
                                std::move(change.write));
    case Change::Verb::update:
      co_return co_await update(
          std::move(change.key), std::move(change.document), std::move(change.write));
    case Change::Verb::remove:
      break;
  }
  co_return co_await remove(std::move(change.key), std::move(change.remove));
}

Task<std::vector<Result<Stored>>> HttpClient::apply(std::vector<Change> changes) {
  std::vector<Result<Stored>> out;
  out.reserve(changes.size());
  for (auto& change : changes) {
    out.push_back(co_await apply_one(std::move(change)));
  }
  co_return out;
}

Task<Result<std::unique_ptr<Watch>>> HttpClient::feed(NodeName node) {
  CO_TRY(auto stream,
         co_await open_stream("/tetrarch/v1/nodes/" + percent_encode(node.text) + "/feed"));
  co_return std::make_unique<HttpWatch>(std::move(stream), "", &catalog_);
}

}  // namespace

std::unique_ptr<Client> make_http_client(net::Requests& transport, const schema::Catalog& catalog) {
  return std::make_unique<HttpClient>(transport, catalog);
}

}  // namespace tetrarch::client
