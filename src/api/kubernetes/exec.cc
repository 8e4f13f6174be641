// SPDX-License-Identifier: Apache-2.0
// pods/exec and pods/attach: asks the agent first, so that its refusal is still a plain answer;
// then takes the connection over and relays.
#include <fmt/core.h>

#include "api/kubernetes/exec_spdy.h"
#include "api/kubernetes/exec_websocket.h"
#include "api/kubernetes/frames.h"
#include "api/kubernetes/parameters.h"
#include "api/kubernetes/pod_target.h"
#include "api/kubernetes/serve.h"

namespace tetrarch::api::kubernetes {
namespace {

struct Wishes {
  bool has_stdin = false;
  bool has_stdout = false;
  bool has_stderr = false;
  bool is_tty = false;
  std::vector<std::string> command = {};
};

/// Source: Kubernetes API reference v1.35, PodExecOptions and PodAttachOptions.
Result<Wishes> wishes_of(const Context& context) {
  const bool is_attach = context.match.route->action == Action::attach;
  const auto& request = context.request;
  Wishes out;
  out.has_stdin = bool_parameter(request, "stdin");
  out.has_stdout = bool_parameter(request, "stdout");
  out.has_stderr = bool_parameter(request, "stderr");
  out.is_tty = bool_parameter(request, "tty");
  out.command = request.parameters("command");
  if (!out.has_stdin && !out.has_stdout && !out.has_stderr) {
    return Error{Code::malformed, "you must specify at least 1 of stdin, stdout, stderr"};
  }
  if (!is_attach && out.command.empty()) {
    return Error{Code::malformed, "you must specify at least 1 command for the container"};
  }
  if (out.is_tty) {
    out.has_stderr = false;  // a terminal has one output
  }
  return out;
}

Status check_running(const PodTarget& target, std::string_view what) {
  const auto phase = target.pod.root()["status"]["phase"].string();
  if (phase == "Succeeded" || phase == "Failed") {
    return Error{
        Code::malformed,
        fmt::format("cannot {} a container in a completed pod; current phase is {}", what, phase)};
  }
  if (target.node.text.empty()) {
    return Error{Code::malformed,
                 fmt::format("pod {} does not have a host assigned", target.pod.key.name)};
  }
  return ok();
}

std::string reach_request(const PodTarget& target, const Wishes& wishes, bool is_attach) {
  std::string out;
  object::Writer writer(out);
  begin_reach_request(writer, is_attach ? "attach" : "exec", target);
  writer.key("command").begin_array();
  for (const auto& word : wishes.command) {
    writer.string(word);
  }
  writer.end_array()
      .field("stdin", wishes.has_stdin)
      .field("stdout", wishes.has_stdout)
      .field("stderr", wishes.has_stderr)
      .field("tty", wishes.is_tty)
      .end_object();
  return out;
}

Task<Status> run_websocket(Context& context, NodeName node, std::string request) {
  CO_TRY(auto subprotocol,
         choose_subprotocol(context.request.headers.all("Sec-WebSocket-Protocol")));
  CO_TRY(const auto agent, co_await context.parts.nodes.open(std::move(node), std::move(request)));
  context.answered = 101;
  CO_TRY(auto socket, co_await context.exchange.upgrade_websocket(subprotocol));
  const auto client = make_websocket_client(std::move(socket), std::move(subprotocol));
  // Clients wait for a first, empty message to know that the command is there.
  Frame hello;
  hello.channel = Channel::out;
  CO_TRY_STATUS(co_await client->write(std::move(hello)));
  co_return co_await relay(*client, *agent);
}

Task<Status> run_spdy(Context& context, NodeName node, std::string request, Wishes wishes) {
  const auto offered = context.request.headers.all("X-Stream-Protocol-Version");
  CO_TRY(auto protocol, choose_spdy_protocol(offered));
  CO_TRY(auto agent, co_await context.parts.nodes.open(std::move(node), std::move(request)));
  net::Headers headers;
  headers.add("Connection", "Upgrade");
  headers.add("Upgrade", "SPDY/3.1");
  headers.add("X-Stream-Protocol-Version", protocol);
  context.answered = 101;
  CO_TRY(auto connection, co_await context.exchange.upgrade_raw(std::move(headers)));
  const SpdyStreams expected{wishes.has_stdin, wishes.has_stdout, wishes.has_stderr, wishes.is_tty};
  co_return co_await relay_spdy(
      std::move(connection), std::move(agent), expected, std::move(protocol));
}

}  // namespace

Task<Status> serve_exec(Context& context) {
  context.verb = "connect";
  const bool is_attach = context.match.route->action == Action::attach;
  CO_TRY(const auto target, co_await find_target(context, "create", true));
  CO_TRY_STATUS(check_running(target, is_attach ? "attach to" : "exec into"));
  CO_TRY(const auto wishes, wishes_of(context));
  auto request = reach_request(target, wishes, is_attach);
  if (context.request.headers.has_word("Upgrade", "websocket")) {
    co_return co_await run_websocket(context, target.node, std::move(request));
  }
  if (context.request.headers.has_word("Upgrade", "SPDY/3.1")) {
    co_return co_await run_spdy(context, target.node, std::move(request), wishes);
  }
  co_return Error{Code::malformed, "Upgrade request required"};
}

}  // namespace tetrarch::api::kubernetes
