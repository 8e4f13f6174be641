// SPDX-License-Identifier: Apache-2.0
// Our own routes, for agents: join (a certificate for a machine that shows a join token), feed
// (what one node needs) and reach (the connection over which servers reach the node).
#include <algorithm>

#include <fmt/core.h>

#include "api/kubernetes/serve.h"
#include "api/kubernetes/watch.h"
#include "base/log.h"
#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::size_t kNodeNameMax =
    253;  // Source: Kubernetes documentation, "Object Names and IDs"

/// Lower-case letters, digits, '-' and '.', with a letter or digit at both ends.
bool is_node_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty() || name.size() > kNodeNameMax || !is_plain(name.front()) ||
      !is_plain(name.back())) {
    return false;
  }
  return std::all_of(
      name.begin(), name.end(), [&](char c) { return is_plain(c) || c == '-' || c == '.'; });
}

/// A node reads its own feed and holds its own connection; nobody does it for another.
Status check_own_node(const Context& context) {
  const auto& identity = context.identity;
  const auto& node = context.match.name;
  if (identity.is_in(trust::kNodes) &&
      identity.user == std::string(trust::kNodeUserPrefix) + node) {
    return ok();
  }
  return Error{
      Code::forbidden,
      fmt::format(
          "nodes \"{}\" is forbidden: User \"{}\" may not act for this node", node, identity.user)};
}

std::string token_of(const net::Request& request, object::View body) {
  const auto written = body["token"].string();
  if (!written.empty()) {
    return std::string(written);
  }
  constexpr std::string_view kScheme = "Bearer ";
  const auto header = request.headers.get("Authorization");
  return header.starts_with(kScheme) ? std::string(header.substr(kScheme.size())) : "";
}

}  // namespace

Task<Status> serve_join(Context& context) {
  context.verb = "create";
  const auto parsed = object::Document::parse(context.request.body);
  if (!parsed.ok() || !(*parsed)->root().is_object()) {
    co_return Error{Code::malformed,
                    "the body of a join request is a JSON object with node, csr and token"};
  }
  const auto root = (*parsed)->root();
  const NodeName node{std::string(root["node"].string())};
  const std::string csr(root["csr"].string());
  auto token = token_of(context.request, root);
  CO_TRY_STATUS(co_await context.parts.nodes.check_join_token(std::move(token),
                                                              context.request.peer.address));
  if (!is_node_name(node.text)) {
    co_return Error{
        Code::malformed,
        fmt::format("\"{}\" is no node name: use lower-case letters, digits, '-' and '.'",
                    node.text)};
  }
  CO_TRY(const auto certificate, context.parts.nodes.sign(csr, node));
  log::info("api", "node {} joined from {}", node.text, context.request.peer.address);
  std::string out;
  object::Writer(out)
      .begin_object()
      .field("certificate", certificate)
      .field("ca", context.parts.nodes.ca_pem)
      .key("settings")
      .raw(context.parts.nodes.settings)
      .end_object();
  co_return co_await respond_json(context, 200, std::move(out));
}

Task<Status> serve_feed(Context& context) {
  context.verb = "watch";
  CO_TRY_STATUS(check_own_node(context));
  const auto client = context.parts.registry.client(context.identity);
  NodeName node(context.match.name);
  CO_TRY(auto feed, co_await client->feed(std::move(node)));
  // Ours: a feed has no time limit; the agent would only come back.
  const StreamLimits limits{std::chrono::hours(24 * 365), context.parts.options.slow_client_max};
  context.open = std::make_unique<WatchStream>(context, std::move(feed), limits, event_lines);
  co_return ok();
}

Task<Status> serve_reach(Context& context) {
  context.verb = "connect";
  CO_TRY_STATUS(check_own_node(context));
  if (!context.request.headers.has_word("Upgrade", "tetrarch-reach")) {
    co_return Error{Code::malformed,
                    "this path needs the headers Connection: Upgrade and Upgrade: tetrarch-reach"};
  }
  net::Headers headers;
  headers.add("Connection", "Upgrade");
  headers.add("Upgrade", "tetrarch-reach");
  context.answered = 101;
  CO_TRY(auto connection, co_await context.exchange.upgrade_raw(std::move(headers)));
  NodeName node(context.match.name);
  auto peer = context.request.peer;
  co_await context.parts.nodes.attach(std::move(node), std::move(peer), std::move(connection));
  co_return ok();
}

}  // namespace tetrarch::api::kubernetes
