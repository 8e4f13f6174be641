// SPDX-License-Identifier: Apache-2.0
#include "agent/image_mirror.h"

#include <fstream>

#include <fmt/format.h>
#include <sys/stat.h>

#include "agent/runtime/content.h"
#include "agent/runtime/toml.h"
#include "base/log.h"
#include "trust/sha256.h"

namespace tetrarch::agent {
namespace {

constexpr std::string_view kWordHeader = "X-Tetrarch-Mirror";
constexpr std::string_view kAllOthers = "*";
constexpr std::string_view kMark = "# Written by tetrarch at each start of its agent.\n";

/// Source: containerd 1.6.20, remotes/docker/config/hosts_unix.go, hostPaths: "host:5000" is looked
/// for in "host_5000_"; what has no folder, in "_default".
std::string folder_of(std::string_view registry) {
  if (registry == kAllOthers) {
    return "_default";
  }
  const auto colon = registry.rfind(':');
  return colon == std::string_view::npos
             ? std::string(registry)
             : fmt::format("{}_{}_", registry.substr(0, colon), registry.substr(colon + 1));
}

Status write_private(const std::filesystem::path& path, std::string_view text) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  const auto before = ::umask(0077);
  const auto draft = path.string() + ".new";
  std::ofstream file(draft, std::ios::trunc);
  file << text;
  file.close();
  ::umask(before);
  if (file) {
    std::filesystem::rename(draft, path, error);
  }
  return file && !error
             ? ok()
             : Status(Error{Code::unavailable, fmt::format("{} cannot be written", path.string())});
}

/// What an earlier start wrote, maybe with other settings. What an operator has put there stays.
void remove_own(const std::filesystem::path& registries) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(registries, ignored)) {
    const auto path = entry.path() / "hosts.toml";
    std::string line;
    if (std::getline(std::ifstream(path), line) && line + "\n" == kMark) {
      std::filesystem::remove(path, ignored);
    }
  }
}

bool is_passed_on(std::string_view name) {
  for (const std::string_view each : {"Content-Type",
                                      "Content-Length",
                                      "Content-Range",
                                      "Docker-Content-Digest",
                                      "Docker-Distribution-API-Version",
                                      "ETag"}) {
    if (net::equals_ignoring_case(name, each)) {
      return true;
    }
  }
  return false;
}

Task<Status> refuse(net::Exchange& exchange, int status, std::string_view message) {
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  co_return co_await exchange.respond(
      status,
      std::move(headers),
      fmt::format(R"({{"errors":[{{"code":"{}","message":"{}"}}]}})",
                  status == 404 ? "BLOB_UNKNOWN" : "UNAVAILABLE",
                  message));
}

std::string target_of(const net::Request& request) {
  return request.query.empty() ? request.path : fmt::format("{}?{}", request.path, request.query);
}

net::ClientRequest request_of(const net::Request& from) {
  net::ClientRequest out;
  out.method = from.method;
  out.target = target_of(from);
  for (const std::string_view name : {"Accept", "Range"}) {
    for (const auto value : from.headers.all(name)) {
      out.headers.add(std::string(name), std::string(value));
    }
  }
  return out;
}

net::Headers blob_headers(const std::string& digest) {
  net::Headers out;
  out.add("Content-Type", "application/octet-stream");
  out.add("Docker-Content-Digest", digest);
  return out;
}

/// From a net::ResponseStream or a BlobStream.
template <class Source>
Task<Status> copy(Source& from, net::Exchange& to) {
  while (true) {
    CO_TRY(const auto piece, co_await from.read());
    if (piece.empty()) {
      co_return co_await to.finish();
    }
    net::Body body;
    body.pieces.emplace_back(piece);
    CO_TRY_STATUS(co_await to.write(std::move(body)));
  }
}

}  // namespace

std::string hosts_file(std::uint16_t port,
                       std::string_view word,
                       const std::vector<RegistryMirror>& mirrors) {
  // Source: containerd 1.6 docs/hosts.md.
  std::string out(kMark);
  out += fmt::format(
      "[host.\"http://127.0.0.1:{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
      "  [host.\"http://127.0.0.1:{}\".header]\n    {} = {}\n",
      port,
      port,
      kWordHeader,
      runtime::toml_string(word));
  for (const auto& mirror : mirrors) {
    const auto host = runtime::toml_string(mirror.url);
    out += fmt::format("[host.{}]\n  capabilities = [\"pull\", \"resolve\"]\n", host);
    if (!mirror.authorization.empty()) {
      out += fmt::format("  [host.{}.header]\n    Authorization = {}\n",
                         host,
                         runtime::toml_string(mirror.authorization));
    }
  }
  return out;
}

std::optional<BlobRequest> blob_request(const net::Request& request) {
  constexpr std::string_view kPart = "/blobs/";
  const auto at = request.path.rfind(kPart);
  const auto begin = open_range(request.headers.get("Range"));
  if (request.method != "GET" || at == std::string::npos || !begin) {
    return std::nullopt;
  }
  BlobRequest out{target_of(request), request.path.substr(at + kPart.size()), *begin};
  return runtime::is_digest(out.digest) ? std::optional(std::move(out)) : std::nullopt;
}

ImageMirror::ImageMirror(async::IoPool& pool,
                         net::Client& servers,
                         BlobSource& blobs,
                         Random& random)
    : servers_(servers),
      blobs_(blobs),
      word_(make_suffix(random, 32)),
      server_(pool, *this, net::ServerOptions{.name = "image mirror"}) {}

Status ImageMirror::start(const std::filesystem::path& registries, const RegistryMirrors& mirrors) {
  TRY(const auto port, server_.listen("127.0.0.1", 0, nullptr));
  remove_own(registries);
  auto all = mirrors;
  all.try_emplace(std::string(kAllOthers));
  for (const auto& [registry, urls] : all) {
    const auto path = registries / folder_of(registry) / "hosts.toml";
    if (!std::filesystem::exists(path)) {
      TRY_STATUS(write_private(path, hosts_file(port, word_, urls)));
    }
  }
  server_.run();
  is_running_ = true;
  return ok();
}

Task<void> ImageMirror::stop() {
  if (is_running_) {
    is_running_ = false;
    co_await server_.stop();
  }
}

Task<void> ImageMirror::handle(net::Request request, net::Exchange& exchange) {
  Status outcome = ok();
  if (!trust::is_equal_secret(request.headers.get(kWordHeader), word_)) {
    outcome = co_await refuse(exchange, 403, "this listener is for the node's containerd alone");
  } else if ((request.method != "GET" && request.method != "HEAD") ||
             !request.path.starts_with("/v2/")) {
    outcome = co_await refuse(exchange, 405, "this listener knows GET and HEAD of /v2/");
  } else if (auto wanted = blob_request(request)) {
    outcome = co_await send_blob(*std::move(wanted), std::move(request), exchange);
  } else {
    outcome = co_await pass_on(std::move(request), exchange);
  }
  if (!outcome.ok()) {
    log::debug("agent", "image mirror: {}", outcome.error().message);
  }
}

/// Where nobody gives it, the servers answer themselves and say why.
Task<Status> ImageMirror::send_blob(BlobRequest wanted,
                                    net::Request request,
                                    net::Exchange& exchange) {
  const auto begin = wanted.begin;
  auto headers = blob_headers(wanted.digest);
  const auto blob = co_await blobs_.open(std::move(wanted));
  if (!blob.ok() && blob.error().code == Code::not_found) {
    co_return co_await refuse(exchange, 404, "the cluster has no such blob");
  }
  if (!blob.ok()) {
    log::debug("agent", "image mirror: {}", blob.error().message);
    co_return co_await pass_on(std::move(request), exchange);
  }
  const auto size = (*blob)->size();
  headers.add("Content-Length", std::to_string(size - begin));
  if (begin > 0) {
    headers.add("Content-Range", fmt::format("bytes {}-{}/{}", begin, size - 1, size));
  }
  CO_TRY_STATUS(co_await exchange.start(begin > 0 ? 206 : 200, std::move(headers)));
  co_return co_await copy(**blob, exchange);
}

Task<Status> ImageMirror::pass_on(net::Request request, net::Exchange& exchange) {
  auto asked = request_of(request);
  const auto response = co_await servers_.stream(std::move(asked));
  if (!response.ok()) {
    // A 5xx sends containerd on to the next registry, too.
    (void)co_await refuse(exchange, 503, "no server answers");
    co_return response.error();
  }
  net::Headers headers;
  for (const auto& header : (*response)->headers().list()) {
    if (is_passed_on(header.name)) {
      headers.add(header.name, header.value);
    }
  }
  CO_TRY_STATUS(co_await exchange.start((*response)->status(), std::move(headers)));
  co_return co_await copy(**response, exchange);
}

}  // namespace tetrarch::agent
